//! `meshgate run`: one proxy, with Envoy as a child.

use anyhow::Context;

use super::{Exit, load};
use crate::cli::{ConfigFormat, RunArgs};
use crate::files;
use crate::output::Output;
use crate::run::{Envoy, find_envoy, overview, version_range};

pub(super) fn run(args: &RunArgs, output: &Output) -> anyhow::Result<Exit> {
    let Some(chosen) = load::proxy(&args.proxy, output)? else {
        return Ok(Exit::Findings);
    };
    let envoy = find_envoy(args.envoy.as_deref())?;
    let access_log = Some(load::access_log(&args.access_log));
    let range = version_range(&envoy)?;
    let bytes = load::configuration(
        &chosen.proxy,
        &args.proxy,
        access_log,
        range,
        ConfigFormat::Pb,
    )?;
    let folder = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(files::work_dir()?)
        .context("could not make a folder for the configuration")?;
    let file = folder.path().join("bootstrap.pb");
    files::write(&file, &bytes, 0o600)?;
    output.talk(overview(&chosen.proxy));
    let envoy = Envoy::start(&envoy, &file, &args.envoy_args, args.proxy.admin)?;
    let code = envoy.wait(std::time::Duration::from_secs(args.drain_time), output)?;
    Ok(Exit::Envoy(code))
}
