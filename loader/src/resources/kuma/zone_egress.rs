//! `ZoneEgress` (Kuma `api/mesh/v1alpha1/zoneegress.proto`).

use serde::Deserialize;

use super::dataplane::Admin;
use crate::resources::decode::Anything;

/// The proxy through which a zone is left.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct ZoneEgress {
    pub zone: Anything,
    pub networking: Networking,
}

/// `ZoneEgress.Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Networking {
    pub address: String,
    pub port: u32,
    pub admin: Option<Admin>,
}
