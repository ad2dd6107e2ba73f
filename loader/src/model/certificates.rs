//! Certificates and private keys: what Envoy takes, wherever they are from.

pub(crate) mod authorities;
pub(super) mod bundle;
pub(crate) mod files;
mod key;

pub(crate) use key::PrivateKey;

use crate::diagnostic::Code;

/// Why a certificate cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) code: Code,
    pub(crate) why: String,
}

impl Unusable {
    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self::new(Code::InvalidCertificate, why)
    }

    pub(super) fn new(code: Code, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }
}
