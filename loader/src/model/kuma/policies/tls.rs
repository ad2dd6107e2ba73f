//! `MeshTLS`: what holds for a proxy holds for what it calls, too (Kuma
//! `pkg/plugins/policies/meshtls/plugin/v1alpha1/plugin.go` at 2.14.3).

use std::collections::BTreeSet;

use super::select::Policies;
use crate::model::TlsVersion;
use crate::model::identity::TlsParams;
use crate::resources::kuma::mesh_tls::TlsConf;

/// Whether clients without TLS are let in; nothing if the mesh decides.
pub(in crate::model::kuma) fn is_permissive(policies: &Policies<'_>) -> Option<bool> {
    let mode = conf(policies).mode?;
    Some(mode == "Permissive")
}

/// The versions and ciphers.
pub(in crate::model::kuma) fn params(policies: &Policies<'_>) -> TlsParams {
    let conf = conf(policies);
    let versions = conf.tls_version.unwrap_or_default();
    let ciphers: BTreeSet<_> = conf.tls_ciphers.into_iter().flatten().collect();
    TlsParams {
        min: versions.min.as_deref().and_then(version),
        max: versions.max.as_deref().and_then(version),
        ciphers: ciphers
            .iter()
            .flat_map(|cipher| of_both_keys(cipher))
            .collect(),
    }
}

fn conf(policies: &Policies<'_>) -> TlsConf {
    let conf = policies.inbound(&policies.resources.mesh_tls);
    conf.unwrap_or_default()
}

fn version(name: &str) -> Option<TlsVersion> {
    match name {
        "TLS10" => Some(TlsVersion::V1_0),
        "TLS11" => Some(TlsVersion::V1_1),
        "TLS12" => Some(TlsVersion::V1_2),
        "TLS13" => Some(TlsVersion::V1_3),
        _ => None,
    }
}

/// Kuma's own identities have RSA keys and those of meshgate have not, so a cipher stands for both kinds: they are
/// equally strong.
fn of_both_keys(cipher: &str) -> [String; 2] {
    let rest = cipher
        .strip_prefix("ECDHE-RSA-")
        .or_else(|| cipher.strip_prefix("ECDHE-ECDSA-"))
        .unwrap_or(cipher);
    [format!("ECDHE-ECDSA-{rest}"), format!("ECDHE-RSA-{rest}")]
}
