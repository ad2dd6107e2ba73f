//! A running gateway: Envoy as a child that is kept alive, and its configuration as files that follow the resources.
//!
//! - `supervisor`: the loop: signals, Envoy's end, changes of resources
//! - `reload`: from changed resources to what Envoy serves, or to a finding
//! - `swap`: the steps in which files are replaced, and the way back
//! - `errors`: those beside which a start serves what is left, and a change does not
//! - `contents`: what is in files of certificates, which Envoy would read once
//! - `discovery`: a bootstrap taken apart into those files
//! - `directory`: where they are, and whose they are
//! - `watch`: whether resources have changed
//! - `envoy`, `admin`: the process, and what it says about itself
//! - `tail`, `words`, `blame`: what it says, of a change above all, and the line that it means
//! - `streamer`: access log lines from a pipe to TCP servers
//! - `stop`: that somebody wants it to end, for whatever takes its time
//! - `status`, `endpoint`, `overview`: what people and Prometheus get to see
//!
//! One thread decides everything. Others only wait: one for signals, one for the end of each Envoy, those of log lines,
//! and that of the endpoint, which answers while a reload takes its time.

mod admin;
mod blame;
mod contents;
mod directory;
mod discovery;
mod endpoint;
mod envoy;
mod errors;
mod find;
mod overview;
mod reload;
mod status;
mod stop;
mod streamer;
mod supervisor;
mod swap;
mod tail;
mod watch;
mod words;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Pid;

pub use contents::with_contents;
pub use directory::log_pipe;
pub use envoy::become_child;
pub use find::{find_envoy, version_range};
pub use overview::{Served, Whose};
pub use reload::{Refusal, Wanted};
pub use status::{CertificateStatus, EnvoyStatus, Loaded, Refused, Reloads, Status};
pub use streamer::Streamer;
pub use supervisor::serve;
pub use watch::Named;

/// What the user chooses about a running gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The binary of Envoy.
    pub envoy: PathBuf,
    /// Arguments for it.
    pub envoy_args: Vec<String>,
    /// Where its admin interface listens.
    pub admin: SocketAddr,
    /// Where the status endpoint listens.
    pub status: SocketAddr,
    /// How long open requests get to end.
    pub drain_time: Duration,
    /// The resources, which are watched, and the files that they name.
    pub paths: Vec<PathBuf>,
    /// Whether they are: SIGHUP reloads in any case.
    pub watch: bool,
    /// Whether another Envoy may take over from the running one.
    pub hot_restart: bool,
    /// What tells this gateway from others before its resources are read.
    pub arguments: String,
}

/// What the loop waits for.
#[derive(Debug)]
enum Event {
    Signal(i32),
    Exit(Pid, io::Result<ExitStatus>),
}
