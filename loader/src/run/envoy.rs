//! Envoy as a child process.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

use super::stop::Stop;
use super::words::Words;
use super::{Event, tail};
use crate::output::Output;

/// How long Envoy may look at a configuration.
const PROOF: Duration = Duration::from_mins(2);
/// How long the end of Envoy waits for its log to be shown.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What takes longer is named meanwhile.
pub(super) const PROGRESS: Duration = Duration::from_millis(500);

/// How an Envoy is started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// The binary.
    pub(super) file: PathBuf,
    /// What the user adds.
    pub(super) args: Vec<String>,
    /// Where an Envoy leaves the number by which another one can take over from it; nothing if none ever should. It
    /// is the name of shared memory, which not every container has.
    pub(super) base_id: Option<PathBuf>,
    /// What it says.
    pub(super) words: Words,
    /// Ends whatever takes its time.
    pub(super) stop: Stop,
    /// Where its words go.
    pub(super) output: Output,
}

/// A running Envoy.
#[derive(Debug)]
pub(super) struct Envoy {
    pid: Pid,
    epoch: u32,
}

impl Program {
    /// Starts Envoy with a configuration file. Its end comes as an [`Event::Exit`]. One of a later epoch than 0 takes
    /// over the ports and counters of the one before, which lets its connections end, and then ends itself.
    ///
    /// To be called by the main thread: Envoy ends with the thread that started it.
    pub(super) fn start(
        &self,
        config: &Path,
        epoch: u32,
        events: Sender<Event>,
    ) -> anyhow::Result<Envoy> {
        let (log, tail, ended) = tail::file()?;
        let mut child = self
            .command()
            .arg("--config-path")
            .arg(config)
            .args(["--log-level", "warning"])
            .args(self.hot_restart(epoch)?)
            // The access log is looked at while requests are tried; by default Envoy writes it every 10 s.
            .args(["--file-flush-interval-msec", "200"])
            // While draining, every answer asks its client to come back on another connection.
            .args(["--drain-strategy", "immediate"])
            .args(&self.args)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", self.file.display()))?;
        let said = self.words.listen(tail, &self.output);
        let pid = Pid::from_child(&child);
        // The only way to wait for a child and for signals at a time.
        thread::spawn(move || {
            let status = child.wait();
            ended.set();
            // Its last words come first, unless nobody takes them.
            let _ = said.recv_timeout(LAST_WORDS);
            // Nobody waits any more if this fails.
            let _ = events.send(Event::Exit(pid, status));
        });
        Ok(Envoy { pid, epoch })
    }

    fn hot_restart(&self, epoch: u32) -> anyhow::Result<Vec<OsString>> {
        let Some(file) = &self.base_id else {
            return Ok(vec!["--disable-hot-restart".into()]);
        };
        if epoch == 0 {
            let path = file.clone().into_os_string();
            return Ok(vec![
                "--use-dynamic-base-id".into(),
                "--base-id-path".into(),
                path,
            ]);
        }
        let id = fs::read_to_string(file).context("the base id of Envoy")?;
        let (id, epoch) = (id.trim().into(), epoch.to_string().into());
        Ok(vec![
            "--base-id".into(),
            id,
            "--restart-epoch".into(),
            epoch,
        ])
    }

    /// Lets Envoy judge a configuration: nothing, or its own words.
    pub(super) fn judge(&self, config: &Path) -> anyhow::Result<Result<(), String>> {
        let mut log = tempfile::tempfile()?;
        let mut child = self
            .command()
            .args(["--mode", "validate", "--disable-hot-restart"])
            .args(["--log-level", "error", "--config-path"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone()?)
            .spawn()
            .with_context(|| format!("could not start {}", self.file.display()))?;
        let status = self.wait(&mut child)?;
        if status.success() {
            return Ok(Ok(()));
        }
        // By somebody else, or because memory is short; one that ends itself by a signal does so for the configuration.
        if let Some(signal @ (9 | 15)) = status.signal() {
            bail!("the Envoy that looked at the configuration was ended by signal {signal}");
        }
        let mut said = String::new();
        log.rewind()?;
        log.read_to_string(&mut said)?;
        Ok(Err(said))
    }

    fn wait(&self, child: &mut Child) -> anyhow::Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let waited = begin.elapsed();
            let go_on = self.stop.check().and_then(|()| {
                if waited > PROOF {
                    bail!(
                        "Envoy has looked at the configuration for {} s without an answer",
                        PROOF.as_secs()
                    );
                }
                Ok(())
            });
            if let Err(error) = go_on {
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
            if waited > PROGRESS {
                self.output.progress(format_args!(
                    "Envoy looks at the configuration, for {} s now",
                    waited.as_secs()
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the Envoy in the file can take over from a running one: the number of what they share in memory, of each,
    /// if it cannot.
    pub(super) fn takes_over_from(
        &self,
        running: &Envoy,
    ) -> anyhow::Result<Result<(), [String; 2]>> {
        let version = |file: &Path| -> anyhow::Result<String> {
            let output = Command::new(file)
                .arg("--hot-restart-version")
                .stdin(Stdio::null())
                .output()
                .with_context(|| format!("could not start {}", file.display()))?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        // What the process runs, even if another one has its place now.
        let own = version(Path::new(&format!(
            "/proc/{}/exe",
            running.pid.as_raw_pid()
        )))?;
        let new = version(&self.file)?;
        Ok(if own == new { Ok(()) } else { Err([own, new]) })
    }

    fn command(&self) -> Command {
        // The file that this process runs, even if another one has its place now.
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["exec", "--parent", &process::id().to_string(), "--"])
            .arg(&self.file)
            // Ctrl-C reaches the whole group of a terminal; Envoy has to wait for its turn.
            .process_group(0);
        command
    }
}

impl Envoy {
    /// Its process.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// How many Envoys it has taken over from.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Envoy may have ended just now, and then nobody gets the signal.
    pub(super) fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process(self.pid, signal);
        }
    }
}

/// Becomes `program`, which will end as soon as the process `parent` does, whatever ends that: the kernel sees to it. It
/// has to be told between fork and exec, where only a program of its own can do it without unsafe code.
pub fn become_child(parent: u32, program: &[OsString]) -> anyhow::Error {
    let [program, args @ ..] = program else {
        return anyhow!("there is no program to become");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before the kernel knew.
    let now = getppid().map_or(0, Pid::as_raw_pid);
    if u32::try_from(now) != Ok(parent) {
        return anyhow!("the process that wanted {} is gone", program.display());
    }
    let error = Command::new(program).args(args).exec();
    anyhow::Error::new(error).context(format!("could not start {}", program.display()))
}

/// A shell's way of saying it: the code, or 128 and the signal.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
