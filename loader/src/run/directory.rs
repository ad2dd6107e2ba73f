//! The folder of one running proxy, which belongs to one `meshgate` at a time.
//!
//! ```text
//! $MESHGATE_WORK_DIR/run/<mesh>.<dataplane>/
//!   lock           held as long as the process lives
//!   bootstrap.pb   what Envoy starts with
//!   last-good.pb   the whole configuration that Envoy last took, in one piece
//!   errors.json    the errors beside which it is served
//!   renewal.json   what is needed to renew its identities, if meshgate makes the CAs
//!   base-id        by which another Envoy can take over
//!   access-log     the pipe for lines that go to TCP servers
//!   live/          the files that Envoy watches
//!   next/          those of a change, written before the first of them is swapped
//!   before/        those that a change replaces, to go back to
//! ```
//!
//! Whatever needs space on the disk is done before anything is swapped: swapping and going back are renames.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, anyhow, bail};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::Message;
use rustix::fs::{FlockOperation, flock};
use walkdir::WalkDir;

use super::discovery::Split;
use super::errors::Errors;
use crate::files;
use crate::hash::sha256_hex;
use crate::identity::{Remembered, Renewal, Store};
use crate::model::Proxy;

/// The permissions of all files: configurations hold private keys.
const PRIVATE: u32 = 0o600;
const LOG_PIPE: &str = "access-log";

