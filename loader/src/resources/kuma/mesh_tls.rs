//! `MeshTLS` (Kuma `pkg/plugins/policies/meshtls/api/v1alpha1`).

use serde::Deserialize;

use super::policy::{Policy, overlay};

/// `MeshTLS`.
pub type MeshTls = Policy<TlsConf>;

/// The TLS between proxies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsConf {
    /// `Strict` or `Permissive`, in place of what the mesh says.
    pub mode: Option<String>,
    /// Its versions.
    pub tls_version: Option<TlsVersion>,
    /// Its ciphers, up to TLS 1.2.
    pub tls_ciphers: Option<Vec<String>>,
}

/// `TLSAuto`, or one of `TLS10` to `TLS13`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "their names say it")]
pub struct TlsVersion {
    pub min: Option<String>,
    pub max: Option<String>,
}

overlay! {
    TlsConf { mode, tls_version, tls_ciphers }
    TlsVersion { min, max }
}
