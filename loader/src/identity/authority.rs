//! Certificate authorities of meshes: those of users are read, those that are missing are made.

use anyhow::Context;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, KeyUsage, X509Certificate};

use crate::certs;
use crate::hash::sha256_hex;
use crate::model::PrivateKey;

/// How far the clocks of other machines may be behind (Kuma `pkg/core/ca/issuer/issuer.go` at 2.14.3).
pub(super) const CLOCK_SKEW: Duration = Duration::seconds(10);

/// A common name has no more characters (RFC 5280 appendix A.1, `ub-common-name`).
const MAX_COMMON_NAME: usize = 64;

/// A certificate authority that can sign.
pub struct Authority {
    /// Its certificates, PEM: the one that signs, and others that are to be believed as well.
    pub(super) bundle: String,
    /// The one that signs, PEM.
    pub(super) own: String,
    /// What its proxies show after their own certificate, PEM.
    pub(super) chain: String,
    /// When another one begins to be believed or to sign; never, where others see to that.
    pub(super) changes: Option<OffsetDateTime>,
    /// The begin of the one before it that was not valid yet, if it has just taken that one's place.
    pub(super) in_place_of: Option<OffsetDateTime>,
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// The name of the one that signs, as its certificate has it.
    pub(super) subject: Vec<u8>,
    /// Changes with the certificate that signs.
    pub(super) fingerprint: String,
    /// When it begins to be valid.
    pub from: OffsetDateTime,
    /// When it ends to be valid.
    pub until: OffsetDateTime,
}

/// Leaves the key out.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("fingerprint", &self.fingerprint)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Why a certificate authority cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuthority {
    /// Certificate and key cannot be read, or do not belong together; Kuma's words.
    #[error("not a valid TLS key pair: {0}")]
    KeyPair(String),
    /// It signs with a key that nothing here can use.
    #[error("it cannot sign: {0}")]
    Signer(String),
}

/// What a rule of SPIFFE says about the certificate of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate {index}: {text}")]
pub struct RuleOfSpiffe {
    /// Which certificate, counted from 0.
    pub index: usize,
    /// The rule, in Kuma's words.
    pub text: &'static str,
}

impl Authority {
    /// Reads certificates and the key of the first one, PEM; what comes with it are rules that the certificates break
    /// (Kuma `pkg/plugins/ca/provided/ca_cert_validator.go` at 2.14.3).
    pub fn read(
        certificates: &str,
        key: &str,
    ) -> Result<(Self, Vec<RuleOfSpiffe>), InvalidAuthority> {
        let invalid = |why: &str| InvalidAuthority::KeyPair(why.to_owned());
        let blocks = pem::parse_many(certificates)
            .map_err(|why| InvalidAuthority::KeyPair(format!("invalid PEM: {why}")))?;
        let blocks: Vec<_> = blocks
            .into_iter()
            .filter(|block| block.tag() == "CERTIFICATE")
            .collect();
        let mut broken = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let certificate = parse(block).ok_or_else(|| {
                InvalidAuthority::KeyPair(format!("certificate {index} is no X.509 certificate"))
            })?;
            let rules = rules(&certificate);
            broken.extend(rules.map(|text| RuleOfSpiffe { index, text }));
        }
        let signing = blocks
            .first()
            .ok_or_else(|| invalid("there is no certificate"))?;
        let certificate = parse(signing).ok_or_else(|| invalid("there is no certificate"))?;

        let keys = pem::parse_many(key)
            .map_err(|why| InvalidAuthority::KeyPair(format!("invalid PEM: {why}")))?;
        let key = keys
            .iter()
            .find(|block| block.tag().ends_with("PRIVATE KEY"))
            .ok_or_else(|| invalid("there is no private key"))?;
        let public = PrivateKey::read(key).map_err(invalid)?;
        if !public.belongs_to(&certificate) {
            return Err(invalid("private key does not match public key"));
        }
        let signer = signer(key).map_err(InvalidAuthority::Signer)?;
        let issuer = Issuer::from_ca_cert_der(&signing.contents().into(), signer)
            .map_err(|why| InvalidAuthority::KeyPair(why.to_string()))?;
        let validity = certificate.validity();
        let authority = Self {
            bundle: blocks.iter().map(ToString::to_string).collect(),
            own: signing.to_string(),
            chain: String::new(),
            changes: None,
            in_place_of: None,
            issuer,
            subject: certificate.subject().as_raw().to_vec(),
            fingerprint: sha256_hex([signing.contents()], 16),
            from: validity.not_before.to_datetime(),
            until: validity.not_after.to_datetime(),
        };
        Ok((authority, broken))
    }

    /// The time when so many tenths of its life are over.
    pub(super) fn after(&self, tenths: i32) -> OffsetDateTime {
        self.from + (self.until - self.from) / 10 * tenths
    }

    /// Has its proxies show these certificates too, PEM.
    pub(super) fn showing(mut self, chain: &str) -> Self {
        chain.clone_into(&mut self.chain);
        self
    }

    /// Changes when so many tenths of its life are over.
    pub(super) fn changing_after(mut self, tenths: i32) -> Self {
        self.changes = Some(self.after(tenths));
        self
    }

    /// Believes none any more that has ended, but for the one that signs.
    pub(super) fn without_ended(mut self, now: OffsetDateTime) -> Self {
        let blocks = pem::parse_many(&self.bundle).unwrap_or_default();
        let holds = |block: &pem::Pem| {
            let until = parse(block).map(|c| c.validity().not_after.to_datetime());
            until.is_some_and(|until| now < until) || block.to_string() == self.own
        };
        self.bundle = blocks
            .iter()
            .filter(|block| holds(block))
            .map(ToString::to_string)
            .collect();
        self
    }
}

