//! What may enter: every decision of meshgate, and nothing else.
//!
//! This crate knows no Envoy, no I/O and no clock, so the same code decides inside the Wasm filters, in the
//! loader's commands and in tests. The way of a request through it:
//!
//! ```text
//! bytes of :authority ─ Authority::parse ─▶ RequestView ─ decide(&Policy, &RequestView) ─▶ Decision
//! JSON of the plugin   ─ PluginConfig    ─▶ Policy ──────────────┘
//! ```
//!
//! - [`hostname`], [`pattern`], [`authority`]: names, and what they may look like
//! - [`istio`]: the same names as Istio reads them
//! - [`table`]: the listeners of one port, and which of them owns a host
//! - [`tags`]: Kuma's tags, merged and written down
//! - [`decision`]: `decide`, its verdicts and their reasons
//! - [`client`], [`path`], [`permissions`]: which clients may send what
//! - [`address`], [`outbound`]: destinations in other meshes and outside the mesh, and who may reach them
//! - [`trace`]: how a decision came about, for the loader's commands
//! - [`config`]: the plugin configuration, the one struct that the loader writes and the filters read
//! - [`telemetry`]: names of counters and filter state

// One panic ends the VM for every request of an Envoy worker.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

pub mod address;
pub mod authority;
pub mod client;
pub mod config;
pub mod decision;
pub mod hostname;
mod index;
pub mod istio;
pub mod json;
pub mod outbound;
pub mod path;
pub mod pattern;
pub mod permissions;
mod places;
pub mod table;
pub mod tags;
pub mod telemetry;
pub mod trace;

pub use address::Destination;
pub use authority::{Authority, Host, InvalidAuthority};
pub use client::Client;
pub use config::{InvalidConfig, PluginConfig};
pub use decision::{Decision, Policy, Reason, Refusal, RequestView, decide};
pub use hostname::{Hostname, InvalidHostname};
pub use outbound::{ConnectionFacts, Outbound, Target, Way};
pub use pattern::{HostPattern, Specificity};
pub use permissions::{Facts, Permissions, Permit};
pub use table::{HostTable, Listener};
pub use tags::Tags;
pub use telemetry::Outcome;
pub use trace::{NoTrace, Step, Trace};
