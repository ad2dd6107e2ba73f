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

use time::OffsetDateTime;

use super::authority::Authority;
use super::store::{self, Store};
use crate::model::mesh::Mtls;

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
    let next = read(&next_path)?;
    // One that signs already was left behind by somebody who ended before removing it.
    let next = next.filter(|next| !pem.starts_with(next.as_str()));
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

fn read(path: &std::path::Path) -> anyhow::Result<Option<String>> {
    Ok(store::read(path)?.map(String::from_utf8).transpose()?)
}

/// The authority of a file: the first one signs, and those after it are believed until their end.
fn known(pem: &str, now: OffsetDateTime) -> anyhow::Result<Authority> {
    let (authority, _) = Authority::read(pem, pem)?;
    Ok(authority.without_ended(now))
}
