//! The plugin configuration: what the loader writes into Envoy's configuration and the filters read from it.

use serde::{Deserialize, Serialize};

use crate::hostname::InvalidHostname;
use crate::json::{self, InvalidJson};
use crate::outbound::{InvalidOutbound, Outbound};
use crate::permissions::InvalidRule;
use crate::table::{HostTable, TwoOwners};
use crate::tags::Tags;

mod cross_mesh;
mod external_access;
mod listeners;
mod named;
mod part;
mod permissions;

pub use cross_mesh::{CrossMeshConfig, CrossMeshGatewayConfig};
pub use external_access::{
    Access, ExternalAccessConfig, ExternalServiceConfig, Passthrough, PassthroughConfig, Protocol,
};
pub use listeners::{Listed, Listeners};
use named::named;
pub use part::{Part, Unused};
pub use permissions::{PermissionsConfig, RuleConfig};

/// The version of the configuration that this code reads and writes.
pub const VERSION: u32 = 1;

/// The configuration of a filter, as JSON.
///
/// A gateway's port has `listeners`. An outbound has `cross_mesh`, `external_access` or both, and then a host that
/// `cross_mesh` does not know is the affair of `external_access`.
///
/// Filter chains of one TLS port have listeners in common. Each of them gives in `listeners` what it needs for its own
/// hosts: the listener of the chain and those whose hosts are among its own. One of them gives all, and a name for
/// them, `table`; the others name it in `elsewhere`, and can tell with it which hosts are on this port at all.
///
/// A filter that does not have one of the parts has [`Unused`] in its place, and then neither the code that reads it;
/// in place of the list of listeners it has [`Listeners`], the table that they become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PluginConfig"))]
#[serde(
    deny_unknown_fields,
    bound(deserialize = "C: Deserialize<'de>, E: Deserialize<'de>, L: Deserialize<'de>")
)]
pub struct PluginConfig<C = CrossMeshConfig, E = ExternalAccessConfig, L = Vec<ListenerConfig>> {
    /// The version of this format: 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// Whether refusals are enforced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// How much a refused client is told. The access log always gets all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reasons: Reasons,
    /// Which requests say in the filter state whose they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub publish: Publish,
    /// The port that answers name; it decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A name under which other filters with the same `vm_id` find these `listeners`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The listeners of the port; beside `elsewhere`, those of them that take hosts of the chain's listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<L>,
    /// On TLS: the name of the listener, or of the external service, whose filter chain this filter is in. A host of
    /// any other is refused with 421.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The `table` of all listeners of the port, for hosts that none of `listeners` takes: they get 421 if one of the
    /// table does, and 404 if none does or nobody gives the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// Gateways of meshes that requests are sent to by hostname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_mesh: Option<C>,
    /// What may be reached outside the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_access: Option<E>,
}

/// Who takes requests for some hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ListenerConfig"))]
#[serde(deny_unknown_fields, bound(deserialize = "P: Deserialize<'de>"))]
pub struct ListenerConfig<P = PermissionsConfig> {
    /// The name in logs and counters.
    pub name: String,
    /// The hosts: `name`, `*.name` (everything below it) or `*`. Left out or empty: every host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// Tags that requests to these hosts carry.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Which clients may send what. Left out: every client that TLS let in may send everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<P>,
}

/// Whether refusals are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Refused requests are answered by the filter.
    #[default]
    Enforce,
    /// Refused requests are counted and logged, and pass.
    Audit,
}

/// How much a refused client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reasons {
    /// The reason and one line about it.
    #[default]
    Full,
    /// The reason's name.
    Short,
    /// Nothing but the status.
    None,
}

/// Which requests say in the filter state which listener they belong to and with which tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// All.
    #[default]
    All,
    /// Those that are refused, or would be in audit mode: where nobody asks about the others, or knows it from the
    /// filter chain. This is two calls less for each request that passes.
    Refused,
}

named!(Mode { "enforce" => Enforce, "audit" => Audit });
named!(Publish { "all" => All, "refused" => Refused });
named!(Reasons { "full" => Full, "short" => Short, "none" => None });

impl PluginConfig {
    /// A configuration with everything left out.
    pub fn empty() -> Self {
        Self {
            version: VERSION,
            mode: Mode::default(),
            reasons: Reasons::default(),
            publish: Publish::default(),
            port: None,
            table: None,
            listeners: None,
            chain: None,
            elsewhere: None,
            cross_mesh: None,
            external_access: None,
        }
    }

    /// Reads and checks a configuration with all parts.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidConfig> {
        Self::read(json)
    }
}

