//! `Mesh` (Kuma `api/mesh/v1alpha1/mesh.proto`).

use serde::Deserialize;

/// A mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mesh {}