fn parse(block: &pem::Pem) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(block.contents()) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

/// The rules that a certificate breaks, in Kuma's words.
fn rules(certificate: &X509Certificate<'_>) -> impl Iterator<Item = &'static str> {
    let usage = certificate.key_usage().ok().flatten();
    let has = |test: fn(&KeyUsage) -> bool| usage.as_ref().is_some_and(|usage| test(usage.value));
    [
        (
            certificate.is_ca(),
            "basic constraint 'CA' must be set to 'true' (see X509-SVID: 4.1. Basic Constraints)",
        ),
        (
            has(KeyUsage::key_cert_sign),
            "key usage extension 'keyCertSign' must be set (see X509-SVID: 4.3. Key Usage)",
        ),
        (
            !has(KeyUsage::key_agreement),
            "key usage extension 'keyAgreement' must NOT be set (see X509-SVID: Appendix A. X.509 Field Reference)",
        ),
    ]
    .into_iter()
    .filter(|(is_kept, _)| !is_kept)
    .map(|(_, text)| text)
}

/// A key that can sign, from any of the forms that keys have.
fn signer(block: &pem::Pem) -> Result<KeyPair, String> {
    let der = block.contents();
    let rsa = match block.tag() {
        "RSA PRIVATE KEY" => rsa::RsaPrivateKey::from_pkcs1_der(der).ok(),
        _ => rsa::pkcs8::DecodePrivateKey::from_pkcs8_der(der).ok(),
    };
    let elliptic = || -> Option<p256::pkcs8::SecretDocument> {
        use p256::pkcs8::DecodePrivateKey as _;
        if block.tag() == "EC PRIVATE KEY" {
            let p256 = p256::SecretKey::from_sec1_der(der).ok();
            let p384 = || p384::SecretKey::from_sec1_der(der).ok();
            return match p256 {
                Some(key) => key.to_pkcs8_der().ok(),
                None => p384()?.to_pkcs8_der().ok(),
            };
        }
        match p256::SecretKey::from_pkcs8_der(der) {
            Ok(key) => key.to_pkcs8_der().ok(),
            Err(_) => p384::SecretKey::from_pkcs8_der(der)
                .ok()?
                .to_pkcs8_der()
                .ok(),
        }
    };
    let pkcs8 = match rsa {
        Some(key) => key.to_pkcs8_der().ok(),
        None => elliptic(),
    };
    let pkcs8 = pkcs8.ok_or("its key is neither RSA nor of the curves P-256 and P-384")?;
    KeyPair::try_from(pkcs8.as_bytes())
        .map_err(|_| "an RSA key has to have 2048 to 4096 bits".to_owned())
}

/// Makes an authority, as Kuma does (`pkg/plugins/ca/builtin/ca.go` at 2.14.3) but for the kind of its key: P-256
/// unless `rsa_bits` says otherwise. PEM, the certificate first and its key after it.
pub(super) fn make(
    mesh: &str,
    lifetime: Duration,
    rsa_bits: Option<u32>,
    now: OffsetDateTime,
) -> anyhow::Result<String> {
    let key = match rsa_bits {
        None => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        Some(bits) => {
            let key = rsa::RsaPrivateKey::new(&mut OsRng, usize::try_from(bits)?)?;
            KeyPair::try_from(key.to_pkcs8_der()?.as_bytes())?
        }
    };
    let mut params = CertificateParams::default();
    let name: String = mesh.chars().take(MAX_COMMON_NAME).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in [
        (DnType::OrganizationName, "meshgate"),
        (DnType::OrganizationalUnitName, "Mesh"),
        (DnType::CommonName, &name),
    ] {
        params.distinguished_name.push(kind, value);
    }
    let id = format!("spiffe://{mesh}");
    params.subject_alt_names = vec![SanType::URI(id.as_str().try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now.checked_add(lifetime).context("it would never end")?;
    params.serial_number = Some(certs::serial_number());
    let certificate = params
        .self_signed(&key)
        .context("could not sign the certificate")?;
    Ok(certificate.pem() + &key.serialize_pem())
}
