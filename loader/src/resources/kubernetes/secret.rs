//! `Secret` and `ConfigMap` (`v1`): bytes and texts by name.

mod extract;

pub use extract::{Authorities, NotInSecret, ServerPair};

use std::collections::BTreeMap;

use serde::Deserialize;

/// Bytes that are not for every eye, decoded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// `Opaque` if it names none.
    pub kind: String,
    /// By key; `stringData` wins over `data`, as in the API server.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// Leaves the bytes out: resources are printed in tests and bug reports.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.data.keys().collect();
        f.debug_struct("Secret")
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

/// Texts for every eye.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    /// By key.
    pub data: BTreeMap<String, String>,
}
