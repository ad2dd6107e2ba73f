//! From mesh YAML to a running Envoy, in five arrows:
//!
//! ```text
//! bytes ──source──▶ documents ──resources──▶ typed resources ──model──▶ one proxy ──envoy──▶ configuration ──▶ output
//! ```

pub mod certs;
pub mod check;
pub mod cli;
pub mod commands;
pub mod diagnostic;
pub mod envoy;
pub mod files;
mod hash;
pub mod identity;
pub mod model;
pub mod output;
pub mod resources;
pub mod run;
pub mod source;
pub mod vips;
pub mod wasm;
