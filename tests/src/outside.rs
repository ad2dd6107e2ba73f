//! Servers as they are outside of a mesh: with TLS, a CA of their own, and rules about who may come.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::echo::{Backend, answer, send_back};
use crate::tls::Identity;

/// A CA.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    /// A new one.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named("ca");
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Another one that this one has signed for.
    pub fn below(&self, name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named(name);
        let key = KeyPair::generate()?;
        Ok(Self(CertifiedIssuer::signed_by(params, key, &self.0)?))
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Its key, PEM.
    pub fn key_pem(&self) -> String {
        self.0.key().serialize_pem()
    }

    /// A list on which all certificates with these serial numbers stand, PEM.
    pub fn revoke(&self, serials: &[u64]) -> anyhow::Result<String> {
        let day = date_time_ymd(2020, 1, 1);
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: day,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: day,
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.0)?.pem()?)
    }

    /// As [`Self::sign`], with a serial number to revoke it by.
    pub fn sign_numbered(&self, name: &str, serial: u64) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = named("numbered");
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A certificate for a workload of a mesh with this SPIFFE ID, and its key.
    pub fn sign_uri(&self, id: &str) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names.push(SanType::URI(id.try_into()?));
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A certificate for servers and clients with these names, and its key.
    pub fn sign(&self, names: &[&str], is_expired: bool) -> anyhow::Result<Identity> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        self.issue(CertificateParams::new(names)?, is_expired)
    }

    /// The same with names of other types.
    pub fn sign_for(&self, names: Vec<SanType>) -> anyhow::Result<Identity> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        self.issue(params, false)
    }

    fn issue(&self, mut params: CertificateParams, is_expired: bool) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        params.distinguished_name = named("server");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        if is_expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A certificate with the name of its issuer would be taken for one that has signed itself.
fn named(name: &str) -> DistinguishedName {
    let mut made = DistinguishedName::new();
    made.push(DnType::CommonName, name);
    made
}

/// How a server speaks TLS.
pub struct Tls<'a> {
    /// Its certificate.
    pub identity: Identity,
    /// Who has to have signed the client's certificate, if it needs one.
    pub clients: Option<&'a Ca>,
    /// The versions that it knows.
    pub versions: &'a [&'static SupportedProtocolVersion],
    /// The protocols that it knows; any if there are none.
    pub alpn: &'a [&'a str],
}

impl Tls<'_> {
    pub(crate) fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)?;
        let config = match self.clients {
            None => config.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes())?)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build()?)
            }
        };
        let chain: Result<_, _> =
            CertificateDer::pem_slice_iter(self.identity.certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(self.identity.key.as_bytes())?;
        let mut config = config.with_single_cert(chain?, key)?;
        config.alpn_protocols = self.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Sends back what it gets, over TLS.
pub async fn tcp(tls: &Tls<'_>) -> anyhow::Result<Backend> {
    let acceptor = tls.acceptor()?;
    Backend::serve(0, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // A client that is refused, or refuses, is no failure of a backend.
            if let Ok(stream) = acceptor.accept(stream).await {
                send_back(stream).await;
            }
        }
    })
    .await
}

/// Answers HTTP/1.1 and HTTP/2 with an [`Echo`](crate::echo::Echo), over TLS.
pub async fn http(name: &str, tls: &Tls<'_>) -> anyhow::Result<Backend> {
    http_on(name, tls, 0).await
}

/// The same on a port that is not free to choose.
pub async fn http_on(name: &str, tls: &Tls<'_>, port: u16) -> anyhow::Result<Backend> {
    let acceptor = tls.acceptor()?;
    let name = name.to_owned();
    Backend::serve(port, move |stream| {
        let (acceptor, name) = (acceptor.clone(), name.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| answer(name.clone(), request));
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await
}
