//! The file with what has been given out: `vips.json` in the working directory.
//!
//! ```json
//! {"version": 1, "ranges": {"242.0.0.0/8": {"default/example": "242.0.0.0"}}}
//! ```
//!
//! Each range has a list of its own, so that a change of the range and back moves nobody. Services that are gone stay
//! on the list, and get their address again if they come back: another proxy may have them still.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{Kept, Range};
use crate::diagnostic::{Code, Diagnostic};
use crate::files;
use crate::identity::Store;
use crate::identity::store::read;

const FILE: &str = "vips.json";
const VERSION: u32 = 1;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    ranges: BTreeMap<String, Kept>,
}

/// Lets `give` add to what is kept of `range` in a working directory, while no other process does. A file that cannot be
/// used is a finding, and stays as it is.
pub fn keep<T>(
    work_dir: &Path,
    range: &Range,
    give: impl FnOnce(&mut Kept) -> T,
) -> anyhow::Result<Result<T, Diagnostic>> {
    let _lock = Store::new(work_dir).lock()?;
    let path = work_dir.join(FILE);
    let before = read(&path)?;
    let mut content = match before.as_deref().map(checked).transpose() {
        Ok(content) => content.unwrap_or(Content {
            version: VERSION,
            ranges: BTreeMap::new(),
        }),
        Err(why) => return Ok(Err(unusable(&path, &why))),
    };
    let given = give(content.ranges.entry(range.to_string()).or_default());
    let mut after = serde_json::to_vec_pretty(&content).context("could not write addresses")?;
    after.push(b'\n');
    if before.as_ref() != Some(&after) {
        files::write_durably(&path, &after, 0o600)?;
    }
    Ok(Ok(given))
}

/// The content of a file, or what is wrong with it.
fn checked(bytes: &[u8]) -> Result<Content, String> {
    let content: Content = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if content.version != VERSION {
        return Err(format!("version {} is not known", content.version));
    }
    for (text, kept) in &content.ranges {
        let range = text.parse::<Range>();
        let range = range.map_err(|why| format!("range `{text}`: {why}"))?;
        let mut seen = BTreeSet::new();
        for (service, address) in kept {
            if !range.contains(*address) {
                return Err(format!("`{service}`: {address} is not in {text}"));
            }
            if !seen.insert(address) {
                return Err(format!("`{service}`: {address} is another service's"));
            }
        }
    }
    Ok(content)
}

fn unusable(path: &Path, why: &str) -> Diagnostic {
    let message = format!("{}: {why}", path.display());
    Diagnostic::error(Code::VipStore, message)
        .help("put the file back as it was; or remove it, and services get addresses anew")
}
