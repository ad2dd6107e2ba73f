//! The filters as the module that goes with the loader.

use crate::hash::sha256_hex;

/// `gateway.wasm`: all filters in one module.
pub static GATEWAY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gateway.wasm"));

/// The name of the file that Envoy loads.
///
/// It has a part of the content's SHA-256 in it: Envoy does not watch the file, so new content needs a new name to be
/// noticed in a configuration update.
pub fn file_name() -> String {
    format!("gateway-{}.wasm", sha256_hex([GATEWAY], 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_in_the_loader() {
        assert!(GATEWAY.starts_with(b"\0asm"));
    }

    #[test]
    fn the_name_follows_the_content() {
        let name = file_name();
        let hash = name
            .strip_prefix("gateway-")
            .and_then(|name| name.strip_suffix(".wasm"))
            .unwrap();
        assert_eq!(hash.len(), 12);
        assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
