//! Short names for content.

use sha2::{Digest, Sha256};

/// The first `bytes` bytes of the SHA-256 of all parts, in hexadecimal.
pub(crate) fn sha256_hex<T: AsRef<[u8]>>(
    parts: impl IntoIterator<Item = T>,
    bytes: usize,
) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    base16ct::lower::encode_string(hash.get(..bytes).unwrap_or(&hash))
}
