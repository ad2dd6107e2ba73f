//! `external_access.wasm`: what may be reached outside the mesh, by request and by connection.
//!
//! The same module is an HTTP filter and a network filter, since both decide by the same configuration; the callback
//! of the other kind is never called.
#![cfg(target_arch = "wasm32")]
// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

use policy::config::{ExternalAccessConfig, Unused};
use shell::{Action, Config, Exit, Filter, Gate};

struct ExternalAccess;

shell::filter!(ExternalAccess);
shell::connection_filter!();

impl Filter for ExternalAccess {
    const NAME: &str = "external_access.wasm";

    type CrossMesh = Unused;
    type ExternalAccess = ExternalAccessConfig;
    type Listeners = Unused;

    fn check(_: &Config<Self>) -> Result<(), String> {
        Ok(())
    }

    fn request(gate: &Gate<'_>) -> Action {
        gate.refuse_all()
    }

    fn leave(exit: &Exit<'_>) -> Action {
        exit.request()
    }
}
