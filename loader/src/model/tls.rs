//! TLS, apart from certificates of listeners that stand in resources.

use std::fmt;

use super::Trust;

/// What TLS is like where it ends at a listener. Whatever is absent is Envoy's own choice, which is TLS 1.2 or 1.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificates that Envoy reads from files.
    pub files: Vec<CertificateFiles>,
    /// The proxy shows its own identity instead, and its clients' certificates have to be of this authority.
    pub mesh: Option<Trust>,
    /// Protocols of which a client has to offer one (ALPN); any or none will do if there are none.
    pub accepted: Vec<&'static str>,
    /// What clients have to prove; nothing if absent.
    pub clients: Option<ClientValidation>,
    /// The oldest version.
    pub min: Option<TlsVersion>,
    /// The newest version.
    pub max: Option<TlsVersion>,
    /// Ciphers of TLS 1.2 and older, in OpenSSL's names.
    pub ciphers: Vec<String>,
    /// Curves for the key exchange.
    pub curves: Vec<String>,
}

/// A certificate and its key in files, as Envoy finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and its chain.
    pub chain: String,
    /// The private key.
    pub key: String,
}

/// What clients have to prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientValidation {
    /// Whether a client without a certificate is refused.
    pub required: bool,
    /// Who has to have signed the certificate.
    pub authority: Option<Source>,
    /// Certificates that count no more.
    pub crl: Option<Source>,
    /// One of these names, of any type, has to be in the certificate; any may be if there are none.
    pub names: Vec<String>,
    /// Base64 of the SHA-256 of public keys, one of which it has to be, or one of `hashes`.
    pub spki: Vec<String>,
    /// SHA-256 of certificates, one of which it has to be, or one of `spki`.
    pub hashes: Vec<String>,
    /// Whether a certificate that nobody vouches for is taken.
    pub takes_untrusted: bool,
}

/// Where PEM comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// This text.
    Inline(String),
    /// A file, as Envoy finds it.
    File(String),
}

/// Leaves texts out: some are private keys.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline"),
            Self::File(name) => f.debug_tuple("File").field(name).finish(),
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the versions")]
pub enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

/// TLS with all endpoints of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOrigination {
    /// The name that is asked for; the host of the request if absent.
    pub sni: Option<String>,
    /// One of these names has to be in the endpoint's certificate. Without any it has to be for the name that is asked
    /// for.
    pub names: Vec<String>,
    /// Who has to have signed the endpoint's certificate; it is not looked at if absent.
    pub authority: Option<Source>,
    /// Certificates that count no more.
    pub crl: Option<Source>,
    /// The gateway's own certificate and its key.
    pub certificate: Option<(Source, Source)>,
}
