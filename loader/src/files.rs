//! Files that meshgate writes.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

/// Writes a file whole or not at all, with these permissions.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    replace(path, bytes, mode, false)
}

/// The same, and it outlasts a power failure once this returns.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    replace(path, bytes, mode, true)
}

/// A link stays one, and what is no file, as `/dev/null` and pipes, is written to.
fn replace(path: &Path, bytes: &[u8], mode: u32, durably: bool) -> anyhow::Result<()> {
    let named = path;
    let end = path.canonicalize();
    let path = end.as_deref().unwrap_or(path);
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let write = || -> anyhow::Result<()> {
        if path.exists() && !path.is_file() {
            return Ok(fs::write(path, bytes)?);
        }
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode | 0o200))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))?;
        if durably {
            file.as_file().sync_all()?;
        }
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("could not write {}", named.display()))
}

/// The folder for what outlives a run: `$MESHGATE_WORK_DIR`, or `~/.meshgate`. It is made if it is not there.
pub fn work_dir() -> anyhow::Result<PathBuf> {
    let folder = env::var_os("MESHGATE_WORK_DIR")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".meshgate")))
        .filter(|folder| folder.is_absolute())
        .ok_or_else(|| {
            anyhow!(
                "set MESHGATE_WORK_DIR to the absolute path of a folder that meshgate may write to"
            )
        })?;
    private_folder(&folder)?;
    Ok(folder)
}

/// Makes a folder, and those above it that are missing, which only their owner can use.
pub fn private_folder(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not make the folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new", 0o600).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/null", &link).unwrap();
        write(&link, b"new", 0o600).unwrap();
        assert!(link.is_symlink() && !link.is_file());
    }
}
