//! The bridge between Envoy and `policy`: the only crate that knows the proxy-wasm ABI (0.2.1), and the only one with
//! `unsafe`.
//!
//! It is written by hand and not on the proxy-wasm SDK, because the SDK panics on any status that it does not expect,
//! which ends the VM for every request of the worker, and because its callbacks and its context map make a request
//! about a third dearer. What a filter costs is the crossings between Envoy and the VM, so there are few of them: two
//! callbacks a request, one returned value.
//!
//! - `filter!` makes a `Filter` into a module that Envoy loads
//! - `Gate` is what a filter decides with and acts through where requests come in, `Exit` where they leave
//! - `roots`: the configured plugins of the VM and the tables that they share
//! - `host`, `memory`: the ABI
#![cfg(target_arch = "wasm32")]
// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[cfg(feature = "count-allocations")]
mod allocations;
mod counters;
mod filter;
mod gate;
mod host;
mod memory;
mod outbound;
mod refuse;
mod roots;
mod table;

pub use filter::{Action, Config, Filter};
pub use gate::Gate;
pub use memory::HostBytes;
pub use outbound::Exit;

/// What [`filter!`] calls.
#[doc(hidden)]
pub mod callbacks {
    pub use crate::filter::{configure, create_context, new_connection, request_headers};
    pub use crate::memory::allocate;
}

/// Exports a [`Filter`] as a proxy-wasm module.
///
/// These are all callbacks that the module has: Envoy skips those that are not exported, and each one that is costs a
/// call into the VM.
#[macro_export]
macro_rules! filter {
    ($filter:ty) => {
        #[expect(unsafe_code, reason = "exported symbols are the ABI")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn proxy_abi_version_0_2_1() {}

            #[unsafe(no_mangle)]
            extern "C" fn malloc(size: usize) -> *mut u8 {
                $crate::callbacks::allocate(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_context_create(context: u32, root: u32) {
                $crate::callbacks::create_context(context, root);
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
                u32::from($crate::callbacks::configure::<$filter>(root, size))
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_request_headers(context: u32, _: u32, _: u32) -> u32 {
                $crate::callbacks::request_headers::<$filter>(context) as u32
            }
        };
    };
}

/// Exports a filter also as one of connections, in the same module.
///
/// Envoy asks it once, when a connection is new; it sees no byte of it.
#[macro_export]
macro_rules! connection_filter {
    () => {
        #[expect(unsafe_code, reason = "exported symbols are the ABI")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_new_connection(context: u32) -> u32 {
                $crate::callbacks::new_connection(context) as u32
            }
        };
    };
}
