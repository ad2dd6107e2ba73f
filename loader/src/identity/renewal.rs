//! A proxy's certificate over time.

use time::{Duration, OffsetDateTime};

use super::Keeper;
use crate::model::Identity;

/// How long after a failure it is tried again. What there is holds for another fifth of its time.
const AGAIN: Duration = Duration::minutes(1);

/// Sees to it that one proxy has its certificates for as long as it is asked: one for each mesh that it is in.
#[derive(Clone, Debug)]
pub struct Renewal {
    keeper: Keeper,
    identities: Vec<Identity>,
    due: OffsetDateTime,
    /// The latest time that there has been.
    seen: OffsetDateTime,
}

impl Renewal {
    /// Makes those certificates for which there is none that is good. There is nothing to renew without any.
    pub fn begin(
        keeper: Keeper,
        identities: Vec<Identity>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Self>> {
        let due = due(&keeper, &identities, now)?;
        Ok(due.map(|due| Self {
            keeper,
            identities,
            due,
            seen: now,
        }))
    }

    /// Makes the certificates again that are due, in files that Envoy watches. Costs nothing until then. After an error
    /// it is due again in a minute.
    pub fn renew(&mut self, now: OffsetDateTime) -> anyhow::Result<()> {
        // What a clock made that was ahead is not valid yet once that is put right.
        let is_set_back = now.saturating_add(AGAIN) < self.seen;
        if now < self.due && !is_set_back {
            self.seen = self.seen.max(now);
            return Ok(());
        }
        self.seen = now;
        self.due = now.saturating_add(AGAIN);
        if let Some(due) = due(&self.keeper, &self.identities, now)? {
            self.due = due;
        }
        Ok(())
    }
}

/// Makes what is due, and says when the next one will be. One that fails does not keep the others from being made.
fn due(
    keeper: &Keeper,
    identities: &[Identity],
    now: OffsetDateTime,
) -> anyhow::Result<Option<OffsetDateTime>> {
    if identities.is_empty() {
        return Ok(None);
    }
    let round = keeper.open(now)?;
    let all = identities
        .iter()
        .map(|identity| round.keep(identity, false));
    let all: Vec<_> = all.collect();
    let mut first = None;
    for kept in all {
        let due = kept?.due;
        first = Some(first.map_or(due, |first: OffsetDateTime| first.min(due)));
    }
    Ok(first)
}
