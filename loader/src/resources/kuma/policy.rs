//! What all policies have: whom they are for, and values that are merged field by field.

mod values;

pub use crate::resources::Duration;
pub(crate) use values::overlay;
pub use values::{Fraction, Overlay};

use policy::Tags;
use serde::Deserialize;

use super::mesh_gateway::Selector;
use super::mesh_http_route::TargetRef;

/// A policy with `targetRef` (`pkg/plugins/policies/*/api/v1alpha1`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[serde(bound = "C: Deserialize<'de> + Default")]
pub struct Policy<C> {
    /// Whose traffic; all of the mesh if absent.
    pub target_ref: Option<TargetRef>,
    /// What holds for traffic that leaves.
    pub to: Vec<Entry<C>>,
    /// What holds for traffic that comes in, the older form.
    pub from: Vec<Entry<C>>,
    /// What holds for traffic that comes in.
    pub rules: Vec<InboundRule<C>>,
}

impl<C> Policy<C> {
    /// All configurations.
    pub(crate) fn confs(&self) -> impl Iterator<Item = &C> {
        let entries = self.to.iter().chain(&self.from).map(|entry| &entry.conf);
        entries.chain(self.rules.iter().map(|rule| &rule.conf))
    }
}

/// An entry of `to` or `from`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[serde(bound = "C: Deserialize<'de> + Default")]
pub struct Entry<C> {
    /// The other side.
    pub target_ref: TargetRef,
    /// What holds for it.
    #[serde(rename = "default")]
    pub conf: C,
}

/// An entry of `rules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(bound = "C: Deserialize<'de> + Default")]
pub struct InboundRule<C> {
    /// Which clients; all if there are none.
    pub matches: Vec<ClientMatch>,
    /// What holds for them.
    #[serde(rename = "default")]
    pub conf: C,
}

/// Clients by what they prove or ask for in TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientMatch {
    /// The identity.
    #[serde(rename = "spiffeID")]
    pub spiffe_id: Option<TextMatch>,
    /// The server name.
    pub sni: Option<TextMatch>,
}

/// A text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextMatch {
    /// `Exact` or `Prefix`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text, or its beginning.
    pub value: String,
}

/// A policy with `sources` and `destinations` (`api/mesh/v1alpha1`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(bound = "C: Deserialize<'de> + Default")]
pub struct Connection<C> {
    /// Tags of those who connect; one matching selector suffices.
    pub sources: Vec<Selector>,
    /// Tags of those who are connected to.
    pub destinations: Vec<Selector>,
    /// What holds for the connections.
    pub conf: C,
}

impl<C> Connection<C> {
    /// The services that are named as destinations.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        let tags = self.destinations.iter().map(|selector| &selector.tags);
        tags.filter_map(|tags: &Tags| tags.get("kuma.io/service"))
    }
}
