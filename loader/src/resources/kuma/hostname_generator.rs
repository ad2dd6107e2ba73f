//! `HostnameGenerator` (Kuma `pkg/core/resources/apis/hostnamegenerator/api/v1alpha1`).

use serde::Deserialize;

use super::mesh_service::LabelSelector;
use crate::resources::decode::Anything;

/// Host names for services.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HostnameGenerator {
    /// Which services.
    pub selector: Selector,
    /// The name, as one of Go's templates.
    pub template: String,
    /// Another maker of names, which only a control plane with that extension knows.
    pub extension: Option<Extension>,
}

/// Which services: one of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Selector {
    /// Services of the mesh.
    pub mesh_service: Option<LabelSelector>,
    /// Services outside of it.
    pub mesh_external_service: Option<LabelSelector>,
    /// Services of several zones.
    pub mesh_multi_zone_service: Option<LabelSelector>,
}

/// Something that a plugin of Kuma's control plane knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Extension {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is told.
    pub config: Anything,
}
