//! `listener_tags.wasm`: says in the filter state which listener a request belongs to and with which tags, for access
//! logs, RBAC and header formatters; and keeps clients from saying it themselves.
//!
//! It refuses nothing (that is the work of `host_match.wasm`): a request that no listener owns has no tags, nor has one
//! on the connection of another listener.
#![cfg(target_arch = "wasm32")]
// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

use policy::config::{Listeners, Mode, Publish, Unused};
use policy::telemetry::tagged_counter;
use policy::{Decision, PluginConfig, RequestView};
use shell::{Action, Config, Exit, Filter, Gate};

/// The header in which Kuma's proxies tell each other the tags of a request's source. Who believes it must not get it
/// from a client.
const KUMA_TAGS: &str = "x-kuma-tags";

struct ListenerTags;

shell::filter!(ListenerTags);

impl Filter for ListenerTags {
    const NAME: &str = "listener_tags.wasm";

    type CrossMesh = Unused;
    type ExternalAccess = Unused;
    type Listeners = Listeners<Unused>;

    fn check(config: &Config<Self>) -> Result<(), String> {
        let field = match config {
            PluginConfig { port: Some(_), .. } => "port",
            PluginConfig { publish, .. } if *publish != Publish::default() => "publish",
            PluginConfig { mode, .. } if *mode != Mode::default() => "mode",
            _ => return Ok(()),
        };
        Err(format!(
            "`{field}` is about refused requests, and this filter refuses none: leave it out"
        ))
    }

    fn request(gate: &Gate<'_>) -> Action {
        gate.remove_header(KUMA_TAGS);
        let mut authority = gate.authority();
        let request = RequestView::new(authority.as_deref_mut());
        if let Decision::Forward(listener) = gate.decide(&request) {
            gate.publish(listener);
            gate.count(listener, tagged_counter);
        }
        Action::Continue
    }

    fn leave(exit: &Exit<'_>) -> Action {
        exit.refuse_all()
    }
}
