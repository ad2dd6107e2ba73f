//! Making certificates.

use std::net::IpAddr;

use anyhow::{Context, bail};
use p256::NistP256;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::pkcs8::{AssociatedOid as _, EncodePrivateKey as _, SecretDocument};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use rsa::rand_core::{OsRng, RngCore as _};
use sec1::der::pem::PemLabel as _;
use sec1::{EcParameters, EcPrivateKey};
use time::{Duration, OffsetDateTime};

/// Whom a certificate names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A server.
    Server,
    /// A client.
    Client,
}

/// The kinds of private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// 2048 bits.
    Rsa,
    /// The curve P-256.
    Ecdsa,
}

/// A certificate with its key, both PEM.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// Makes a self-signed certificate, the same that `kumactl generate tls-certificate` makes (Kuma `pkg/tls/cert.go` at
/// 2.14.3): a CA of its own without subject, for 10 years.
pub fn self_signed(role: Role, key_type: KeyType, hostnames: &[String]) -> anyhow::Result<Pair> {
    let key = private_key(key_type)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = hostnames
        .iter()
        .map(|hostname| subject_alt_name(hostname))
        .collect::<Result<_, _>>()?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.extended_key_usages = vec![match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    // Clocks of other machines may be behind.
    params.not_before = OffsetDateTime::now_utc() - Duration::minutes(5);
    params.not_after = params.not_before + Duration::days(10 * 365);
    params.serial_number = Some(serial_number());
    let certificate = params
        .self_signed(&key.signer)
        .context("could not sign the certificate")?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.pem,
    })
}

/// 127 random bits.
pub(crate) fn serial_number() -> SerialNumber {
    let mut serial = [0; 16];
    OsRng.fill_bytes(&mut serial);
    // A serial number is positive (RFC 5280 §4.1.2.2).
    serial[0] &= 0x7f;
    SerialNumber::from_slice(&serial)
}

struct PrivateKey {
    signer: KeyPair,
    pem: String,
}

/// A key, in the PEM form that Go writes: PKCS #1 for RSA, SEC 1 for elliptic curves.
fn private_key(key_type: KeyType) -> anyhow::Result<PrivateKey> {
    let (pkcs8, pem) = match key_type {
        KeyType::Rsa => {
            let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048)?;
            let pem = key.to_pkcs1_pem(LineEnding::LF)?.to_string();
            (key.to_pkcs8_der()?, pem)
        }
        KeyType::Ecdsa => {
            let key = p256::SecretKey::random(&mut OsRng);
            let pem = sec1_pem(&key)?;
            (key.to_pkcs8_der()?, pem)
        }
    };
    let signer = KeyPair::try_from(pkcs8.as_bytes())?;
    Ok(PrivateKey { signer, pem })
}

/// With the curve, which p256 itself leaves out and OpenSSL wants, and with the public key, which ring wants and Go writes
/// (RFC 5915 §3: the curve is optional only where the context has it, the public key should be there).
fn sec1_pem(key: &p256::SecretKey) -> anyhow::Result<String> {
    let bytes = key.to_bytes();
    let point = key.public_key().to_encoded_point(false);
    let key = EcPrivateKey {
        private_key: &bytes,
        parameters: Some(EcParameters::NamedCurve(NistP256::OID)),
        public_key: Some(point.as_bytes()),
    };
    let document = SecretDocument::encode_msg(&key)?;
    Ok(document
        .to_pem(EcPrivateKey::PEM_LABEL, LineEnding::LF)?
        .to_string())
}

fn subject_alt_name(hostname: &str) -> anyhow::Result<SanType> {
    if hostname.is_empty() {
        bail!("a hostname is empty");
    }
    if let Ok(address) = hostname.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let name = hostname
        .try_into()
        .with_context(|| format!("`{hostname}` is no DNS name"))?;
    Ok(SanType::DnsName(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without its public half ring takes no key, and so nothing in Rust does that stands on it.
    #[test]
    fn an_elliptic_key_has_both_halves() {
        let made = self_signed(Role::Server, KeyType::Ecdsa, &["a.test".to_owned()]).unwrap();
        let (label, document) = SecretDocument::from_pem(&made.key).unwrap();
        assert_eq!(label, EcPrivateKey::PEM_LABEL);
        let key: EcPrivateKey<'_> = document.decode_msg().unwrap();
        let secret = p256::SecretKey::from_slice(key.private_key).unwrap();
        let point = secret.public_key().to_encoded_point(false);
        assert_eq!(key.public_key, Some(point.as_bytes()));
    }
}
