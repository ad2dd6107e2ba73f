//! Whole-system tests of meshgate.
pub mod wasm_host;
