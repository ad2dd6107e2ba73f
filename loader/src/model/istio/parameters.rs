//! Ciphers and curves of a server: what Envoy takes. For others it refuses its whole configuration (seen with
//! `--mode validate` of 1.36.4 and 1.40.0).

use crate::resources::istio::gateway::ServerTls;
use crate::resources::istio::{CIPHERS, is_cipher};

/// Curves that all Envoys from 1.36 on know, by both of their names.
const CURVES: [&str; 8] = [
    "P-256",
    "P-384",
    "P-521",
    "X25519",
    "X25519MLKEM768",
    "prime256v1",
    "secp384r1",
    "secp521r1",
];

/// Words for many ciphers that `BoringSSL` knows behind `-`, `+`, `!` and in `[…]` (`kCipherAliases` of
/// `ssl/ssl_cipher.cc`).
const WORDS: [&str; 22] = [
    "ALL", "kRSA", "kECDHE", "kEECDH", "kPSK", "aRSA", "aECDSA", "aPSK", "ECDHE", "EECDH", "ECDSA",
    "RSA", "PSK", "3DES", "AES128", "AES256", "AES", "AESGCM", "CHACHA20", "SHA1", "SHA", "HIGH",
];

/// Each cipher once, without those that Istio leaves out, which validation names.
pub(super) fn ciphers(settings: &ServerTls) -> Vec<String> {
    let mut ciphers: Vec<String> = Vec::new();
    for cipher in &settings.cipher_suites {
        if is_cipher(cipher) && !ciphers.contains(cipher) {
            ciphers.push(cipher.clone());
        }
    }
    ciphers
}

/// Why Envoy would not take the ciphers.
pub(super) fn refused_ciphers(settings: &ServerTls) -> Option<String> {
    let ciphers = ciphers(settings);
    if let Some(cipher) = ciphers.iter().find(|cipher| !is_known(cipher)) {
        return Some(format!("Envoy knows no cipher `{cipher}`"));
    }
    let takes_away = |cipher: &String| cipher.starts_with(['-', '+', '!']);
    let is_empty = !ciphers.is_empty() && ciphers.iter().all(takes_away);
    is_empty.then(|| "no cipher is left".to_owned())
}

fn is_known(cipher: &str) -> bool {
    let is_word = |word: &str| CIPHERS.contains(&word) || WORDS.contains(&word);
    if let Some(list) = cipher.strip_prefix('[') {
        let list = list.strip_suffix(']');
        return list.is_some_and(|list| list.split('|').all(is_word));
    }
    let rest = cipher.strip_prefix(['-', '+', '!']).unwrap_or(cipher);
    rest.split('+').all(is_word) || cipher.is_empty()
}

/// The first curve that Envoy would not take.
pub(super) fn refused_curve(settings: &ServerTls) -> Option<&str> {
    let names = settings
        .ecdh_curves
        .iter()
        .flat_map(|curve| curve.split(':'));
    let mut names = names;
    names.find(|name| !CURVES.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(ciphers: &[&str]) -> ServerTls {
        ServerTls {
            cipher_suites: ciphers.iter().map(|&cipher| cipher.to_owned()).collect(),
            ..ServerTls::default()
        }
    }

    #[test]
    fn ciphers_that_envoy_takes_are_taken() {
        for (ciphers, is_taken) in [
            (&[][..], true),
            (&["AES128-SHA"], true),
            (&["ALL", "-AES128-SHA"], true),
            (&["ALL", "!ECDHE+AESGCM"], true),
            (
                &["[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]"],
                true,
            ),
            (&["not-a-cipher"], true),
            (&["-ALL"], false),
            (&["ALL", "-bogus"], false),
            (&["[bogus]"], false),
            (&["@STRENGTH"], false),
        ] {
            let refused = refused_ciphers(&settings(ciphers));
            assert_eq!(refused.is_none(), is_taken, "{ciphers:?} {refused:?}");
        }
    }
}
