//! `Secret`: bytes with a name, base64 in the YAML.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::model::Certificate;
use crate::model::certificates::Unusable;
use crate::resources::Resource;

/// Bytes that are not for every eye; the Kubernetes form's key `value` is unwrapped.
#[derive(Clone, Default)]
pub struct Secret {
    /// Base64.
    pub data: String,
    /// The certificate in it, once somebody has asked for it: checks and the proxy want the same, and keys are slow to
    /// judge.
    pub(crate) certificate: OnceLock<Result<Certificate, Unusable>>,
}

impl Secret {
    /// A secret of these bytes, in base64.
    pub(crate) fn new(data: String) -> Self {
        Self {
            data,
            certificate: OnceLock::new(),
        }
    }
}

/// Leaves the bytes out: resources are printed in tests and bug reports.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The secrets of all meshes.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    by_mesh: BTreeMap<String, BTreeMap<String, Resource<Secret>>>,
}

impl Secrets {
    /// Adds a secret. Of several with one name, which is an error, the first one stays.
    pub(crate) fn add(&mut self, secret: Resource<Secret>) {
        let of_mesh = self.by_mesh.entry(secret.meta.mesh.clone()).or_default();
        of_mesh.entry(secret.meta.name.clone()).or_insert(secret);
    }

    /// The secret of this name in a mesh.
    pub fn get(&self, mesh: &str, name: &str) -> Option<&Resource<Secret>> {
        self.by_mesh.get(mesh)?.get(name)
    }
}
