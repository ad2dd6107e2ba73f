//! Envoys that are started, take over, end and are ended.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR2};

use super::{Supervisor, TICK};
use crate::run::Event;
use crate::run::envoy::exit_code;

/// The wait before Envoy is started again: this, twice this, and so on.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LAST_WAIT: Duration = Duration::from_secs(30);
/// How long Envoy gets to end after SIGTERM.
const LAST_MOMENT: Duration = Duration::from_secs(5);
/// An Envoy that has run for so long has recovered.
const RECOVERED: Duration = Duration::from_mins(1);

impl Supervisor<'_> {
    pub(super) fn start(&mut self, epoch: u32) -> anyhow::Result<()> {
        self.start_at = None;
        let bootstrap = self.directory.bootstrap();
        let envoy = self.program.start(&bootstrap, epoch, self.sender.clone())?;
        self.started = Instant::now();
        let mut status = self.status.lock();
        status.envoy.pid = Some(envoy.pid().as_raw_pid());
        status.envoy.ready = false;
        self.older.extend(self.envoy.replace(envoy));
        Ok(())
    }

    pub(super) fn is_current(&self, pid: Pid) -> bool {
        self.envoy.as_ref().is_some_and(|envoy| envoy.pid() == pid)
    }

    /// Envoy has ended by itself. The exit code, if it is not worth another try.
    pub(super) fn ended(&mut self, code: u8) -> Option<u8> {
        self.envoy = None;
        let mut status = self.status.lock();
        status.envoy.pid = None;
        status.envoy.ready = false;
        if !self.was_ready {
            return Some(code);
        }
        status.envoy.restarts += 1;
        drop(status);
        // One that was being replaced has given its admin interface away, and holds the ports.
        self.older.iter().for_each(|envoy| envoy.signal(SIGTERM));
        if self.started.elapsed() > RECOVERED {
            self.wait = FIRST_WAIT;
        }
        self.output.talk(format_args!(
            "meshgate: Envoy has ended with {code}; it is started again in {:.1} s",
            self.wait.as_secs_f32()
        ));
        self.start_at = Some(Instant::now() + self.wait);
        self.wait = (self.wait * 2).min(LAST_WAIT);
        None
    }

    /// The first SIGTERM or SIGINT lets open requests end, for a while; the second ends Envoy at once.
    pub(super) fn stop(&mut self) -> anyhow::Result<u8> {
        let asked = self.stop.asked_at().unwrap_or_else(Instant::now);
        match self.drain(asked + self.settings.drain_time)? {
            Drained::Ended(code) => Ok(code),
            Drained::Asked => self.end(),
        }
    }

    /// Lets open requests end until `deadline`, or until somebody asks for the end once more.
    pub(super) fn drain(&mut self, deadline: Instant) -> anyhow::Result<Drained> {
        if self.envoy.is_none() {
            return Ok(Drained::Ended(0));
        }
        self.status.lock().envoy.draining = true;
        let left = || deadline.saturating_duration_since(Instant::now()).max(TICK);
        let path = "drain_listeners?graceful&skip_exit";
        if self.admin.post_within(left(), path).is_ok() {
            self.output
                .talk("meshgate: draining; once more to stop at once");
            while self.admin.in_service(left()) > 0 && Instant::now() < deadline {
                match self.events.recv_timeout(TICK) {
                    Ok(Event::Exit(pid, status)) if self.is_current(pid) => {
                        return Ok(Drained::Ended(exit_code(status?)));
                    }
                    Ok(Event::Signal(SIGTERM | SIGINT)) => break,
                    Ok(Event::Signal(SIGHUP | SIGUSR2) | Event::Exit(..))
                    | Err(RecvTimeoutError::Timeout) => {}
                    Ok(Event::Signal(signal)) => self.pass_on(signal),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Drained::Asked)
    }

    /// Ends Envoy, which needs a moment, and not more than that.
    pub(super) fn end(&mut self) -> anyhow::Result<u8> {
        self.pass_on(SIGTERM);
        let deadline = Instant::now() + LAST_MOMENT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left.max(TICK)) {
                Ok(Event::Exit(pid, status)) if self.is_current(pid) => {
                    return Ok(exit_code(status?));
                }
                Ok(Event::Signal(SIGHUP | SIGUSR2) | Event::Exit(..)) => {}
                Ok(Event::Signal(signal)) => self.pass_on(signal),
                Err(RecvTimeoutError::Timeout) => {
                    self.output
                        .talk("meshgate: Envoy does not end by itself, so it is killed");
                    self.pass_on(SIGKILL);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn pass_on(&self, signal: i32) {
        for envoy in self.older.iter().chain(&self.envoy) {
            envoy.signal(signal);
        }
    }
}

/// What has become of an Envoy whose requests were let end.
pub(super) enum Drained {
    /// It has ended, with this code.
    Ended(u8),
    /// Its time is over, or it has nothing to do any more.
    Asked,
}
