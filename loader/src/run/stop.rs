//! That somebody wants the gateway to end, known also to what takes its time meanwhile.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::bail;

/// Set once, by the first SIGTERM or SIGINT.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<OnceLock<Instant>>);

impl Stop {
    /// Notes that it was asked for now, if it was not before.
    pub(super) fn ask(&self) {
        let _ = self.0.set(Instant::now());
    }

    /// When it was asked for.
    pub(super) fn asked_at(&self) -> Option<Instant> {
        self.0.get().copied()
    }

    /// An error once it has been asked for: whoever waits gives up.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.asked_at().is_some() {
            bail!("meshgate is to end");
        }
        Ok(())
    }
}
