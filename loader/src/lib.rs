//! From mesh YAML to a running Envoy, in five arrows:
//!
//! ```text
//! bytes ──source──▶ documents ──resources──▶ typed resources ──model──▶ one proxy ──envoy──▶ configuration ──▶ output
//! ```

pub mod commands;
pub mod diagnostic;
pub mod envoy;
pub mod model;
pub mod resources;
pub mod source;
