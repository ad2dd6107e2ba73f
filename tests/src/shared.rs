//! Test data that is no part of the project: conformance rows in a folder next to the checkout.

use std::path::PathBuf;

/// Where the data are looked for: `$MESHGATE_SHARED`, or else `../shared` next to the checkout.
pub fn folder() -> PathBuf {
    std::env::var_os("MESHGATE_SHARED").map_or_else(
        || crate::checkout().join("..").join("shared"),
        PathBuf::from,
    )
}

/// A file or folder of the shared data; without it the test that asks is to be skipped, and the reason is printed.
pub fn find(path: &str) -> Option<PathBuf> {
    let file = folder().join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("skipped: {} does not exist", file.display());
    None
}
