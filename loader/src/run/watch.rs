//! Whether resources have changed.
//!
//! Files are looked at instead of waiting for the kernel to tell: it tells nothing about network file systems and
//! files that are mounted into containers, and loses track of a file that an editor or Kubernetes replaces. What
//! counts is what would be read: all files below the paths, through links.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::source;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(200);
/// Looking takes at most this part of the time.
const SHARE: u32 = 50;
/// After this long a change is taken although files go on changing.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the paths looked like, and what the files that are named there did.
type Seen = [u64; 2];

/// Files that resources name, as they are before they are read.
#[derive(Debug)]
pub struct Named {
    files: Vec<PathBuf>,
    seen: u64,
}

impl Named {
    /// As they are now.
    pub fn now(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        let seen = states(&files);
        Self { files, seen }
    }
}

/// Looks at files and folders for changes.
#[derive(Debug)]
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    /// Files that the resources name.
    named: Vec<PathBuf>,
    /// What was read last.
    known: Seen,
    /// A change that is waited for to end, with the time of its begin.
    pending: Option<(Seen, Instant)>,
    next: Instant,
}

impl Watch {
    /// Of `paths`, as they are now. Standard input never changes.
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let paths: Vec<_> = paths.to_vec();
        let paths: Vec<_> = paths.into_iter().filter(|p| *p != Path::new("-")).collect();
        Self {
            known: [fingerprint(&paths), states(&[])],
            paths,
            named: Vec::new(),
            pending: None,
            next: Instant::now() + INTERVAL,
        }
    }

    /// Takes the files as they are now for known: before they are read, so that no later change is missed.
    pub(super) fn reset(&mut self) {
        self.known = self.look();
        self.pending = None;
    }

    /// Looks at these files too from now on, instead of others.
    pub(super) fn follow(&mut self, named: Named) {
        let [paths, _] = self.known;
        self.known = [paths, named.seen];
        self.named = named.files;
    }

    fn look(&self) -> Seen {
        [fingerprint(&self.paths), states(&self.named)]
    }

    /// Whether a change has come, and has ended: two looks have seen the same.
    pub(super) fn has_changed(&mut self) -> bool {
        let begin = Instant::now();
        if begin < self.next {
            return false;
        }
        let now = self.look();
        self.next = begin + INTERVAL.max(begin.elapsed() * SHARE);
        if now == self.known {
            self.pending = None;
            return false;
        }
        match self.pending {
            Some((last, since)) if last == now || since.elapsed() > PATIENCE => true,
            Some((_, since)) => {
                self.pending = Some((now, since));
                false
            }
            None => {
                self.pending = Some((now, begin));
                false
            }
        }
    }
}

/// Names, places, sizes and times of all files that would be read.
fn fingerprint(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        for file in source::files(path) {
            state(&file, &mut hasher);
        }
    }
    hasher.finish()
}

/// The same of files themselves.
fn states(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        state(file, &mut hasher);
    }
    hasher.finish()
}

fn state(file: &Path, hasher: &mut DefaultHasher) {
    file.hash(hasher);
    if let Ok(m) = file.metadata() {
        let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        (m.dev(), m.ino(), m.len(), times).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn changed(watch: &mut Watch) -> bool {
        watch.next = Instant::now();
        watch.has_changed()
    }

    #[test]
    fn a_change_counts_when_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "a").unwrap();
        let mut watch = Watch::new(&[folder.path().to_owned()]);
        assert!(!changed(&mut watch));
        fs::write(&file, "ab").unwrap();
        assert!(!changed(&mut watch));
        fs::write(&file, "abc").unwrap();
        assert!(!changed(&mut watch));
        assert!(changed(&mut watch));
        watch.reset();
        assert!(!changed(&mut watch));
    }

    #[test]
    fn what_would_not_be_read_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(&[folder.path().to_owned(), "-".into()]);
        fs::write(folder.path().join(".a.yaml.swp"), "a").unwrap();
        fs::write(folder.path().join("notes.txt"), "a").unwrap();
        assert!(!changed(&mut watch));
        assert!(!changed(&mut watch));
    }

    #[test]
    fn a_file_that_is_gone_and_one_that_comes_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let mut watch = Watch::new(std::slice::from_ref(&file));
        for step in 0..2 {
            if step == 0 {
                fs::write(&file, "a").unwrap();
            } else {
                fs::remove_file(&file).unwrap();
            }
            assert!(!changed(&mut watch));
            assert!(changed(&mut watch));
            watch.reset();
        }
    }

    #[test]
    fn files_that_are_named_are_looked_at_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [resources, key] = ["resources", "key"].map(|name| folder.path().join(name));
        fs::create_dir(&resources).unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&resources));
        let named = Named::now([key.clone()]);
        // Between the look and the end of reading.
        fs::write(&key, "a").unwrap();
        watch.follow(named);
        assert!(!changed(&mut watch));
        assert!(changed(&mut watch));
        watch.reset();
        assert!(!changed(&mut watch));
        watch.follow(Named::now([]));
        fs::write(&key, "ab").unwrap();
        assert!(!changed(&mut watch));
        assert!(!changed(&mut watch));
    }
}
