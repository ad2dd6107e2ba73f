//! `meshgate bootstrap`: the Envoy configuration of one proxy.

use anyhow::bail;

use super::options::Logs;
use super::{Exit, choose, options};
use crate::cli::{BootstrapArgs, ConfigFormat};
use crate::envoy::{self, EnvoyRange};
use crate::files;
use crate::output::Output;

pub(super) fn run(args: &BootstrapArgs, output: &Output) -> anyhow::Result<Exit> {
    let Some(chosen) = choose::proxy(&args.proxy, output)? else {
        return Ok(Exit::Findings);
    };
    if let (None, Some(server)) = (&args.log_pipe, chosen.proxy.log_servers().next()) {
        bail!(
            "access log lines for the TCP server {server}: Envoy alone cannot send them; start the proxy with `meshgate run`, which can, or write `type: File` or `type: OpenTelemetry`, or give the pipe of `meshgate stream-logs` with --log-pipe"
        );
    }
    let logs = Logs {
        own: args.access_log.as_deref().map(options::access_log),
        pipe: args.log_pipe.clone(),
    };
    let range = EnvoyRange::From1_36;
    let options = options::options(&chosen.proxy, &args.proxy, logs, range)?;
    let format = match args.format {
        ConfigFormat::Yaml => envoy::Format::Yaml,
        ConfigFormat::Json => envoy::Format::Json,
        ConfigFormat::Pb => envoy::Format::Pb,
    };
    let bytes = envoy::encode(&envoy::bootstrap(&chosen.proxy, &options), format)?;
    match &args.output {
        Some(file) if file.as_os_str() != "-" => files::write(file, &bytes, 0o600)?,
        _ => output.data(&bytes)?,
    }
    Ok(Exit::Fine)
}
