//! Certificates and keys in Secrets, by the names that Istio looks for (`pilot/pkg/credentials/kube/secrets.go` at
//! 1.32, in its words). The type of a Secret is not looked at there either.

use std::collections::BTreeMap;

use super::{ConfigMap, Secret};

/// A certificate with its private key, as they lie in a Secret: PEM, not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPair<'a> {
    /// The certificate and its chain.
    pub certificate: &'a [u8],
    /// The private key.
    pub key: &'a [u8],
    /// An OCSP response, in DER.
    pub staple: Option<&'a [u8]>,
    /// Revoked certificates.
    pub crl: Option<&'a [u8]>,
}

/// Certificates of those who sign for clients, as they lie in a Secret or `ConfigMap`: PEM, not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorities<'a> {
    /// The certificates.
    pub certificates: &'a [u8],
    /// Revoked certificates.
    pub crl: Option<&'a [u8]>,
}

/// Why a Secret has not what is looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInSecret {
    /// Both keys are there, one without a value.
    #[error("found keys {0:?} and {1:?}, but they were empty")]
    EmptyPair(&'static str, &'static str),
    /// The key is there, without a value.
    #[error("found key {0:?}, but it was empty")]
    Empty(&'static str),
    /// Other keys are there.
    #[error(
        "found secret, but didn't have expected keys (cert and key) or (tls.crt and tls.key); found: {0}"
    )]
    NoPair(String),
    /// Other keys are there.
    #[error("found secret, but didn't have expected keys cacert or ca.crt; found: {0}")]
    NoAuthorities(String),
}

impl Secret {
    /// The certificate of a server with its key: `cert` and `key`, else `tls.crt` and `tls.key` (`ExtractCertInfo`).
    pub fn server_pair(&self) -> Result<ServerPair<'_>, NotInSecret> {
        let value = |key: &str| {
            self.data
                .get(key)
                .map(Vec::as_slice)
                .filter(|v| !v.is_empty())
        };
        let forms = [
            ("cert", "key", "", "crl"),
            ("tls.crt", "tls.key", "tls.ocsp-staple", "ca.crl"),
        ];
        for (certificate, key, staple, crl) in forms {
            if let (Some(certificate), Some(key)) = (value(certificate), value(key)) {
                return Ok(ServerPair {
                    certificate,
                    key,
                    staple: value(staple),
                    crl: value(crl),
                });
            }
        }
        for (certificate, key, _, _) in forms {
            if self.data.contains_key(certificate) && self.data.contains_key(key) {
                return Err(NotInSecret::EmptyPair(certificate, key));
            }
        }
        Err(NotInSecret::NoPair(keys(&self.data)))
    }

    /// The authorities of clients: `cacert`, else `ca.crt` (`ExtractRoot`).
    pub fn authorities(&self) -> Result<Authorities<'_>, NotInSecret> {
        authorities(&self.data, Vec::as_slice)
    }
}

impl ConfigMap {
    /// The authorities of clients, under the same keys as in a Secret.
    pub fn authorities(&self) -> Result<Authorities<'_>, NotInSecret> {
        authorities(&self.data, String::as_bytes)
    }
}

fn authorities<T>(
    data: &BTreeMap<String, T>,
    bytes: impl Fn(&T) -> &[u8],
) -> Result<Authorities<'_>, NotInSecret> {
    let value = |key: &str| data.get(key).map(&bytes).filter(|value| !value.is_empty());
    let forms = [("cacert", "crl"), ("ca.crt", "ca.crl")];
    for (certificates, crl) in forms {
        if let Some(certificates) = value(certificates) {
            let crl = value(crl);
            return Ok(Authorities { certificates, crl });
        }
    }
    match forms.into_iter().find(|(key, _)| data.contains_key(*key)) {
        Some((key, _)) => Err(NotInSecret::Empty(key)),
        None => Err(NotInSecret::NoAuthorities(keys(data))),
    }
}

/// The first keys, as Istio lists them (`truncatedKeysMessage`).
fn keys<T>(data: &BTreeMap<String, T>) -> String {
    let first: Vec<_> = data.keys().take(3).map(String::as_str).collect();
    let list = first.join(", ");
    match data.len().checked_sub(3) {
        None => list,
        Some(more) => format!("{list}, and {more} more..."),
    }
}
