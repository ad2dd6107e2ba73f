//! `meshgate stream-logs`: access log lines from a pipe to TCP servers, for an Envoy that somebody else starts.

use std::path::Path;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Exit;
use crate::output::Output;
use crate::run::Streamer;

/// The pipe stays: an Envoy that has it open writes on as soon as it is read again.
pub(super) fn run(pipe: &Path, output: &Output) -> anyhow::Result<Exit> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let streamer = Streamer::start(pipe, output)?;
    output.talk(format_args!(
        "meshgate: sending the access log lines of {} until Ctrl-C",
        pipe.display()
    ));
    signals.forever().next();
    streamer.finish();
    Ok(Exit::Fine)
}
