//! `MeshService` and `MeshMultiZoneService` (Kuma `pkg/core/resources/apis`): services as resources of their own.

use std::collections::BTreeMap;

use policy::Tags;
use serde::Deserialize;

use crate::resources::decode::{Anything, NumberOrText};

/// A service: which Dataplanes, at which ports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshService {
    /// Whether a control plane has found any endpoint.
    pub state: Anything,
    /// The Dataplanes.
    pub selector: Selector,
    /// The ports.
    pub ports: Vec<Port>,
    /// Who the endpoints are in mTLS; what their Dataplanes say if there are none.
    pub identities: Vec<ServiceIdentity>,
}

/// Who an endpoint is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceIdentity {
    /// What the value is.
    #[serde(rename = "type")]
    pub kind: IdentityKind,
    /// A service of the mesh, or a SPIFFE ID.
    pub value: String,
}

/// What an identity is told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum IdentityKind {
    /// A service of the mesh.
    #[default]
    ServiceTag,
    /// A SPIFFE ID.
    #[serde(rename = "SpiffeID")]
    SpiffeId,
}

/// Which Dataplanes; one of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Selector {
    /// By tags of an inbound.
    pub dataplane_tags: Option<Tags>,
    /// By name.
    pub dataplane_ref: Option<DataplaneRef>,
    /// By labels.
    pub dataplane_labels: Option<LabelSelector>,
}

/// A Dataplane by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataplaneRef {
    /// The name.
    pub name: String,
}

/// Resources by labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LabelSelector {
    /// The labels, all of them.
    pub match_labels: BTreeMap<String, String>,
}

impl LabelSelector {
    /// Whether a resource with these labels is meant.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// A port of a service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Port {
    /// The name, for `sectionName`.
    pub name: Option<String>,
    /// The number.
    pub port: u32,
    /// The port or port name of the Dataplanes' inbounds, if it is another one.
    pub target_port: Option<NumberOrText>,
    /// What it speaks.
    pub app_protocol: String,
}

/// A service made of others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshMultiZoneService {
    /// The others.
    pub selector: MultiZoneSelector,
    /// The ports.
    pub ports: Vec<Port>,
}

/// Which services.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MultiZoneSelector {
    /// By labels.
    pub mesh_service: LabelSelector,
}
