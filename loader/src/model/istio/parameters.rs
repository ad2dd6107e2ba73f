//! Pins, ciphers and curves of a server: what Envoy takes. For others it refuses its whole configuration (seen with
//! `--mode validate` of 1.36.4 and 1.40.0).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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

/// What Envoy would not take: fields, each with the reason.
pub(super) fn refused(settings: &ServerTls) -> Vec<(&'static str, String)> {
    let mut refused = Vec::new();
    let is_hash = |text: &String| {
        let text = text.replace(':', "");
        text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !settings.verify_certificate_hash.iter().all(is_hash) {
        let why =
            "a hash is a SHA-256 of 64 hexadecimal digits, with colons between pairs or without";
        refused.push(("verifyCertificateHash", why.to_owned()));
    }
    let is_pin = |text: &String| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
    if !settings.verify_certificate_spki.iter().all(is_pin) {
        let why = "a pinned key is a SHA-256 in base64";
        refused.push(("verifyCertificateSpki", why.to_owned()));
    }
    refused.extend(refused_ciphers(settings).map(|why| ("cipherSuites", why)));
    let curve = refused_curve(settings);
    refused.extend(curve.map(|name| {
        let why = format!(
            "Envoy knows no curve `{name}`; it takes P-256, P-384, P-521, X25519 and X25519MLKEM768"
        );
        ("ecdhCurves", why)
    }));
    refused
}

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
fn refused_ciphers(settings: &ServerTls) -> Option<String> {
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
fn refused_curve(settings: &ServerTls) -> Option<&str> {
    let curves = settings.ecdh_curves.iter();
    let mut names = curves.flat_map(|curve| curve.split(':'));
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
