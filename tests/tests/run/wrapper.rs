//! Scripts in the place of Envoy's binary: it, and something more.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use system_tests::envoy;
use tempfile::TempDir;

/// A link to what is started as Envoy, in a folder of its own.
pub(crate) struct Wrapper(TempDir);

impl Wrapper {
    /// To an Envoy of this version.
    pub(crate) fn of_version(version: &str) -> anyhow::Result<Self> {
        let wrapper = Self(TempDir::new()?);
        wrapper.becomes_version(version)?;
        Ok(wrapper)
    }

    /// To a script that does this with arguments like the pattern, and is Envoy otherwise.
    pub(crate) fn of_script(pattern: &str, commands: &str) -> anyhow::Result<Self> {
        let wrapper = Self(TempDir::new()?);
        wrapper.becomes_script(pattern, commands)?;
        Ok(wrapper)
    }

    /// Puts an Envoy of this version in its place.
    pub(crate) fn becomes_version(&self, version: &str) -> anyhow::Result<()> {
        self.link(&fs::canonicalize(envoy::binary(version)?)?)
    }

    /// Puts a script in its place.
    pub(crate) fn becomes_script(&self, pattern: &str, commands: &str) -> anyhow::Result<()> {
        let real = fs::canonicalize(envoy::binary(envoy::NEWEST)?)?;
        let scripts = fs::read_dir(self.0.path())?.count();
        let script = self.0.path().join(format!("script-{scripts}"));
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *'{pattern}'*) {commands};; esac\nexec '{}' \"$@\"\n",
            real.display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, Permissions::from_mode(0o700))?;
        self.link(&script)
    }

    fn link(&self, to: &Path) -> anyhow::Result<()> {
        let new = self.0.path().join("new");
        symlink(to, &new)?;
        Ok(fs::rename(new, self.0.path().join("envoy"))?)
    }

    /// For `--envoy`.
    pub(crate) fn path(&self) -> anyhow::Result<String> {
        let path: PathBuf = self.0.path().join("envoy");
        path.into_os_string().into_string().ok().context("UTF-8")
    }

    /// A file for the script and the test to talk by.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
