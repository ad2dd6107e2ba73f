//! The folder of the authorities and identities.
//!
//! ```text
//! lock                                     held by whoever changes anything
//! nobody.pem                               a CA without key, in place of one that cannot be used
//! meshes/<mesh>/<backend>.pem              an authority that meshgate has made, with its key, and those before it
//! meshes/<mesh>/<backend>.successor        the one that will sign after it
//! proxies/<mesh>/<dataplane>/*.json        what one Envoy reads: its identity, and whom it believes; a ZoneEgress has
//!                                          such a folder in each mesh
//! ```
//!
//! Only their owner can read any of it. A file is replaced whole, which is also what makes Envoy look at it, and only
//! one process at a time changes anything.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::files;

/// The folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Ends the lock when it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Store {
    /// In a working directory, which exists.
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            root: work_dir.into(),
        }
    }

    /// Where the files of all proxies are.
    pub fn proxies(&self) -> PathBuf {
        self.root.join("proxies")
    }

    /// Where the files of one proxy are.
    pub fn proxy(&self, mesh: &str, dataplane: &str) -> anyhow::Result<PathBuf> {
        Ok(self.proxies().join(name(mesh)?).join(name(dataplane)?))
    }

    /// The file of an authority that meshgate has made.
    pub(super) fn authority(&self, mesh: &str, backend: &str) -> anyhow::Result<PathBuf> {
        let file = format!("{}.pem", name(backend)?);
        Ok(self.root.join("meshes").join(name(mesh)?).join(file))
    }

    /// The file of the authority that comes after it.
    pub(super) fn successor(&self, mesh: &str, backend: &str) -> anyhow::Result<PathBuf> {
        Ok(self.authority(mesh, backend)?.with_extension("successor"))
    }

    /// The file of an authority that nobody has the key of.
    pub(super) fn nobody(&self) -> PathBuf {
        self.root.join("nobody.pem")
    }

    /// Waits until no other process changes anything.
    pub(super) fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("could not open {}", path.display()))?;
        file.lock()
            .with_context(|| format!("could not lock {}", path.display()))?;
        Ok(Lock(file))
    }
}

/// What a file holds; nothing if it is not there.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Replaces a file, if its content is another one. Whoever watches it sees each change once.
pub(super) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if read(path)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        files::private_folder(folder)?;
    }
    files::write(path, bytes, 0o600)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A name that stays in its folder. Kuma's names are such names; this is for those that nobody has checked.
fn name(text: &str) -> anyhow::Result<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > 253 || text.starts_with('.') || !text.bytes().all(is_plain) {
        bail!("`{}` cannot be the name of a file", text.escape_debug());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        let store = Store::new("/store");
        let folder = store.proxy("default", "edge-1.ns").unwrap();
        assert_eq!(folder, Path::new("/store/proxies/default/edge-1.ns"));
        for bad in ["", ".", "..", "../x", "a/b", "/etc", "a\0b", ".hidden", "ä"] {
            assert!(store.proxy(bad, "edge-1").is_err(), "{bad:?}");
            assert!(store.proxy("default", bad).is_err(), "{bad:?}");
            assert!(store.authority("default", bad).is_err(), "{bad:?}");
        }
        assert!(store.proxy("default", &"a".repeat(254)).is_err());
    }
}
