//! TLS as a client that looks at certificates and does not judge them: what is right is for the test to say.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    sni: Option<String>,
    alpn: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    schemes: Vec<SignatureScheme>,
    identity: Option<Identity>,
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Tls {
    /// With this SNI, in TLS 1.2 or 1.3, with ALPN `http/1.1`.
    pub fn sni(name: &str) -> Self {
        Self {
            sni: Some(name.to_owned()),
            ..Self::no_sni()
        }
    }

    /// Without SNI.
    pub fn no_sni() -> Self {
        Self {
            sni: None,
            alpn: vec![b"http/1.1".to_vec()],
            versions: vec![&TLS13, &TLS12],
            schemes: ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes(),
            identity: None,
        }
    }

    /// With this certificate, if the server asks for one.
    #[must_use]
    pub fn identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// With ALPN `h2` only.
    #[must_use]
    pub fn h2(self) -> Self {
        self.alpn(&["h2"])
    }

    /// With these protocols in ALPN, or without ALPN if there are none.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        self
    }

    /// In TLS 1.2 only.
    #[must_use]
    pub fn only_1_2(mut self) -> Self {
        self.versions = vec![&TLS12];
        self
    }

    /// In TLS 1.3 only.
    #[must_use]
    pub fn only_1_3(mut self) -> Self {
        self.versions = vec![&TLS13];
        self
    }

    /// As a client that knows RSA certificates only.
    #[must_use]
    pub fn only_rsa(mut self) -> Self {
        self.schemes = vec![
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
        ];
        self
    }

    /// As a client that knows ECDSA certificates only.
    #[must_use]
    pub fn only_ecdsa(mut self) -> Self {
        self.schemes = vec![SignatureScheme::ECDSA_NISTP256_SHA256];
        self
    }

    /// The name to ask for: an address is never sent as SNI (RFC 6066 §3).
    pub(crate) fn server_name(&self) -> anyhow::Result<ServerName<'static>> {
        Ok(match &self.sni {
            Some(name) => ServerName::try_from(name.clone())?,
            None => ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into()),
        })
    }

    pub(crate) fn config(&self) -> anyhow::Result<ClientConfig> {
        let verifier = Arc::new(NoJudgement(self.schemes.clone()));
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
                config.with_client_auth_cert(chain.collect::<Result<_, _>>()?, key)?
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(config)
    }
}

/// Takes every certificate that is signed with one of these schemes.
#[derive(Debug)]
struct NoJudgement(Vec<SignatureScheme>);

impl ServerCertVerifier for NoJudgement {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// The versions of TLS in a `ClientHello` that this library does not speak any more (RFC 8446 §4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVersion {
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
}

/// A hand-made `ClientHello` whose highest version is `version`, with SNI, and with ciphers and signatures that any
/// server of its time has.
pub fn client_hello(version: HelloVersion, sni: &str) -> Vec<u8> {
    let minor = match version {
        HelloVersion::Tls11 => 2,
        HelloVersion::Tls12 => 3,
    };
    let name = with_length::<2>(&[&[0], &*with_length::<2>(sni.as_bytes())].concat());
    let groups = with_length::<2>(&[0, 0x1d, 0, 0x17]);
    let point_formats = with_length::<1>(&[0]);
    let signatures = with_length::<2>(&[4, 3, 8, 4, 4, 1, 2, 3, 2, 1]);
    let extensions = [
        (0, name),
        (10, groups),
        (11, point_formats),
        (13, signatures),
    ]
    .map(|(kind, body)| [&[0, kind], &*with_length::<2>(&body)].concat())
    .concat();
    // ECDHE with ECDSA and RSA: AES-128-GCM for TLS 1.2, AES-128-CBC for what came before.
    let ciphers = with_length::<2>(&[0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13]);
    let hello = [
        &[3, minor][..],
        &[7; 32],
        &*with_length::<1>(&[]),
        &ciphers,
        &with_length::<1>(&[0]),
        &with_length::<2>(&extensions),
    ]
    .concat();
    let handshake = [&[1], &*with_length::<3>(&hello)].concat();
    [&[22, 3, 1], &*with_length::<2>(&handshake)].concat()
}

/// `body` after its length in `N` bytes.
fn with_length<const N: usize>(body: &[u8]) -> Vec<u8> {
    let length = body.len().to_be_bytes();
    [&length[length.len() - N..], body].concat()
}
