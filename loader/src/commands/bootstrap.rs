//! `meshgate bootstrap`: the Envoy configuration of one proxy.

use anyhow::bail;

use super::{Exit, load};
use crate::cli::BootstrapArgs;
use crate::envoy::EnvoyRange;
use crate::files;
use crate::output::Output;

pub(super) fn run(args: &BootstrapArgs, output: &Output) -> anyhow::Result<Exit> {
    let Some(proxy) = load::proxy(&args.proxy, output)? else {
        return Ok(Exit::Findings);
    };
    if let (None, Some(server)) = (&args.log_pipe, proxy.log_servers().next()) {
        bail!(
            "access log lines for the TCP server {server}: Envoy alone cannot send them; start the gateway with `meshgate run`, which can, or write `type: File` or `type: OpenTelemetry`, or give the pipe of `meshgate stream-logs` with --log-pipe"
        );
    }
    let logs = load::Logs {
        own: args.access_log.as_deref().map(load::access_log),
        pipe: args.log_pipe.clone(),
    };
    let range = EnvoyRange::From1_36;
    let bytes = load::configuration(&proxy, &args.proxy, logs, range, args.format)?;
    match &args.output {
        Some(file) if file.as_os_str() != "-" => files::write(file, &bytes, 0o600)?,
        _ => output.data(&bytes)?,
    }
    Ok(Exit::Fine)
}
