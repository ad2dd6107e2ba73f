//! What whole-system tests stand on: a real Envoy, backends, and clients that can send what no honest client would.
//!
//! - [`envoy`]: stock Envoy as a child process
//! - [`echo`]: backends that answer with what reached them
//! - [`bypass`]: everything that might lead round the gate to the outside
//! - [`calls`]: a backend for calls of gRPC that answers all of them alike
//! - [`grpc`]: a real server of gRPC and its client
//! - [`collector`]: a receiver of OpenTelemetry's logs
//! - [`dns`]: queries, and what is answered
//! - [`client`]: connections with control over every byte, SNI, ALPN and version
//! - [`http2`]: HTTP/2 requests with any headers
//! - [`tls`]: TLS as a client that looks at certificates and does not judge them
//! - [`token`]: tokens and who signs them
//! - [`compatibility`]: what tests said on each Envoy
//! - [`meshgate`]: the command under test
//! - [`outside`]: servers as they are outside of a mesh
//! - [`recorder`]: a backend that writes down what reaches it
//! - [`shared`]: test data from outside of the project, where it is there
//! - [`wasm_host`]: Envoy's part of the Wasm ABI, with a record of every call

pub mod bypass;
pub mod calls;
pub mod client;
pub mod collector;
pub mod compatibility;
pub mod dns;
pub mod echo;
pub mod envoy;
pub mod grpc;
pub mod http2;
pub mod istio;
pub mod meshgate;
pub mod outside;
pub mod ports;
pub mod recorder;
pub mod shared;
pub mod tls;
pub mod token;
pub mod wasm_host;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long anything may take before a test gives up; far more than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The root folder of the project's checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Asks until the answer is `Some`, for at most [`PATIENCE`].
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if tokio::time::Instant::now() > deadline {
            anyhow::bail!("gave up waiting for {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
