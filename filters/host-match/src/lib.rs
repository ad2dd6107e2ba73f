//! `host_match.wasm`: lets requests in whose host a listener owns, and answers the others.
//!
//! It decides and counts. Listener names and tags in the filter state are the work of `listener_tags.wasm`;
//! `gateway.wasm` does both at the price of one.
#![cfg(target_arch = "wasm32")]
// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

use policy::config::{Listeners, Unused};
use policy::telemetry::requests_counter;
use policy::{Decision, Outcome, RequestView};
use shell::{Action, Config, Exit, Filter, Gate};

struct HostMatch;

shell::filter!(HostMatch);

impl Filter for HostMatch {
    const NAME: &str = "host_match.wasm";

    type CrossMesh = Unused;
    type ExternalAccess = Unused;
    type Listeners = Listeners<Unused>;

    fn check(config: &Config<Self>) -> Result<(), String> {
        match config.listeners.as_ref().and_then(Listeners::with_tags) {
            Some(listener) => Err(format!(
                "listener `{listener}` has `tags`, which this filter does not publish: use listener_tags.wasm after it, or \
                 gateway.wasm in its place"
            )),
            None => Ok(()),
        }
    }

    fn request(gate: &Gate<'_>) -> Action {
        let mut authority = gate.authority();
        let request = RequestView::new(authority.as_deref_mut());
        match gate.decide(&request) {
            Decision::Forward(listener) => {
                gate.count(listener, |name| {
                    requests_counter(Some(name), Outcome::Forward)
                });
                Action::Continue
            }
            Decision::Reject(refusal) => gate.refuse(&refusal, &request),
        }
    }

    fn leave(exit: &Exit<'_>) -> Action {
        exit.refuse_all()
    }
}
