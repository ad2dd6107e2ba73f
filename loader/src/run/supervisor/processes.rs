//! Envoys that are started, take over, end and are ended.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rustix::process::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{Supervisor, TICK};
use crate::run::Event;
use crate::run::directory::Directory;
use crate::run::envoy::exit_code;
use crate::run::reload::judge;

/// The wait before Envoy is started again: this, twice this, and so on.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LAST_WAIT: Duration = Duration::from_secs(30);
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

    /// Lets the Envoy that is there now take over from the running one, if it takes the configuration.
    pub(super) fn take_over(&mut self) {
        let Some(epoch) = self.envoy.as_ref().map(|envoy| envoy.epoch() + 1) else {
            return;
        };
        let tried = match self.program.base_id {
            None => Err(anyhow!("it was started without --hot-restart")),
            Some(_) if !self.status.lock().envoy.ready => Err(anyhow!("Envoy is not ready yet")),
            Some(_) => {
                let bootstrap = &self.configuration.bootstrap;
                let judged = judge(bootstrap, &self.directory, &self.program);
                judged.and_then(|()| {
                    Directory::write(
                        &self.directory.bootstrap(),
                        &self.configuration.split.bootstrap,
                    )?;
                    self.start(epoch)
                })
            }
        };
        match tried {
            Ok(()) => self.output.talk("meshgate: another Envoy takes over"),
            Err(error) => self.output.talk(format_args!(
                "meshgate: no other Envoy takes over: {error:#}"
            )),
        }
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
        if self.envoy.is_none() {
            return Ok(0);
        }
        self.status.lock().envoy.draining = true;
        let deadline = Instant::now() + self.settings.drain_time;
        if self
            .admin
            .post("drain_listeners?graceful&skip_exit")
            .is_ok()
        {
            self.output
                .talk("meshgate: draining; once more to stop at once");
            while self.admin.in_service() > 0 && Instant::now() < deadline {
                match self.events.recv_timeout(TICK) {
                    Ok(Event::Exit(pid, status)) if self.is_current(pid) => {
                        return Ok(exit_code(status?));
                    }
                    Ok(Event::Signal(SIGTERM | SIGINT)) => break,
                    Ok(Event::Signal(SIGHUP) | Event::Exit(..))
                    | Err(RecvTimeoutError::Timeout) => {}
                    Ok(Event::Signal(signal)) => self.pass_on(signal),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.pass_on(SIGTERM);
        loop {
            match self.events.recv()? {
                Event::Exit(pid, status) if self.is_current(pid) => return Ok(exit_code(status?)),
                Event::Signal(SIGHUP) | Event::Exit(..) => {}
                Event::Signal(signal) => self.pass_on(signal),
            }
        }
    }

    pub(super) fn pass_on(&self, signal: i32) {
        for envoy in self.older.iter().chain(&self.envoy) {
            envoy.signal(signal);
        }
    }
}
