//! Sends access log lines to TCP servers.
//!
//! Envoy cannot: it writes each line with its receiver to a named pipe, as on Kuma, whose `kuma-dp` reads it
//! (`app/kuma-dp/pkg/dataplane/accesslogs` at 2.14.3). A server that is slow or away holds nothing up: its lines wait
//! in a queue, and what does not fit is counted and dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;

use crate::output::Output;

/// Lines that wait for one server.
const QUEUE: usize = 10_000;
/// A longer line is nobody's log.
const LONGEST_LINE: u64 = 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last lines may take after the end of Envoy.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The reader of a pipe.
#[derive(Debug)]
pub struct Streamer {
    path: String,
    /// As long as it is open, the pipe does not end when Envoy opens its file anew.
    writer: File,
    ended: Receiver<()>,
}

impl Streamer {
    /// Makes a pipe at `path`, or takes the one that is there, and reads it until [`Self::finish`].
    pub fn start(path: &Path, output: &Output) -> anyhow::Result<Self> {
        let make = || -> io::Result<(File, File)> {
            match rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR) {
                // That of a streamer before, which Envoy may still write to.
                Err(Errno::EXIST) if fs::metadata(path)?.file_type().is_fifo() => {}
                made => made?,
            }
            // Opened for reading only it would wait for a writer, and for writing only there has to be a reader.
            let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
            let reader = OpenOptions::new()
                .read(true)
                .custom_flags(flags)
                .open(path)?;
            let writer = OpenOptions::new().write(true).open(path)?;
            rustix::fs::fcntl_setfl(&reader, OFlags::empty())?;
            Ok((reader, writer))
        };
        let (reader, writer) =
            make().with_context(|| format!("could not make the pipe {}", path.display()))?;
        let path = path.to_str().context("Envoy needs a path in UTF-8")?;
        let (done, ended) = mpsc::channel();
        let output = output.clone();
        thread::spawn(move || {
            stream(BufReader::new(reader), &output);
            // Nobody waits any more if this fails.
            let _ = done.send(());
        });
        Ok(Self {
            path: path.to_owned(),
            writer,
            ended,
        })
    }

    /// The pipe.
    pub fn path(&self) -> String {
        self.path.clone()
    }

    /// Sends what has been written, after all other writers are gone.
    pub fn finish(self) {
        drop(self.writer);
        let _ = self.ended.recv_timeout(LAST_LINES);
    }
}

/// A line, as it is written into the pipe.
#[derive(Deserialize)]
struct Packet {
    address: String,
    message: serde_json::Value,
}

impl Packet {
    /// The line for the server: a text as it is, or an object in JSON.
    fn line(self) -> Vec<u8> {
        match self.message {
            serde_json::Value::String(text) => text.into_bytes(),
            other => (other.to_string() + "\n").into_bytes(),
        }
    }
}

fn stream(mut reader: impl BufRead, output: &Output) {
    let mut senders: HashMap<String, Sender> = HashMap::new();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut bytes)
        {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        // The rest of a line that was too long is none either.
        let Ok(packet) = serde_json::from_slice::<Packet>(&bytes) else {
            continue;
        };
        let sender = match senders.entry(packet.address.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Sender::start(packet.address.clone(), output)),
        };
        sender.send(packet.line(), output);
    }
    let deadline = Instant::now() + LAST_LINES;
    let ends: Vec<_> = senders.into_values().map(Sender::end).collect();
    for end in ends {
        let rest = deadline.saturating_duration_since(Instant::now());
        let _ = end.recv_timeout(rest);
    }
}

/// The way to one server.
struct Sender {
    address: String,
    lines: SyncSender<Vec<u8>>,
    ended: Receiver<()>,
    dropped: u64,
}

impl Sender {
    fn start(address: String, output: &Output) -> Self {
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        let (done, ended) = mpsc::channel();
        let output = output.clone();
        let to = address.clone();
        thread::spawn(move || {
            deliver(&to, &queue, &output);
            let _ = done.send(());
        });
        Self {
            address,
            lines,
            ended,
            dropped: 0,
        }
    }

    fn send(&mut self, line: Vec<u8>, output: &Output) {
        match self.lines.try_send(line) {
            Ok(()) => {
                if self.dropped > 0 {
                    output.talk(format!(
                        "meshgate: {} access log lines for {} were dropped",
                        self.dropped, self.address
                    ));
                }
                self.dropped = 0;
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += 1,
        }
    }

    fn end(self) -> Receiver<()> {
        self.ended
    }
}

/// Sends all lines of the queue, each over a connection that its server has not closed.
fn deliver(address: &str, queue: &Receiver<Vec<u8>>, output: &Output) {
    let mut connection = None;
    let mut is_named = false;
    while let Ok(line) = queue.recv() {
        loop {
            let open = match connection.take() {
                Some(stream) if is_open(&stream) => Ok(stream),
                _ => connect(address),
            };
            match open.and_then(|mut stream| stream.write_all(&line).map(|()| stream)) {
                Ok(stream) => {
                    connection = Some(stream);
                    is_named = false;
                    break;
                }
                Err(error) if !is_named => {
                    output.talk(format!(
                        "meshgate: the access log at {address} takes no lines: {error}; trying again"
                    ));
                    is_named = true;
                }
                Err(_) => {}
            }
            thread::sleep(PAUSE);
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_write_timeout(Some(CONNECT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Without looking, the first line after the server has closed would be lost.
fn is_open(stream: &TcpStream) -> bool {
    let looked = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    let is_open = match looked {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    is_open && stream.set_nonblocking(false).is_ok()
}

#[cfg(test)]
mod tests;
