//! `HostnameGenerator` (Kuma `pkg/core/resources/apis/hostnamegenerator/api/v1alpha1`).

use serde::Deserialize;

use crate::resources::decode::Anything;

/// Host names for services.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct HostnameGenerator {
    pub selector: Selector,
    pub template: String,
    pub extension: Option<Extension>,
}

/// Which services.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Selector {
    pub mesh_service: Option<LabelSelector>,
    pub mesh_external_service: Option<LabelSelector>,
    pub mesh_multi_zone_service: Option<LabelSelector>,
}

/// Labels of services.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct LabelSelector {
    pub match_labels: Anything,
}

/// Another maker of names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Extension {
    #[serde(rename = "type")]
    pub kind: String,
    pub config: Anything,
}