impl<C, E, L> PluginConfig<C, E, L>
where
    C: Part<CrossMeshConfig>,
    E: Part<ExternalAccessConfig>,
    L: Listed,
{
    /// Reads and checks a configuration.
    pub fn read(json: &[u8]) -> Result<Self, InvalidConfig> {
        let config: Self = json::read(json)?;
        if config.version != VERSION {
            return Err(InvalidConfig::Version(config.version));
        }
        let has_outbound = config.cross_mesh.is_some() || config.external_access.is_some();
        match (&config.listeners, has_outbound) {
            (None, false) => Err(InvalidConfig::NoListeners),
            (Some(_), true) => Err(InvalidConfig::TwoSides),
            (None, true) if config.table.is_some() || config.elsewhere.is_some() => {
                Err(InvalidConfig::NoTable)
            }
            (Some(_), false) if config.elsewhere.is_some() && config.chain.is_none() => {
                Err(InvalidConfig::ElsewhereWithoutChain)
            }
            _ => Ok(config),
        }
    }

    /// Takes the listeners out, ready for look-up, if the configuration is that of a gateway.
    pub fn table(&mut self) -> Result<Option<HostTable>, InvalidConfig> {
        let Some(listeners) = self.listeners.take() else {
            return Ok(None);
        };
        let table = listeners.table()?;
        match &self.chain {
            Some(chain) if table.named(chain).is_none() => {
                Err(InvalidConfig::NoSuchChain(chain.clone()))
            }
            _ => Ok(Some(table)),
        }
    }

    /// The destinations ready for look-up, if the configuration is that of an outbound.
    pub fn outbound(&self) -> Result<Option<Outbound>, InvalidConfig> {
        if self.cross_mesh.is_none() && self.external_access.is_none() {
            return Ok(None);
        }
        let cross_mesh = self.cross_mesh.as_ref().map(Part::part);
        let external = self.external_access.as_ref().map(Part::part);
        let outbound = Outbound::new(cross_mesh, external, self.chain.as_deref())?;
        Ok(Some(outbound))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why a plugin configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// It is no JSON, or not of this format.
    #[error("{0}")]
    Json(#[from] InvalidJson),
    /// It is of another version.
    #[error("version {0} is not known, this filter reads version {VERSION}")]
    Version(u32),
    /// It decides by nothing.
    #[error("`listeners` is missing, or what an outbound has in their place")]
    NoListeners,
    /// It is of a gateway and of an outbound.
    #[error("`listeners` does not go together with `cross_mesh` or `external_access`")]
    TwoSides,
    /// An outbound has no listeners to share.
    #[error("`table` and `elsewhere` are about `listeners`")]
    NoTable,
    /// Nobody could say what `elsewhere` is.
    #[error("`elsewhere` is about hosts of other filter chains: give the `chain` of this one")]
    ElsewhereWithoutChain,
    /// A rule of a listener can match nothing.
    #[error("listener `{listener}`: {why}")]
    Rule {
        /// The listener's name.
        listener: String,
        /// What is wrong with the rule.
        why: InvalidRule,
    },
    /// The destinations cannot be used.
    #[error(transparent)]
    Outbound(#[from] InvalidOutbound),
    /// A hostname is none.
    #[error("listener `{listener}`: hostname `{hostname}`: {why}")]
    Hostname {
        /// The listener's name.
        listener: String,
        /// What it has as a hostname.
        hostname: String,
        /// What is wrong with it.
        why: InvalidHostname,
    },
    /// Two listeners take the same hosts.
    #[error(transparent)]
    TwoOwners(#[from] TwoOwners),
    /// The chain is no listener of the table.
    #[error("`chain` names `{0}`, which is none of the listeners")]
    NoSuchChain(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        match PluginConfig::from_json(json.as_bytes()).and_then(|mut config| config.table()) {
            Ok(_) => panic!("accepted: {json}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_shortest_configuration() {
        let json = r#"{"version":1,"listeners":[{"name":"shop","hostnames":["shop.example.com","*.shop.example.com"]}]}"#;
        let config = PluginConfig::from_json(json.as_bytes()).unwrap();
        assert_eq!(config.mode, Mode::Enforce);
        assert_eq!(serde_json::to_string(&config).unwrap(), json);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        assert_eq!(
            error(r#"{"version":2,"listeners":[]}"#),
            "version 2 is not known, this filter reads version 1"
        );
        assert!(error(r#"{"version":1,"listener":[]}"#).starts_with("unknown field `listener`"));
        assert!(error(r#"{"version":1}"#).starts_with("`listeners` is missing"));
        assert_eq!(
            error(r#"{"version":1,"listeners":[{"name":"a","hostnames":["a..b"]}]}"#),
            "listener `a`: hostname `a..b`: the host has an empty label"
        );
        assert_eq!(
            error(r#"{"version":1,"chain":"b","listeners":[{"name":"a"}]}"#),
            "`chain` names `b`, which is none of the listeners"
        );
    }
}
