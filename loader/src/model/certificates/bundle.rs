//! A bundle of one private key with its certificate: Kuma's rules, and those of Envoy.
//!
//! Kuma leaves the latter to Envoy, which refuses its whole configuration for one certificate that it does not like. So
//! whatever Envoy refuses is found here: measured with `--mode validate` of 1.36.4 and 1.40.0.

use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use super::Unusable;
use super::key::PrivateKey;
use crate::diagnostic::Code;
use crate::model::Certificate;

/// "must staple" (RFC 7633): `id-pe-tlsfeature`.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";

/// Reads a bundle by Kuma's rules: one private key and at least one certificate, the server's first, in any order
/// (`NewServerSecret` in `pkg/plugins/runtime/gateway/filter_chain_generator.go` at 2.14.3; its words).
pub(in crate::model) fn read(id: &str, bundle: &str) -> Result<Certificate, Unusable> {
    let blocks =
        pem::parse_many(bundle).map_err(|why| Unusable::invalid(format!("invalid PEM: {why}")))?;
    let mut key = None;
    let mut chain = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let invalid = |why: String| Unusable::invalid(format!("secret[{index}]: {why}"));
        let tag = block.tag();
        if tag.ends_with("PRIVATE KEY") {
            if key.is_some() {
                return Err(invalid("secret contains multiple private keys".to_owned()));
            }
            let parsed = PrivateKey::read(block).map_err(|why| invalid(why.to_owned()))?;
            key = Some((parsed, block.to_string()));
        } else if tag.ends_with("CERTIFICATE") {
            chain.push((index, block));
        } else {
            return Err(invalid(format!("unsupported PEM block \"{tag}\"")));
        }
    }
    for (index, block) in &chain {
        if parse(block.contents()).is_none() {
            let why = format!("secret[{index}]: failed to parse certificate");
            return Err(Unusable::invalid(why));
        }
    }
    let server = chain
        .first()
        .and_then(|(_, block)| parse(block.contents()))
        .ok_or_else(|| Unusable::invalid("missing server certificate"))?;
    let (key, key_pem) = key.ok_or_else(|| Unusable::invalid("missing private key"))?;
    refused(&server, &key)?;
    if !key.belongs_to(&server) {
        return Err(Unusable::new(
            Code::KeyMismatch,
            "the private key is not the one of the certificate",
        ));
    }
    Ok(Certificate {
        name: format!("cert.{}:{id}", key.kind()),
        chain: chain.iter().map(|(_, block)| block.to_string()).collect(),
        key: key_pem,
    })
}

/// Whether a text is nothing but certificates, and not empty.
pub(crate) fn are_certificates(pem: &str) -> bool {
    let is_certificate = |block: &pem::Pem| {
        block.tag().ends_with("CERTIFICATE") && parse(block.contents()).is_some()
    };
    pem::parse_many(pem).is_ok_and(|blocks| !blocks.is_empty() && blocks.iter().all(is_certificate))
}

/// The certificate in `der`, if there is one and nothing else.
fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

/// What Envoy refuses (`source/common/tls/context_impl.cc` and `BoringSSL`'s own rules).
fn refused(certificate: &X509Certificate<'_>, key: &PrivateKey) -> Result<(), Unusable> {
    let refuse = |why: String| Err(Unusable::new(Code::RefusedCertificate, why));
    if let Some(bits) = key.short_rsa() {
        return refuse(format!(
            "the RSA key has {bits} bits, and Envoy takes no less than 2048"
        ));
    }
    if key.is_elliptic()
        && let Ok(Some(usage)) = certificate.key_usage()
        && !usage.value.digital_signature()
    {
        return refuse(
            "the key usage of the certificate lacks `digitalSignature`, which ECDSA needs"
                .to_owned(),
        );
    }
    let is_stapled =
        |oid: &x509_parser::der_parser::oid::Oid<'_>| oid.to_id_string() == TLS_FEATURE;
    if certificate.extensions().iter().any(|e| is_stapled(&e.oid)) {
        return refuse(
            "the certificate must be stapled with an OCSP response, and meshgate hands out none"
                .to_owned(),
        );
    }
    if !has_name(certificate) {
        return refuse("the certificate names nobody: it has neither a subject CN nor a SAN that is a DNS name, an IP address or a URI".to_owned());
    }
    Ok(())
}

