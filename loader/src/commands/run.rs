//! `meshgate run`: one proxy, with Envoy as a child.

use anyhow::Context;

use super::{Exit, load};
use crate::cli::{ConfigFormat, RunArgs};
use crate::files;
use crate::output::Output;
use crate::run::{Envoy, Streamer, find_envoy, overview, version_range};

pub(super) fn run(args: &RunArgs, output: &Output) -> anyhow::Result<Exit> {
    let Some(proxy) = load::proxy(&args.proxy, output)? else {
        return Ok(Exit::Findings);
    };
    let envoy = find_envoy(args.envoy.as_deref())?;
    let range = version_range(&envoy)?;
    let folder = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(files::work_dir()?)
        .context("could not make a folder for the configuration")?;
    let streamer = match proxy.log_servers().next() {
        Some(_) => Some(Streamer::start(&folder.path().join("access-log"), output)?),
        None => None,
    };
    let logs = load::Logs {
        own: Some(load::access_log(&args.access_log)),
        pipe: streamer.as_ref().map(Streamer::path),
    };
    let bytes = load::configuration(&proxy, &args.proxy, logs, range, ConfigFormat::Pb)?;
    let file = folder.path().join("bootstrap.pb");
    files::write(&file, &bytes, 0o600)?;
    output.talk(overview(&proxy));
    let envoy = Envoy::start(&envoy, &file, &args.envoy_args, args.proxy.admin)?;
    let code = envoy.wait(std::time::Duration::from_secs(args.drain_time), output)?;
    if let Some(streamer) = streamer {
        streamer.finish();
    }
    Ok(Exit::Envoy(code))
}
