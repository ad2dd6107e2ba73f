//! What the arguments of `bootstrap` and `run` say about Envoy.

use std::path::PathBuf;

use crate::cli::{ProxyArgs, Reasons};
use crate::envoy::{self, AccessLog, EnvoyRange};
use crate::identity::Store;
use crate::model::Proxy;
use crate::{files, wasm};

/// Where lines for requests go.
pub(super) struct Logs {
    /// That of the user of the command.
    pub(super) own: Option<AccessLog>,
    /// The pipe for lines that go to TCP servers.
    pub(super) pipe: Option<String>,
}

/// What the arguments say about Envoy.
pub(super) fn options(
    proxy: &Proxy,
    args: &ProxyArgs,
    logs: Logs,
    range: EnvoyRange,
) -> anyhow::Result<envoy::Options> {
    Ok(envoy::Options {
        admin: args.admin,
        wasm: match &args.wasm {
            Some(file) => file.clone(),
            None => wasm_file()?,
        },
        mode: if args.audit {
            policy::config::Mode::Audit
        } else {
            policy::config::Mode::Enforce
        },
        reasons: match args.reasons {
            Reasons::Full => policy::config::Reasons::Full,
            Reasons::Short => policy::config::Reasons::Short,
            Reasons::None => policy::config::Reasons::None,
        },
        access_log: logs.own,
        log_pipe: logs.pipe,
        secrets: match &proxy.identity {
            Some(own) => Store::new(files::work_dir()?).proxy(&own.mesh, &own.dataplane)?,
            None if proxy.identities().next().is_some() => Store::new(files::work_dir()?).proxies(),
            None => PathBuf::new(),
        },
        range,
    })
}

/// The place of an access log: `-` is Envoy's standard output.
pub(super) fn access_log(path: &str) -> AccessLog {
    match path {
        "-" => AccessLog::Stdout,
        path => AccessLog::File(path.into()),
    }
}

/// Puts the filter where Envoy can read it. Its name changes with its content, because Envoy does not look at a file
/// that it knows again.
fn wasm_file() -> anyhow::Result<String> {
    let folder = files::work_dir()?.join("wasm");
    files::private_folder(&folder)?;
    let file = folder.join(wasm::file_name());
    if !file.is_file() {
        files::write(&file, wasm::GATEWAY, 0o600)?;
    }
    file.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("the path {} is no UTF-8, Envoy needs one", path.display()))
}
