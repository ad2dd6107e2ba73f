//! Private keys, and whether they belong to a certificate.

use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use sec1::{EcParameters, EcPrivateKey};
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

const UNREADABLE: &str = "failed to parse private key";
const ENCRYPTED: &str = "failed to parse private key: it is encrypted, and nobody is there to give the password \
    (`openssl pkey` takes it off)";
const CURVE: &str =
    "failed to parse private key: its curve is none that Envoy takes (P-256, P-384 and P-521)";

/// What of a private key is public.
pub(crate) enum PrivateKey {
    /// Without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// The point, uncompressed, and its curve.
    Elliptic {
        curve: ObjectIdentifier,
        point: Vec<u8>,
    },
}

impl PrivateKey {
    /// The key in a block; an error is a text for the user, in Kuma's words where it has some.
    pub(crate) fn read(block: &pem::Pem) -> Result<Self, &'static str> {
        let der = block.contents();
        if block.headers().get("DEK-Info").is_some() {
            return Err(ENCRYPTED);
        }
        match block.tag() {
            "RSA PRIVATE KEY" => rsa_key(der),
            "EC PRIVATE KEY" => elliptic(der, None),
            "PRIVATE KEY" => {
                let info = PrivateKeyInfo::try_from(der).map_err(|_| UNREADABLE)?;
                match info.algorithm.oid {
                    RSA => rsa_key(info.private_key),
                    EC => {
                        let curve = info.algorithm.parameters_oid().map_err(|_| CURVE)?;
                        elliptic(info.private_key, Some(curve))
                    }
                    ED25519 => Err("unsupported private key type ed25519.PrivateKey"),
                    _ => Err("unsupported private key type"),
                }
            }
            "ENCRYPTED PRIVATE KEY" => Err(ENCRYPTED),
            _ => Err(UNREADABLE),
        }
    }

    /// `rsa` or `ecdsa`, in the names of Kuma's certificates.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "rsa",
            Self::Elliptic { .. } => "ecdsa",
        }
    }

    pub(super) fn is_elliptic(&self) -> bool {
        matches!(self, Self::Elliptic { .. })
    }

    /// The bits of an RSA key that is too short for Envoy.
    pub(super) fn short_rsa(&self) -> Option<usize> {
        let Self::Rsa { modulus, .. } = self else {
            return None;
        };
        let zeros = modulus
            .first()
            .map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = modulus.len() * 8 - zeros;
        (bits < 2048).then_some(bits)
    }

    /// Whether it is the key of the certificate.
    pub(crate) fn belongs_to(&self, certificate: &X509Certificate<'_>) -> bool {
        let info = certificate.public_key();
        match (self, info.parsed()) {
            (Self::Rsa { modulus, exponent }, Ok(PublicKey::RSA(public))) => {
                trim(public.modulus) == modulus && trim(public.exponent) == exponent
            }
            (Self::Elliptic { curve, point }, Ok(PublicKey::EC(public))) => {
                let parameters = info.algorithm.parameters.as_ref();
                let oid = parameters.and_then(|parameters| parameters.as_oid().ok());
                oid.is_some_and(|oid| oid.to_id_string() == curve.to_string())
                    && uncompressed(*curve, public.data()).as_ref() == Some(point)
            }
            _ => false,
        }
    }
}

/// Without the zeros that DER puts in front of numbers.
fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn rsa_key(der: &[u8]) -> Result<PrivateKey, &'static str> {
    let parts = rsa::pkcs1::RsaPrivateKey::try_from(der).map_err(|_| UNREADABLE)?;
    match RsaPrivateKey::from_pkcs1_der(der) {
        // Written anew, it has the values that follow from its primes: BoringSSL refuses all others.
        Ok(key) => {
            let anew = key.to_pkcs1_der().map_err(|_| UNREADABLE)?;
            if anew.as_bytes() != der {
                return Err("failed to parse private key: its parts do not belong together");
            }
        }
        // More than 4096 bits, which is a limit of this library only.
        Err(_) if parts.modulus.as_bytes().len() > 512 => {}
        Err(_) => return Err(UNREADABLE),
    }
    Ok(PrivateKey::Rsa {
        modulus: parts.modulus.as_bytes().to_vec(),
        exponent: parts.public_exponent.as_bytes().to_vec(),
    })
}

/// A key of one of the curves. SEC 1 leaves out which, where it lies in PKCS #8.
fn elliptic(der: &[u8], curve: Option<ObjectIdentifier>) -> Result<PrivateKey, &'static str> {
    let key = EcPrivateKey::try_from(der).map_err(|_| UNREADABLE)?;
    let named = key.parameters.and_then(EcParameters::named_curve);
    let curve = curve.or(named).ok_or(CURVE)?;
    // To read the key is to compare it with its point, if that is there: made of the key once more, it would take as
    // long again.
    let written = key.public_key.and_then(|point| uncompressed(curve, point));
    let belongs = written
        .as_ref()
        .is_some_and(|point| is_pair(curve, key.private_key, point));
    if belongs && let Some(point) = written {
        return Ok(PrivateKey::Elliptic { curve, point });
    }
    let point = match curve {
        P256 => p256::SecretKey::try_from(key).map(|key| {
            written.unwrap_or_else(|| key.public_key().to_encoded_point(false).as_bytes().to_vec())
        }),
        P384 => p384::SecretKey::try_from(key).map(|key| {
            written.unwrap_or_else(|| key.public_key().to_encoded_point(false).as_bytes().to_vec())
        }),
        P521 => p521::SecretKey::try_from(key).map(|key| {
            written.unwrap_or_else(|| key.public_key().to_encoded_point(false).as_bytes().to_vec())
        }),
        _ => return Err(CURVE),
    };
    let point = point.map_err(|_| UNREADABLE)?;
    Ok(PrivateKey::Elliptic { curve, point })
}

/// Whether a private number and a point are a pair for sure. The crates that know all curves say so too, and take many
/// times as long, which counts where there are thousands of certificates.
fn is_pair(curve: ObjectIdentifier, number: &[u8], point: &[u8]) -> bool {
    let algorithm = match curve {
        P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        _ => return false,
    };
    let random = SystemRandom::new();
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, number, point, &random).is_ok()
}

/// The uncompressed form of a point, which certificates may have in the other one.
fn uncompressed(curve: ObjectIdentifier, point: &[u8]) -> Option<Vec<u8>> {
    let bytes = match curve {
        P256 => p256::PublicKey::from_sec1_bytes(point)
            .map(|key| key.to_encoded_point(false).to_bytes()),
        P384 => p384::PublicKey::from_sec1_bytes(point)
            .map(|key| key.to_encoded_point(false).to_bytes()),
        P521 => p521::PublicKey::from_sec1_bytes(point)
            .map(|key| key.to_encoded_point(false).to_bytes()),
        _ => return None,
    };
    bytes.ok().map(<[u8]>::into_vec)
}
