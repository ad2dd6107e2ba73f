//! The mTLS of a mesh.

use std::fmt;

use time::Duration;

/// How the proxies of a mesh prove who they are.
#[derive(Clone, Debug)]
pub struct Mtls {
    /// The mesh.
    pub mesh: String,
    /// The name of the backend that signs.
    pub backend: String,
    /// Its type: `builtin` or `provided`; another one cannot be used.
    pub kind: String,
    /// Whether services take requests without TLS too.
    pub permissive: bool,
    /// How long the certificate of a proxy is valid.
    pub lifetime: Duration,
    /// Who signs, or why nobody can.
    pub source: Result<Source, Unusable>,
}

/// Where the authority of a mesh comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The resources have it.
    Given(KeyPair),
    /// meshgate makes it.
    Made {
        /// How long it is valid.
        lifetime: Duration,
        /// The length of its RSA key; it has another kind of key if absent.
        rsa_bits: Option<u32>,
    },
}

/// Certificates and the key of the first one, PEM.
#[derive(Clone, Default)]
pub struct KeyPair {
    /// The certificates.
    pub certificates: String,
    /// Those that proxies show after their own: the way to what their peers believe, from the one that signs upwards.
    /// Empty where the one that signs is believed itself.
    pub chain: String,
    /// The key.
    pub key: String,
}

/// Leaves the key out.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair")
    }
}

/// Why there is no authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);
