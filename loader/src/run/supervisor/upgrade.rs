//! Another binary in the place of the Envoy that runs.

use std::time::Instant;

use anyhow::bail;

use super::Supervisor;
use super::processes::Drained;
use crate::run::directory::Directory;

impl Supervisor<'_> {
    /// The file of Envoy is another one. Only what closes no port is done unasked.
    pub(super) fn upgrade(&mut self) {
        if !self.settings.envoy.is_file() {
            return;
        }
        let said = match self.take_over() {
            Ok(Ok(())) => "another Envoy takes over".to_owned(),
            Ok(Err(why)) => format!(
                "there is another Envoy in {}, and it cannot take over: {why}; SIGUSR2 restarts Envoy with it, once open requests have ended",
                self.settings.envoy.display()
            ),
            Err(error) => format!("no other Envoy takes over: {error:#}"),
        };
        self.output.talk(format_args!("meshgate: {said}"));
    }

    /// Uses the Envoy that is there now: it takes over if it can; otherwise it is started when the running one has let
    /// open requests end. The exit code, if somebody asks for the end meanwhile.
    pub(super) fn exchange(&mut self) -> anyhow::Result<Option<u8>> {
        self.binary.reset();
        match self.take_over() {
            Ok(Ok(())) => self.output.talk("meshgate: another Envoy takes over"),
            Ok(Err(why)) => {
                self.output
                    .talk(format_args!("meshgate: Envoy is restarted: {why}"));
                return self.restart();
            }
            Err(error) => self.output.talk(format_args!(
                "meshgate: no other Envoy takes over: {error:#}"
            )),
        }
        Ok(None)
    }

    /// Lets the Envoy that is there now take over from the running one, if it takes the configuration; why it cannot.
    fn take_over(&mut self) -> anyhow::Result<Result<(), String>> {
        let Some(running) = self.envoy.as_ref() else {
            bail!("none is running");
        };
        if !self.status.lock().envoy.ready {
            bail!("Envoy is not ready yet");
        }
        self.configuration.judge(&self.directory, &self.program)?;
        if self.program.base_id.is_none() {
            return Ok(Err("meshgate was started without --hot-restart".to_owned()));
        }
        if let Err([own, new]) = self.program.takes_over_from(running)? {
            return Ok(Err(format!(
                "its hot restart version is {new}, that of the running one {own}"
            )));
        }
        let epoch = running.epoch() + 1;
        let bootstrap = &self.configuration.split.bootstrap;
        Directory::write(&self.directory.bootstrap(), bootstrap)?;
        self.start(epoch)?;
        Ok(Ok(()))
    }

    /// Ends Envoy as at the end of meshgate, and has it started again.
    fn restart(&mut self) -> anyhow::Result<Option<u8>> {
        let code = match self.drain(Instant::now() + self.settings.drain_time)? {
            Drained::Ended(code) => code,
            Drained::Asked => self.end()?,
        };
        if self.stop.asked_at().is_some() {
            return Ok(Some(code));
        }
        self.envoy = None;
        let mut status = self.status.lock();
        status.envoy.pid = None;
        status.envoy.ready = false;
        status.envoy.draining = false;
        self.start_at = Some(Instant::now());
        Ok(None)
    }
}
