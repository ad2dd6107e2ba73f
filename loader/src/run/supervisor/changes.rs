//! A change of the resources, and what becomes of it.

use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::{Supervisor, stream_logs};
use crate::run::reload::{Configuration, Refusal, apply};
use crate::run::status::{Refused, now};
use crate::run::swap::Running;

/// The wait before a change is tried again that could not be: this, twice this, and so on.
pub(super) const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The longest wait.
const LAST_RETRY: Duration = Duration::from_secs(30);

impl Supervisor<'_> {
    /// Serves what the resources say now, or says why not.
    pub(super) fn reload(&mut self, cause: &str) {
        self.retry_at = None;
        self.watch.reset();
        if !self.status.lock().envoy.ready {
            self.retry_at = Some(Instant::now());
            return;
        }
        let tried = self.try_reload();
        if !matches!(&tried, Err(refusal) if refusal.is_failure) {
            self.retry_wait = FIRST_RETRY;
        }
        match tried {
            Ok(Some(note)) => {
                let mut status = self.status.lock();
                status.reloads.applied += 1;
                status.refused = None;
                status.show(&self.configuration.shown);
                drop(status);
                let hash = self.configuration.hash();
                self.output.talk(format_args!(
                    "meshgate: reloaded after {cause}: {hash}{note}"
                ));
            }
            Ok(None) => {
                let mut status = self.status.lock();
                status.reloads.unchanged += 1;
                status.show(&self.configuration.shown);
                let mended = status.refused.take().is_some();
                drop(status);
                let hash = self.configuration.hash();
                if mended {
                    self.output.talk(format_args!(
                        "meshgate: mended by {cause}: {hash} is what the resources say"
                    ));
                }
            }
            // It is given up, and not to blame.
            Err(_) if self.stop.asked_at().is_some() => {}
            Err(refusal) if self.is_known(&refusal) => self.retry_later(),
            Err(refusal) => {
                self.output.report(&refusal.why, &refusal.findings);
                self.output.talk(format_args!(
                    "meshgate: NOT RELOADED after {cause}: {} is still served",
                    self.configuration.hash()
                ));
                self.refuse(refusal);
            }
        }
    }

    /// What there is to say about a change that was taken; nothing if there was none.
    fn try_reload(&mut self) -> Result<Option<&'static str>, Refusal> {
        let color = self.output.color_on_stderr();
        let mut named = None;
        let wanted = (self.load)(&mut named);
        if let Some(named) = named {
            self.watch.follow(named);
        }
        let mut wanted = wanted?;
        let old = &self.configuration;
        let id = format!("{}.{}", wanted.proxy.mesh, wanted.proxy.name);
        if old.node.id != id {
            return Err(Refusal::new(&anyhow!(
                "the resources are for another proxy now, {id}: start meshgate anew for it"
            )));
        }
        wanted.check_beside(&old.errors, color)?;
        wanted.begin(self.output)?;
        stream_logs(
            &mut self.streamer,
            Some(&wanted.proxy),
            &self.directory,
            self.output,
        )
        .map_err(|error| Refusal::failure(&error))?;
        let (new, sources) = Configuration::of(wanted, &self.directory)?;
        if new.split == old.split {
            let is_kept = new.errors == old.errors && new.remembered() == old.remembered();
            self.configuration = new;
            if !is_kept {
                self.keep();
            }
            return Ok(None);
        }
        new.prove(&self.directory, &self.program, &sources, color)?;
        let envoy = Running {
            directory: &self.directory,
            admin: &self.admin,
            words: &self.program.words,
            stop: &self.stop,
        };
        apply(envoy, old, &new, &sources, color)?;
        let needs_restart = new.split.bootstrap != old.split.bootstrap;
        self.configuration = new;
        self.keep();
        Ok(Some(if needs_restart {
            " (Envoy has the new name of the service after a restart)"
        } else {
            ""
        }))
    }

    /// What is served goes on to be served if it cannot be kept.
    pub(super) fn keep(&self) {
        let Configuration { whole, errors, .. } = &self.configuration;
        let renewal = self.configuration.remembered();
        if let Err(error) = self.directory.keep(whole, errors, renewal.as_ref()) {
            self.output.talk(format_args!(
                "meshgate: a restart would not come up with what is served now: {error:#}"
            ));
        }
    }

    /// Whether it has been said already, and goes on to be so.
    fn is_known(&self, refusal: &Refusal) -> bool {
        let status = self.status.lock();
        let last = status.refused.as_ref();
        refusal.is_failure && last.is_some_and(|last| last.why == refusal.why)
    }

    /// Envoy may have been ended from outside, or the disk may be full: the change is not to blame.
    fn retry_later(&mut self) {
        self.retry_at = Some(Instant::now() + self.retry_wait);
        self.retry_wait = (self.retry_wait * 2).min(LAST_RETRY);
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if refusal.is_failure {
            self.retry_later();
        }
        let mut status = self.status.lock();
        status.reloads.refused += 1;
        status.refused = Some(Refused {
            at: now().0,
            why: refusal.why,
            findings: refusal.findings,
        });
    }
}
