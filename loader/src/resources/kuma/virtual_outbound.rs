//! `VirtualOutbound` (Kuma `api/mesh/v1alpha1/virtual_outbound.proto`).

use serde::Deserialize;

use super::mesh_gateway::Selector;

/// Host names for services. Of it the tags count that they are made from, for egresses: clients ask them for services
/// with these tags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "named as in the resource")]
pub struct VirtualOutbound {
    pub selectors: Vec<Selector>,
    pub conf: Option<Conf>,
}

/// `VirtualOutbound.Conf`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Conf {
    pub host: String,
    pub port: String,
    pub parameters: Vec<Parameter>,
}

/// `VirtualOutbound.Conf.TemplateParameter`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Parameter {
    pub name: String,
    #[serde(alias = "tag_key")]
    pub tag_key: String,
}
