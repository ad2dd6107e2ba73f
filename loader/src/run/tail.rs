//! What Envoy writes to its standard error, in a file that exists in memory only.
//!
//! Through a pipe, an Envoy whose meshgate is stopped (Ctrl-Z, a debugger) or waits for its own terminal (Ctrl-S) would wait
//! in the middle of a request as soon as the pipe is full: Envoy writes its log at once, in whichever thread it is. Writing
//! to a file in memory never waits; what has been read is given back.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{FallocateFlags, MemfdFlags, OFlags, fallocate, fcntl_setfl, memfd_create};

/// Between two looks when something has just come; twice as long from look to look when nothing has.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_millis(160);
/// So much is given back at a time; a number of whole pages of any size.
const PIECE: u64 = 256 * 1024;

/// The reader's end. It comes to an end when the writer has, and all is read.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    at: u64,
    given_back: u64,
    ended: Ended,
}

/// Whether there is still somebody who writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended(Arc<AtomicBool>);

impl Ended {
    /// Nobody writes any more.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Both ends, and what tells the reader that the writer has ended.
pub(super) fn file() -> io::Result<(File, Tail, Ended)> {
    let made = memfd_create("envoy-log", MemfdFlags::CLOEXEC).map(File::from);
    // A kernel without it has a disk.
    let file = made.or_else(|_| tempfile::tempfile())?;
    fcntl_setfl(&file, OFlags::APPEND)?;
    let ended = Ended::default();
    let tail = Tail {
        file: file.try_clone()?,
        at: 0,
        given_back: 0,
        ended: ended.clone(),
    };
    Ok((file, tail, ended))
}

impl Tail {
    fn give_back(&mut self) {
        let whole = self.at / PIECE * PIECE;
        if whole > self.given_back {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // What stays takes memory, and harms nobody else.
            let _ = fallocate(&self.file, flags, self.given_back, whole - self.given_back);
            self.given_back = whole;
        }
    }
}

impl Read for Tail {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut pause = FIRST_PAUSE;
        loop {
            // Before the look: what comes between the two was written before the end.
            let ended = self.ended.0.load(Ordering::Acquire);
            let count = self.file.read_at(bytes, self.at)?;
            if count > 0 || ended {
                self.at += count as u64;
                self.give_back();
                return Ok(count);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn all_is_read_and_given_back() {
        let (log, mut tail, ended) = file().unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "head -c 2000000 /dev/zero; echo end >&2"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        writer.wait().unwrap();
        ended.set();
        let mut bytes = Vec::new();
        tail.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 2_000_004);
        assert!(bytes.ends_with(b"\0end\n"));
        let kept = tail.file.metadata().unwrap().blocks() * 512;
        assert!(kept <= 2 * PIECE, "{kept}");
    }
}
