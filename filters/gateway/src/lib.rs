//! `gateway.wasm`: all filters in one module, which is what the loader uses. A second filter in the chain would cost as
//! much as the first one.
//!
//! A client's own `x-kuma-tags` header is not its affair: the native configuration removes it
//! (`request_headers_to_remove` of the route configuration), which every request to a backend goes through and which
//! costs no route look-up.
#![cfg(target_arch = "wasm32")]
// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

use policy::config::{CrossMeshConfig, ExternalAccessConfig, Listeners};
use policy::telemetry::requests_counter;
use policy::{Decision, Outcome, RequestView};
use shell::{Action, Config, Exit, Filter, Gate};

struct Gateway;

shell::filter!(Gateway);
shell::connection_filter!();

impl Filter for Gateway {
    const NAME: &str = "gateway.wasm";

    type CrossMesh = CrossMeshConfig;
    type ExternalAccess = ExternalAccessConfig;
    type Listeners = Listeners;

    fn check(_: &Config<Self>) -> Result<(), String> {
        Ok(())
    }

    fn request(gate: &Gate<'_>) -> Action {
        let mut authority = gate.authority();
        let request = RequestView::new(authority.as_deref_mut());
        match gate.decide(&request) {
            Decision::Forward(listener) => {
                gate.announce(listener);
                if let Some(permissions) = &listener.permissions {
                    return gate.ask(permissions, listener, &request);
                }
                gate.count(listener, |name| {
                    requests_counter(Some(name), Outcome::Forward)
                });
                Action::Continue
            }
            Decision::Reject(refusal) => gate.refuse(&refusal, &request),
        }
    }

    fn leave(exit: &Exit<'_>) -> Action {
        exit.request()
    }
}