/// The folder of one proxy, locked.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// The folder of the proxy `<mesh>.<dataplane>`, unless another process has it. `arguments` find it again when the
    /// resources cannot say which proxy they are for.
    pub(super) fn of_proxy(name: &str, arguments: &str) -> anyhow::Result<Self> {
        let runs = runs()?;
        let own = Self::lock(runs.join(file_name(name)))?;
        let link = runs.join(link_name(arguments));
        let _ = fs::remove_file(&link);
        symlink(&own.path, &link)
            .with_context(|| format!("could not make the link {}", link.display()))?;
        Ok(own)
    }

    /// The folder that was last used with these arguments.
    pub(super) fn of_arguments(arguments: &str) -> anyhow::Result<Option<Self>> {
        match fs::read_link(runs()?.join(link_name(arguments))) {
            Ok(path) if path.is_dir() => Self::lock(path).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn lock(path: PathBuf) -> anyhow::Result<Self> {
        files::private_folder(&path)?;
        let file = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE)
            .open(&file)
            .with_context(|| format!("could not open {}", file.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut owner = String::new();
            let _ = lock.read_to_string(&mut owner);
            bail!(
                "process {} serves this proxy already, from {}; stop it first, or set MESHGATE_WORK_DIR to another folder for a second one on other addresses",
                owner.trim(),
                path.display()
            );
        }
        lock.rewind()?;
        lock.set_len(0)?;
        writeln!(lock, "{}", process::id())?;
        Ok(Self { path, _lock: lock })
    }

    /// The files that Envoy watches.
    pub(super) fn live(&self) -> PathBuf {
        self.path.join("live")
    }

    /// What Envoy starts with.
    pub(super) fn bootstrap(&self) -> PathBuf {
        self.path.join("bootstrap.pb")
    }

    /// A file for a configuration that is only tried.
    pub(super) fn trial(&self) -> PathBuf {
        self.path.join("trial.pb")
    }

    /// Where Envoy leaves the number by which another one can take over.
    pub(super) fn base_id(&self) -> PathBuf {
        self.path.join("base-id")
    }

    /// The pipe for access log lines that go to TCP servers.
    pub(super) fn log_pipe(&self) -> PathBuf {
        self.path.join(LOG_PIPE)
    }

    /// Writes a file of this folder for nobody else to read.
    pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            files::private_folder(folder)?;
        }
        files::write(path, bytes, PRIVATE)
    }

    /// Writes all files of a configuration, and removes all others. Envoy must not be running.
    pub(super) fn write_all(&self, split: &Split) -> anyhow::Result<()> {
        for (path, file) in &split.files {
            Self::write(&self.live().join(path), &file.bytes)?;
        }
        self.remove_unused(split);
        Self::write(&self.bootstrap(), &split.bootstrap)
    }

    /// Removes the files that Envoy does not watch any more. One that stays harms nobody.
    pub(super) fn remove_unused(&self, split: &Split) {
        let live = self.live();
        let files = WalkDir::new(&live).into_iter().flatten();
        for file in files.filter(|entry| entry.file_type().is_file()) {
            let used = file.path().strip_prefix(&live);
            if !used.is_ok_and(|path| split.files.contains_key(path)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Keeps a configuration that Envoy has taken, the errors beside which it did, and how its identities are renewed.
    pub(super) fn keep(
        &self,
        whole: &[u8],
        errors: &Errors,
        renewal: Option<&Remembered>,
    ) -> anyhow::Result<()> {
        if self.remembered().as_ref() != renewal {
            files::write_durably(
                &self.renewal_file(),
                &serde_json::to_vec(&renewal)?,
                PRIVATE,
            )?;
        }
        // First: next to the configuration before they hide no error that matters to it.
        if self.errors() != *errors {
            files::write_durably(&self.errors_file(), &serde_json::to_vec(errors)?, PRIVATE)?;
        }
        files::write_durably(&self.last_good(), whole, PRIVATE)
    }

    /// Whether a configuration was kept.
    pub(super) fn has_kept(&self) -> bool {
        self.last_good().exists()
    }

    /// The configuration that was kept last.
    pub(super) fn kept(&self) -> anyhow::Result<Option<Bootstrap>> {
        match fs::read(self.last_good()) {
            Ok(bytes) => Bootstrap::decode(bytes.as_slice())
                .map(Some)
                .with_context(|| format!("{} cannot be read", self.last_good().display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The errors beside which it was served; none if nobody knows.
    pub(super) fn errors(&self) -> Errors {
        let bytes = fs::read(self.errors_file()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The renewal of the identities of what was kept.
    pub(super) fn renewal(&self) -> anyhow::Result<Option<Renewal>> {
        let Some(remembered) = self.remembered() else {
            return Ok(None);
        };
        let store = Store::new(files::work_dir()?);
        Ok(Some(remembered.renewal(store)))
    }

    fn remembered(&self) -> Option<Remembered> {
        let bytes = fs::read(self.renewal_file()).ok()?;
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn last_good(&self) -> PathBuf {
        self.path.join("last-good.pb")
    }

    fn renewal_file(&self) -> PathBuf {
        self.path.join("renewal.json")
    }

    fn errors_file(&self) -> PathBuf {
        self.path.join("errors.json")
    }

    /// Writes the files of a change next to those in use.
    pub(super) fn prepare<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
    ) -> anyhow::Result<()> {
        let (next, before) = (self.path.join("next"), self.path.join("before"));
        for old in [&next, &before] {
            match fs::remove_dir_all(old) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => files::private_folder(old)?,
            }
        }
        for (path, bytes) in files {
            Self::write(&next.join(path), bytes)?;
            let kept = before.join(path);
            if let Some(folder) = kept.parent() {
                files::private_folder(folder)?;
            }
            match fs::hard_link(self.live().join(path), &kept) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Swaps in a prepared file. Envoy looks at a file that is moved to its place.
    pub(super) fn swap(&self, from: &Path, to: &Path) -> anyhow::Result<()> {
        let to = self.live().join(to);
        if let Some(folder) = to.parent() {
            files::private_folder(folder)?;
        }
        fs::rename(self.path.join("next").join(from), &to)
            .with_context(|| format!("could not swap {}", to.display()))
    }

    /// Puts back what was there before.
    pub(super) fn put_back(&self, path: &Path) -> anyhow::Result<()> {
        let before = self.path.join("before").join(path);
        if before.exists() {
            fs::rename(before, self.live().join(path))?;
        }
        Ok(())
    }
}

/// The pipe for access log lines of this proxy that go to TCP servers, whether it is there or not.
pub fn log_pipe(proxy: &Proxy) -> anyhow::Result<String> {
    let name = format!("{}.{}", proxy.mesh, proxy.name);
    let pipe = runs()?.join(file_name(&name)).join(LOG_PIPE);
    pipe.into_os_string()
        .into_string()
        .map_err(|path| anyhow!("the path {} is no UTF-8, Envoy needs one", path.display()))
}

fn runs() -> anyhow::Result<PathBuf> {
    let runs = files::work_dir()?.join("run");
    files::private_folder(&runs)?;
    Ok(runs)
}

/// Names of resources may hold what names of files may not.
fn file_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

fn link_name(arguments: &str) -> String {
    format!(".arguments-{}", sha256_hex([arguments], 8))
}
