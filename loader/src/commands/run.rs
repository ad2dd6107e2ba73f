//! `meshgate run`: one proxy, with Envoy as a child.

use std::fmt::Write;
use std::path::absolute;
use std::time::Duration;

use super::options::Logs;
use super::{Exit, load, options};
use crate::cli::{ExecArgs, ProxyArgs, RunArgs};
use crate::envoy;
use crate::output::Output;
use crate::run::{self, Named, Refusal, Settings, Wanted, find_envoy, version_range};

/// Lines like those of meshgate itself, which are objects too.
const ENVOY_LOG: &str = r#"{"time":"%Y-%m-%dT%T.%e%z","level":"%l","logger":"%n","message":"%j"}"#;

pub(super) fn run(args: &RunArgs, output: &Output) -> anyhow::Result<Exit> {
    let envoy = find_envoy(args.envoy.as_deref())?;
    let range = version_range(&envoy)?;
    let mut envoy_args = args.envoy_args.clone();
    if output.is_json() {
        envoy_args.extend(["--log-format".to_owned(), ENVOY_LOG.to_owned()]);
    }
    let settings = Settings {
        envoy,
        envoy_args,
        admin: args.proxy.admin,
        status: args.status,
        drain_time: Duration::from_secs(args.drain_time),
        paths: args.proxy.paths.paths.clone(),
        watch: !args.no_watch,
        hot_restart: args.hot_restart,
        arguments: arguments(&args.proxy)?,
    };
    let mut load = |named: &mut Option<Named>| {
        let failed = |error| Refusal::new(&error);
        let mut loaded = load::load_for(&args.proxy, output).map_err(failed)?;
        let files = loaded.resources.named_files();
        *named = Some(Named::now(files.iter().cloned()));
        let chosen = loaded.choose(&args.proxy).map_err(failed)?;
        let (sources, findings) = loaded.without_resources();
        let Some(chosen) = chosen else {
            let color = output.color_on_stderr();
            return Err(Refusal::findings(&sources, &findings, color));
        };
        let logs = Logs {
            own: Some(options::access_log(&args.access_log)),
            pipe: Some(run::log_pipe(&chosen.proxy).map_err(failed)?),
        };
        let options = options::options(&chosen.proxy, &args.proxy, logs, range).map_err(failed)?;
        Ok(Wanted {
            bootstrap: run::with_contents(envoy::bootstrap(&chosen.proxy, &options), &files),
            proxy: chosen.proxy,
            renewal: chosen.renewal,
            sources,
            findings,
        })
    };
    Ok(match run::serve(&settings, &mut load, output)? {
        Some(code) => Exit::Envoy(code),
        None => Exit::Findings,
    })
}

/// What tells a gateway from others while its resources cannot be read.
fn arguments(args: &ProxyArgs) -> anyhow::Result<String> {
    let (mesh, dataplane) = (&args.mesh, &args.dataplane);
    let (labels, namespace) = (&args.gateway_labels, &args.namespace);
    let mut key = format!("{mesh:?} {dataplane:?} {labels:?} {namespace:?}");
    if let Some(locality) = &args.locality {
        let _ = write!(key, " in {locality}");
    }
    for path in &args.paths.paths {
        // Writing to a string cannot fail.
        let _ = write!(key, " {}", absolute(path)?.display());
    }
    Ok(key)
}

/// `meshgate exec`: how `run` starts Envoy.
pub(super) fn exec(args: &ExecArgs) -> anyhow::Error {
    run::become_child(args.parent, &args.program)
}
