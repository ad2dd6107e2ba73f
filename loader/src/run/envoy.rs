//! Envoy as a child process: started, told to drain, stopped.

use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::output::Output;

/// How often the number of open requests is asked for while draining.
const POLL: Duration = Duration::from_millis(100);

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    pid: Pid,
    admin: SocketAddr,
    events: Receiver<Event>,
}

#[derive(Debug)]
enum Event {
    Signal(i32),
    Exit(std::io::Result<ExitStatus>),
}

impl Envoy {
    /// Starts Envoy with a configuration file.
    pub fn start(
        program: &Path,
        config: &Path,
        args: &[String],
        admin: SocketAddr,
    ) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::channel();
        // Before the child is there: no signal may fall between.
        let signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let child = Command::new(program)
            .arg("--config-path")
            .arg(config)
            .args(["--log-level", "warning"])
            // Hot restart shares memory under a name that a second Envoy on the machine would also want.
            .arg("--disable-hot-restart")
            // The access log is looked at while requests are tried; by default Envoy writes it every 10 s.
            .args(["--file-flush-interval-msec", "200"])
            // While draining, every answer asks its client to come back on another connection.
            .args(["--drain-strategy", "immediate"])
            // Ctrl-C reaches the whole group of a terminal; Envoy has to wait for its turn.
            .process_group(0)
            .args(args)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let pid = Pid::from_child(&child);
        forward_signals(signals, sender.clone());
        report_exit(child, sender);
        Ok(Self { pid, admin, events })
    }

    /// Waits for Envoy's end and returns its exit code.
    ///
    /// The first SIGTERM or SIGINT lets open requests end, for `drain_time` at most; the second ends Envoy at once.
    /// Other signals are passed on.
    pub fn wait(self, drain_time: Duration, output: &Output) -> anyhow::Result<u8> {
        loop {
            match self.events.recv()? {
                Event::Exit(status) => return Ok(exit_code(status?)),
                Event::Signal(SIGTERM | SIGINT) => return self.stop(drain_time, output),
                Event::Signal(signal) => self.pass_on(signal),
            }
        }
    }

    fn stop(&self, drain_time: Duration, output: &Output) -> anyhow::Result<u8> {
        let deadline = Instant::now() + drain_time;
        if self.post("drain_listeners?graceful&skip_exit").is_ok() {
            output.talk("meshgate: draining; once more to stop at once");
            while self.in_service() > 0 && Instant::now() < deadline {
                match self.events.recv_timeout(POLL) {
                    Ok(Event::Exit(status)) => return Ok(exit_code(status?)),
                    Ok(Event::Signal(SIGTERM | SIGINT)) => break,
                    Ok(Event::Signal(signal)) => self.pass_on(signal),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.pass_on(SIGTERM);
        loop {
            match self.events.recv()? {
                Event::Exit(status) => return Ok(exit_code(status?)),
                Event::Signal(signal) => self.pass_on(signal),
            }
        }
    }

    /// The requests and TCP connections that are being served; none if Envoy does not say. Connections that are only
    /// kept open for the next request do not count.
    fn in_service(&self) -> u64 {
        const SERVED: &str = "^(http\\..*\\.downstream_rq_active|tcp\\..*\\.downstream_cx_active)$";
        let text = self
            .get(&format!("stats?filter={SERVED}"))
            .unwrap_or_default();
        text.lines()
            .filter(|line| !line.starts_with("http.admin."))
            .filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok())
            .sum()
    }

    fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut response = ureq::get(format!("http://{}/{path}", self.admin)).call()?;
        Ok(response.body_mut().read_to_string()?)
    }

    fn post(&self, path: &str) -> anyhow::Result<()> {
        ureq::post(format!("http://{}/{path}", self.admin)).send_empty()?;
        Ok(())
    }

    /// Envoy may have ended just now, and then nobody gets the signal.
    fn pass_on(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process(self.pid, signal);
        }
    }
}

fn forward_signals(mut signals: Signals, events: Sender<Event>) {
    thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                break;
            }
        }
    });
}

fn report_exit(mut child: Child, events: Sender<Event>) {
    thread::spawn(move || {
        // Nobody waits any more if this fails.
        let _ = events.send(Event::Exit(child.wait()));
    });
}

/// A shell's way of saying it: the code, or 128 and the signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
