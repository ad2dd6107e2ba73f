//! `Mesh` (Kuma `api/mesh/v1alpha1/mesh.proto`).

use serde::Deserialize;

use crate::resources::decode::Anything;

/// A mesh. None of its fields is looked into yet; each is known by its name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mesh {
    mtls: Anything,
    tracing: Anything,
    logging: Anything,
    metrics: Anything,
    networking: Anything,
    routing: Anything,
    constraints: Anything,
    #[serde(
        rename = "skipCreatingInitialPolicies",
        alias = "skip_creating_initial_policies"
    )]
    skip_creating_initial_policies: Anything,
    #[serde(rename = "meshServices", alias = "mesh_services")]
    services: Anything,
}
