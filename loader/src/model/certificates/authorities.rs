//! Authorities and revocation lists as Envoy takes them (`source/common/tls/cert_validator/default_validator.cc`): PEM
//! in which other blocks are passed over. For one that it cannot read it refuses its whole configuration.

use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::Unusable;
use crate::diagnostic::Code;

/// That `text` holds certificates.
pub(crate) fn certificates(text: &str) -> Result<(), Unusable> {
    let is_one = |der: &[u8]| matches!(X509Certificate::from_der(der), Ok(([], _)));
    holds(text, "CERTIFICATE", "certificate", is_one)
}

/// That `text` holds revocation lists.
pub(crate) fn revoked(text: &str) -> Result<(), Unusable> {
    let is_one = |der: &[u8]| matches!(CertificateRevocationList::from_der(der), Ok(([], _)));
    holds(text, "X509 CRL", "revocation list", is_one)
}

fn holds(text: &str, tag: &str, noun: &str, is_one: fn(&[u8]) -> bool) -> Result<(), Unusable> {
    let refused = |why: String| Err(Unusable::new(Code::UnusableAuthorities, why));
    let blocks = match pem::parse_many(text) {
        Ok(blocks) => blocks,
        Err(why) => return refused(format!("invalid PEM: {why}")),
    };
    let mut own = blocks.iter().filter(|block| block.tag().ends_with(tag));
    match own.clone().count() {
        0 => refused(format!("there is no {noun} in PEM")),
        _ if own.all(|block| is_one(block.contents())) => Ok(()),
        _ => refused(format!("a {noun} cannot be parsed")),
    }
}
