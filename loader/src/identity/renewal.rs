//! A proxy's certificate over time.

use time::{Duration, OffsetDateTime};

use super::Keeper;
use crate::model::Identity;

/// How long after a failure it is tried again. What there is holds for another fifth of its time.
const AGAIN: Duration = Duration::minutes(1);

/// Sees to it that one proxy has a certificate for as long as it is asked.
#[derive(Clone, Debug)]
pub struct Renewal {
    keeper: Keeper,
    identity: Identity,
    due: OffsetDateTime,
}

impl Renewal {
    /// Makes the certificate if there is none that is good.
    pub fn begin(keeper: Keeper, identity: Identity, now: OffsetDateTime) -> anyhow::Result<Self> {
        let due = keeper.keep(&identity, now)?.due;
        Ok(Self {
            keeper,
            identity,
            due,
        })
    }

    /// Makes the certificate again if it is due, in files that Envoy watches. Costs nothing until then. After an error
    /// it is due again in a minute.
    pub fn renew(&mut self, now: OffsetDateTime) -> anyhow::Result<()> {
        if now < self.due {
            return Ok(());
        }
        self.due = now.saturating_add(AGAIN);
        self.due = self.keeper.keep(&self.identity, now)?.due;
        Ok(())
    }
}
