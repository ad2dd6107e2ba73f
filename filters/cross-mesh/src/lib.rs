//! `cross_mesh.wasm`: both ends of a call from one mesh to the gateway of another.
//!
//! At the client, `cross_mesh` says which hostname leads to which gateway, and the filter names its cluster in a header
//! that it owns. At the gateway, `listeners` with `permissions` say which meshes and services may call.
#![cfg(target_arch = "wasm32")]
// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

use policy::config::{CrossMeshConfig, Listeners, Unused};
use policy::telemetry::requests_counter;
use policy::{Decision, Outcome, RequestView};
use shell::{Action, Config, Exit, Filter, Gate};

struct CrossMesh;

shell::filter!(CrossMesh);

impl Filter for CrossMesh {
    const NAME: &str = "cross_mesh.wasm";

    type CrossMesh = CrossMeshConfig;
    type ExternalAccess = Unused;
    type Listeners = Listeners;

    fn check(config: &Config<Self>) -> Result<(), String> {
        match config.listeners.as_ref().and_then(Listeners::with_tags) {
            Some(listener) => Err(format!(
                "listener `{listener}` has `tags`, which this filter does not publish: use gateway.wasm in its place"
            )),
            None => Ok(()),
        }
    }

    fn request(gate: &Gate<'_>) -> Action {
        let mut authority = gate.authority();
        let request = RequestView::new(authority.as_deref_mut());
        match gate.decide(&request) {
            Decision::Forward(listener) => match &listener.permissions {
                Some(permissions) => gate.ask(permissions, listener, &request),
                None => {
                    gate.count(listener, |name| {
                        requests_counter(Some(name), Outcome::Forward)
                    });
                    Action::Continue
                }
            },
            Decision::Reject(refusal) => gate.refuse(&refusal, &request),
        }
    }

    fn leave(exit: &Exit<'_>) -> Action {
        exit.request()
    }
}
