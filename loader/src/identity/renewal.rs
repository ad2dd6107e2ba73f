//! A proxy's certificate over time.

use time::{Duration, OffsetDateTime};

use super::Keeper;
use crate::model::Identity;

/// How long after a failure it is tried again. What there is holds for another fifth of its time.
const AGAIN: Duration = Duration::minutes(1);

/// Sees to it that one proxy has its certificates for as long as it is asked: one for each mesh that it is in.
#[derive(Clone, Debug)]
pub struct Renewal {
    pub(super) keeper: Keeper,
    pub(super) identities: Vec<Identity>,
    /// When something has to be done; at once if nothing has been yet.
    due: Option<OffsetDateTime>,
    /// The latest time that there has been.
    seen: Option<OffsetDateTime>,
}

impl Renewal {
    /// Of these certificates, of which none is made yet.
    pub fn new(keeper: Keeper, identities: Vec<Identity>) -> Self {
        Self {
            keeper,
            identities,
            due: None,
            seen: None,
        }
    }

    /// Makes the certificates for which there is none that is good, and those again that are due, in files that Envoy
    /// watches. Costs nothing until then. After an error it is due again in a minute. What the user has to know is
    /// handed to `say`.
    pub fn renew(&mut self, now: OffsetDateTime, say: impl Fn(&str)) -> anyhow::Result<()> {
        // What a clock made that was ahead is not valid yet once that is put right.
        let is_set_back = self
            .seen
            .is_some_and(|seen| now.saturating_add(AGAIN) < seen);
        if self.due.is_some_and(|due| now < due) && !is_set_back {
            self.seen = self.seen.max(Some(now));
            return Ok(());
        }
        self.seen = Some(now);
        self.due = Some(now.saturating_add(AGAIN));
        if let Some(due) = self.keep(now, say)? {
            self.due = Some(due);
        }
        Ok(())
    }

    /// Makes what is due, and says when the next one will be. One that fails does not keep the others from being made.
    fn keep(
        &self,
        now: OffsetDateTime,
        say: impl Fn(&str),
    ) -> anyhow::Result<Option<OffsetDateTime>> {
        let round = self.keeper.open(now)?;
        round.warnings().for_each(|text| say(&text));
        let all = self.identities.iter();
        let all: Vec<_> = all.map(|identity| round.keep(identity, false)).collect();
        let mut first = None;
        for kept in all {
            let due = kept?.due;
            first = Some(first.map_or(due, |first: OffsetDateTime| first.min(due)));
        }
        Ok(first)
    }
}
