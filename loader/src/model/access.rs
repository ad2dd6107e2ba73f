//! Who may send which requests to a gateway, whichever listener takes them.

use std::net::IpAddr;

/// What is refused, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Requests that any of these takes are refused.
    pub denied: Vec<AccessRule>,
    /// Requests that none of these takes are refused; none are if absent.
    pub allowed: Option<Vec<AccessRule>>,
}

impl Access {
    /// Whether nothing is refused.
    pub fn is_open(&self) -> bool {
        self.denied.is_empty() && self.allowed.is_none()
    }
}

/// Some requests: those with any of the operations that come from any of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Its name in Envoy's logs of decisions.
    pub name: String,
    /// Operations, of each of which all has to hold.
    pub to: Vec<Vec<AnyOf<Operation>>>,
    /// Sources, of each of which all has to hold.
    pub from: Vec<Vec<AnyOf<Caller>>>,
}

/// One of several facts has to hold, or none of them may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyOf<T> {
    /// The facts.
    pub facts: Vec<T>,
    /// Whether none of them may hold.
    pub is_not: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A host, in any case of letters, with any port or none.
    Host(Text),
    /// A method.
    Method(Text),
    /// A path, without the query.
    Path(Text),
    /// A port of the gateway.
    Port(u16),
    /// The name that was asked for in TLS.
    Sni(Text),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A header.
    Header(String, Text),
    /// The other end of the connection is in this network.
    Peer(IpAddr, u8),
    /// The client is in this network, as far as it is known.
    Client(IpAddr, u8),
    /// A claim of the token, or one of its values.
    Claim(Vec<String>, Text),
    /// The token, by its issuer and its subject.
    #[expect(missing_docs, reason = "`iss` and `sub`")]
    Principal { issuer: Text, subject: Text },
}

/// Some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// All that are not empty.
    Any,
    /// This one.
    Exact(String),
    /// Those that begin with this.
    Prefix(String),
    /// Those that end with this.
    Suffix(String),
}

impl Text {
    /// Reads `text`, `text*`, `*text` or `*` (`StringMatcher` in `pilot/pkg/security/authz/matcher` of Istio at 1.32).
    pub fn parse(text: &str) -> Self {
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(""), _) => Self::Any,
            (Some(end), _) => Self::Suffix(end.to_owned()),
            (_, Some(start)) => Self::Prefix(start.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        }
    }
}
