//! Which clients may send what: allow and deny lists over client, method and path.

use core::ops::Deref;

use crate::client::{self, Client, InvalidUri, UriPattern};
use crate::config::{PermissionsConfig, RuleConfig};
use crate::decision::{Reason, Refusal};
use crate::path::{AmbiguousPath, Case, Path, PathPrefix};

/// The parts of a request, or of a connection, that only rules ask for. Each one that is asked for costs a filter
/// a call, so each is asked for at most once, and only where a rule needs it.
pub trait Facts {
    /// The URIs of the client's certificate: see [`Client`].
    fn client(&self) -> Option<impl Deref<Target = [u8]>>;

    /// The request's `:method`.
    fn method(&self) -> Option<impl Deref<Target = [u8]>>;

    /// The request's `:path`.
    fn path(&self) -> Option<impl Deref<Target = [u8]>>;

    /// The request's `upgrade`: the protocol that it changes to.
    fn upgrade(&self) -> Option<impl Deref<Target = [u8]>>;
}

/// Lists of rules. One of `deny` forbids, else one of `shadow_deny` or `allow` permits; what none of them matches is
/// forbidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    deny: Box<[Rule]>,
    shadow_deny: Box<[Rule]>,
    allow: Box<[Rule]>,
    asks: Asks,
    meshes: Vec<Box<str>>,
}

/// A set of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    client: Box<[UriPattern]>,
    methods: Box<[Box<str>]>,
    paths: Box<[PathPrefix]>,
}

/// What the rules speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asks {
    client: bool,
    method: bool,
    path: bool,
}

/// How something is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Without more.
    Allowed,
    /// By `shadow_deny`: it is counted and marked as one that was refused, and passes.
    Shadow,
}

impl Permissions {
    /// Whether they permit it. `client` is the one that is known beforehand, if one is.
    pub fn permit(
        &self,
        client: Option<Client<'_>>,
        facts: &impl Facts,
    ) -> Result<Permit, Refusal<'static>> {
        let asked = (client.is_none() && self.asks.client).then(|| facts.client());
        let asked = asked.flatten();
        let client = client.or_else(|| Client::new(asked.as_deref()?));
        // Without this, one who is unknown would be none of those who are denied.
        if self.asks.client && client.is_none() {
            return Err(Refusal::CLIENT);
        }
        let method = self.asks.method.then(|| facts.method()).flatten();
        // Nor is it known of a connection what is sent on it.
        if self.asks.method && method.is_none() {
            return Err(Refusal::CLIENT);
        }
        let path = self.asks.path.then(|| facts.path()).flatten();
        let path = match path.as_deref().map(Path::parse) {
            Some(Ok(path)) => Some(path),
            None if !self.asks.path => None,
            _ => return Err(Refusal::new(Reason::AmbiguousPath)),
        };
        let is_in = |rules: &[Rule], case: Case| {
            let matches = |rule: &Rule| rule.matches(client, method.as_deref(), path, case);
            rules.iter().any(matches)
        };
        let is_denied = is_in(&self.deny, Case::Ignored);
        let is_in = |rules| is_in(rules, Case::Kept);
        if is_denied {
            Err(Refusal::CLIENT)
        } else if is_in(&self.shadow_deny) {
            Ok(Permit::Shadow)
        } else if is_in(&self.allow) {
            Ok(Permit::Allowed)
        } else {
            Err(Refusal::CLIENT)
        }
    }

    /// Whether they speak of clients.
    pub fn ask_for_clients(&self) -> bool {
        self.asks.client
    }

    /// The meshes that they name.
    pub fn meshes(&self) -> &[Box<str>] {
        &self.meshes
    }
}

impl Rule {
    fn matches(
        &self,
        client: Option<Client<'_>>,
        method: Option<&[u8]>,
        path: Option<Path<'_>>,
        case: Case,
    ) -> bool {
        let has = |pattern: &UriPattern| {
            client.is_some_and(|client| client.uris().any(|uri| pattern.matches(uri)))
        };
        let mut methods = self.methods.iter();
        let is_own = |own: &str| {
            method.is_some_and(|method| match case {
                Case::Kept => own.as_bytes() == method,
                Case::Ignored => own.as_bytes().eq_ignore_ascii_case(method),
            })
        };
        let holds = |prefix: &PathPrefix| path.is_some_and(|path| prefix.holds(path, case));
        self.client.iter().all(has)
            && (self.methods.is_empty() || methods.any(|own| is_own(own)))
            && (self.paths.is_empty() || self.paths.iter().any(holds))
    }
}

impl TryFrom<&PermissionsConfig> for Permissions {
    type Error = InvalidRule;

    fn try_from(config: &PermissionsConfig) -> Result<Self, InvalidRule> {
        let all = || {
            config
                .deny
                .iter()
                .chain(&config.shadow_deny)
                .chain(&config.allow)
        };
        let rules = |rules: &[RuleConfig]| -> Result<Box<[Rule]>, InvalidRule> {
            rules.iter().map(Rule::try_from).collect()
        };
        let mut permissions = Self {
            deny: rules(&config.deny)?,
            shadow_deny: rules(&config.shadow_deny)?,
            allow: rules(&config.allow)?,
            ..Self::default()
        };
        for rule in all() {
            permissions.asks.client |= !rule.client.is_empty();
            permissions.asks.method |= !rule.methods.is_empty();
            permissions.asks.path |= !rule.paths.is_empty();
            for mesh in rule.client.iter().filter_map(|text| client::mesh(text)) {
                if !permissions.meshes.iter().any(|known| **known == *mesh) {
                    permissions.meshes.push(mesh.into());
                }
            }
        }
        Ok(permissions)
    }
}

impl TryFrom<&RuleConfig> for Rule {
    type Error = InvalidRule;

    fn try_from(config: &RuleConfig) -> Result<Self, InvalidRule> {
        let client = |text: &String| {
            UriPattern::parse(text).map_err(|why| InvalidRule::Client(text.clone(), why))
        };
        let method = |text: &String| match text.as_str() {
            text if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Ok(text.into())
            }
            _ => Err(InvalidRule::Method(text.clone())),
        };
        let path = |text: &String| {
            PathPrefix::parse(text).map_err(|why| InvalidRule::Path(text.clone(), why))
        };
        Ok(Self {
            client: config.client.iter().map(client).collect::<Result<_, _>>()?,
            methods: config
                .methods
                .iter()
                .map(method)
                .collect::<Result<_, _>>()?,
            paths: config.paths.iter().map(path).collect::<Result<_, _>>()?,
        })
    }
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// A client that no certificate can name.
    #[error("client `{0}`: {1}")]
    Client(String, InvalidUri),
    /// A method that is none.
    #[error("method `{0}`: a method is written in capital letters, as `GET`")]
    Method(String),
    /// A path that no request can have.
    #[error("path `{0}`: {1}")]
    Path(String, AmbiguousPath),
}

#[cfg(test)]
mod tests;
