//! The authorities that meshgate makes, one after the other.
//!
//! ```text
//! 0                          4/5           9/10         the end
//! ├── signs ──────────────────┼── signs ─────┼── believed ──┤
//!                             └─ successor: believed ─┼── signs ─ …
//! ```
//!
//! Between the two points every proxy gets to know the successor, so that nobody meets a certificate of an authority
//! that it has not heard of. Kuma keeps one authority until it ends.
//!
//! One that a clock made that was ahead is not valid yet once that is put right, and nobody believes what it signs. So
//! another one takes its place at once.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::authority::Authority;
use super::store::{self, Store};
use crate::model::mesh::Mtls;

/// Clocks that differ by so much are as good as any; certificates wait that long.
const AHEAD: Duration = Duration::minutes(5);
/// No clock is right that is before it: one that nobody has set makes no authority in place of another.
const NEVER_SET: OffsetDateTime = datetime!(2025-01-01 0:00 UTC);

/// The authority that signs now, made if there is none, with those that are believed beside it.
pub(super) fn authority(
    store: &Store,
    mtls: &Mtls,
    make: impl Fn() -> anyhow::Result<String>,
    now: OffsetDateTime,
) -> anyhow::Result<Authority> {
    let path = store.authority(&mtls.mesh, &mtls.backend)?;
    let next_path = store.successor(&mtls.mesh, &mtls.backend)?;
    let Some(pem) = read(&path)? else {
        let pem = make()?;
        store::put(&path, pem.as_bytes())?;
        return Ok(known(&pem, now)?.changing_after(8));
    };
    let signs = known(&pem, now)?;
    if is_early(&signs, now) {
        // Those of before go on to be believed: there may be peers with what they have signed.
        let pem = make()? + &signs.bundle;
        store::put(&path, pem.as_bytes())?;
        store::remove(&next_path)?;
        let mut authority = known(&pem, now)?.changing_after(8);
        authority.in_place_of = Some(signs.from);
        return Ok(authority);
    }
    let next = read(&next_path)?;
    // One that signs already was left behind by somebody who ended before removing it.
    let next = next.filter(|next| !pem.starts_with(next.as_str()));
    let next = next.filter(|next| known(next, now).is_ok_and(|next| !is_early(&next, now)));
    let next = match next {
        Some(next) => next,
        None if now < signs.after(8) => return Ok(signs.changing_after(8)),
        None => {
            let next = make()?;
            store::put(&next_path, next.as_bytes())?;
            next
        }
    };
    if now < signs.after(9) {
        let mut both = signs.changing_after(9);
        both.bundle += &Authority::read(&next, &next)?.0.bundle;
        return Ok(both);
    }
    let pem = next + &signs.own;
    store::put(&path, pem.as_bytes())?;
    store::remove(&next_path)?;
    known(&pem, now).map(|authority| authority.changing_after(8))
}

fn is_early(authority: &Authority, now: OffsetDateTime) -> bool {
    now > NEVER_SET && now.saturating_add(AHEAD) < authority.from
}

fn read(path: &std::path::Path) -> anyhow::Result<Option<String>> {
    Ok(store::read(path)?.map(String::from_utf8).transpose()?)
}

/// The authority of a file: the first one signs, and those after it are believed until their end.
fn known(pem: &str, now: OffsetDateTime) -> anyhow::Result<Authority> {
    let (authority, _) = Authority::read(pem, pem)?;
    Ok(authority.without_ended(now))
}