fn has_name(certificate: &X509Certificate<'_>) -> bool {
    let mut names =
        certificate
            .extensions()
            .iter()
            .flat_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => names.general_names.as_slice(),
                _ => &[],
            });
    let is_usable = |name: &GeneralName<'_>| {
        matches!(
            name,
            GeneralName::DNSName(_) | GeneralName::IPAddress(_) | GeneralName::URI(_)
        )
    };
    names.any(is_usable) || certificate.subject().iter_common_name().next().is_some()
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, CustomExtension, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
        PKCS_ECDSA_P384_SHA384, SignatureAlgorithm,
    };
    use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};

    use super::*;
    use crate::certs::{KeyType, Role, self_signed};

    /// A certificate and its key in PKCS #8.
    fn pair(
        algorithm: &'static SignatureAlgorithm,
        change: fn(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn code(bundle: &str) -> Option<Code> {
        read("secret:s", bundle).err().map(|unusable| unusable.code)
    }

    #[test]
    fn keys_belong_to_their_certificates() {
        for key_type in [KeyType::Rsa, KeyType::Ecdsa] {
            let make = || self_signed(Role::Server, key_type, &["a.test".to_owned()]).unwrap();
            let (one, other) = (make(), make());
            let bundle = |key: &str, certificate: &str| format!("{certificate}{key}");
            assert_eq!(code(&bundle(&one.key, &one.certificate)), None);
            let mixed = code(&bundle(&other.key, &one.certificate));
            assert_eq!(mixed, Some(Code::KeyMismatch), "{key_type:?}");
        }
    }

    #[test]
    fn curves_of_envoy_are_taken() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
            let (certificate, key) = pair(algorithm, |_| ());
            let read = read("secret:s", &(key + &certificate)).unwrap();
            assert_eq!(read.name, "cert.ecdsa:secret:s");
        }
        // P-521, made with OpenSSL 3: rcgen cannot make keys of it.
        assert_eq!(code(include_str!("p521.pem")), None);
        // P-224, likewise.
        let why = read("secret:s", include_str!("p224.pem")).unwrap_err().why;
        assert!(why.contains("P-521"), "{why}");
    }

    #[test]
    fn the_certificate_of_the_server_comes_first() {
        let (server, key) = pair(&PKCS_ECDSA_P256_SHA256, |_| ());
        let (issuer, _) = pair(&PKCS_ECDSA_P256_SHA256, |_| ());
        assert_eq!(code(&format!("{server}{issuer}{key}")), None);
        let wrong = format!("{issuer}{server}{key}");
        assert_eq!(code(&wrong), Some(Code::KeyMismatch));
    }

    #[test]
    fn what_envoy_refuses_is_refused() {
        let stapled = |params: &mut CertificateParams| {
            let content = vec![0x30, 3, 2, 1, 5];
            params.custom_extensions = vec![CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 24],
                content,
            )];
        };
        let nameless = |params: &mut CertificateParams| {
            params.subject_alt_names.clear();
            params.distinguished_name = rcgen::DistinguishedName::new();
        };
        let not_signing = |params: &mut CertificateParams| {
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        };
        for change in [stapled, nameless, not_signing] {
            let (certificate, key) = pair(&PKCS_ECDSA_P256_SHA256, change);
            assert_eq!(code(&(certificate + &key)), Some(Code::RefusedCertificate));
        }
        let short = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
        let short = short.to_pkcs8_pem(LineEnding::LF).unwrap();
        let (certificate, _) = pair(&PKCS_ECDSA_P256_SHA256, |_| ());
        let refused = code(&format!("{certificate}{}", short.as_str()));
        assert_eq!(refused, Some(Code::RefusedCertificate));
    }

    #[test]
    fn garbage_in_valid_pem_is_refused() {
        let (certificate, key) = pair(&PKCS_ECDSA_P256_SHA256, |_| ());
        let garbage = |tag: &str| format!("-----BEGIN {tag}-----\nAAAA\n-----END {tag}-----\n");
        let ended = |pem: &str| {
            let block = pem::parse(pem).unwrap();
            pem::encode(&pem::Pem::new(
                block.tag(),
                [block.contents(), b"x"].concat(),
            ))
        };
        for bundle in [
            format!("{}{key}", garbage("CERTIFICATE")),
            format!("{certificate}{}{key}", garbage("CERTIFICATE")),
            format!("{}{key}", ended(&certificate)),
            format!("{certificate}{}", garbage("PRIVATE KEY")),
            format!("{certificate}{}", garbage("EC PRIVATE KEY")),
            format!("{certificate}{}", garbage("RSA PRIVATE KEY")),
            format!("{certificate}{}", garbage("ENCRYPTED PRIVATE KEY")),
            format!("{certificate}{key}{}", garbage("DH PARAMETERS")),
            format!("{certificate}{key}{key}"),
            key.clone(),
            certificate.clone(),
            String::new(),
        ] {
            assert_eq!(code(&bundle), Some(Code::InvalidCertificate), "{bundle}");
        }
    }
}
