//! `AuthorizationPolicy` (`security/v1beta1/authorization_policy.proto`): who may send which requests.

use serde::Deserialize;

use super::destination_rule::WorkloadSelector;
use super::request_authentication::{Attached, TargetRef};

/// Rules, and what becomes of the requests that they take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthorizationPolicy {
    /// As in a RequestAuthentication.
    pub selector: Option<WorkloadSelector>,
    /// As in a RequestAuthentication.
    pub target_ref: Option<TargetRef>,
    /// As in a RequestAuthentication.
    pub target_refs: Vec<TargetRef>,
    /// Any of these; no request if there are none.
    pub rules: Vec<Rule>,
    /// What becomes of them.
    pub action: Action,
    /// Who is asked, with `CUSTOM`.
    pub provider: Option<Provider>,
}

impl Attached for AuthorizationPolicy {
    fn selector(&self) -> Option<&WorkloadSelector> {
        self.selector.as_ref()
    }

    fn targets(&self) -> Vec<&TargetRef> {
        let older = self.target_ref.iter();
        let older = older.filter(|_| self.target_refs.is_empty());
        self.target_refs.iter().chain(older).collect()
    }
}

/// `AuthorizationPolicy.Action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Action {
    /// Requests that no policy with this takes are refused.
    #[default]
    #[serde(rename = "ALLOW", alias = "0")]
    Allow,
    /// They are refused.
    #[serde(rename = "DENY", alias = "1")]
    Deny,
    /// They are written down.
    #[serde(rename = "AUDIT", alias = "2")]
    Audit,
    /// Somebody else is asked.
    #[serde(rename = "CUSTOM", alias = "3")]
    Custom,
}

/// `ExtensionProvider`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// Its name in the settings of the mesh.
    pub name: String,
}

/// `Rule`: every request if nothing is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Any of these.
    pub from: Vec<From>,
    /// Any of these.
    pub to: Vec<To>,
    /// All of these.
    pub when: Vec<Condition>,
}

/// `Rule.From`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct From {
    /// Required.
    pub source: Option<Source>,
}

/// `Source`: all lists that are given have to hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "named as in Istio")]
pub struct Source {
    pub principals: Vec<String>,
    pub not_principals: Vec<String>,
    pub request_principals: Vec<String>,
    pub not_request_principals: Vec<String>,
    pub namespaces: Vec<String>,
    pub not_namespaces: Vec<String>,
    pub ip_blocks: Vec<String>,
    pub not_ip_blocks: Vec<String>,
    pub remote_ip_blocks: Vec<String>,
    pub not_remote_ip_blocks: Vec<String>,
    pub service_accounts: Vec<String>,
    pub not_service_accounts: Vec<String>,
    pub trust_domains: Vec<String>,
    pub not_trust_domains: Vec<String>,
}

/// `Rule.To`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct To {
    /// Required.
    pub operation: Option<Operation>,
}

/// `Operation`: all lists that are given have to hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "named as in Istio")]
pub struct Operation {
    pub hosts: Vec<String>,
    pub not_hosts: Vec<String>,
    pub ports: Vec<String>,
    pub not_ports: Vec<String>,
    pub methods: Vec<String>,
    pub not_methods: Vec<String>,
    pub paths: Vec<String>,
    pub not_paths: Vec<String>,
}

/// `Condition`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Condition {
    /// `request.headers[x]`, say.
    pub key: String,
    /// Any of these.
    pub values: Vec<String>,
    /// None of these.
    pub not_values: Vec<String>,
}

/// What a condition is about, of those that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `request.headers[name]`.
    Header(String),
    /// `source.ip`.
    SourceIp,
    /// `remote.ip`.
    RemoteIp,
    /// `request.auth.principal`.
    RequestPrincipal,
    /// `request.auth.claims[name][name]`, and what stands for `aud` and `azp`.
    Claim(Vec<String>),
    /// `destination.port`.
    DestinationPort,
    /// `connection.sni`.
    Sni,
}

impl Attribute {
    /// The attribute of a key; nothing if it is not served.
    pub fn parse(key: &str) -> Option<Self> {
        let way = |rest: &str| {
            let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
            let names: Vec<_> = inner.split("][").map(ToOwned::to_owned).collect();
            names.iter().all(|name| !name.is_empty()).then_some(names)
        };
        Some(match key {
            "source.ip" => Self::SourceIp,
            "remote.ip" => Self::RemoteIp,
            "request.auth.principal" => Self::RequestPrincipal,
            "request.auth.audiences" => Self::Claim(vec!["aud".to_owned()]),
            "request.auth.presenter" => Self::Claim(vec!["azp".to_owned()]),
            "destination.port" => Self::DestinationPort,
            "connection.sni" => Self::Sni,
            _ => match key.strip_prefix("request.auth.claims") {
                Some(rest) => Self::Claim(way(rest)?),
                None => match way(key.strip_prefix("request.headers")?)?.as_slice() {
                    [name] => Self::Header(name.clone()),
                    _ => return None,
                },
            },
        })
    }
}

/// An address or a network, `10.1.2.3` or `10.1.0.0/16`.
pub fn network(text: &str) -> Option<(std::net::IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: std::net::IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some((address, bits))
}
