//! `Secret`: bytes with a name, base64 in the YAML.

use serde::Deserialize;

/// Bytes that are not for every eye; the Kubernetes form's key `value` is unwrapped.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Base64.
    pub data: String,
}

/// Leaves the bytes out: resources are printed in tests and bug reports.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
