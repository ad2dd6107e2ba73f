//! The certificate of a proxy: an X.509 SVID (Kuma `pkg/core/ca/issuer/issuer.go` at 2.14.3).

use anyhow::{Context, bail};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::authority::{Authority, CLOCK_SKEW};
use crate::certs;
use crate::model::Identity;

/// A certificate with its key, both PEM.
pub(super) struct Issued {
    /// With what leads from it to what its peers believe.
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The URIs that a certificate names its proxy by: a SPIFFE ID for each service, and each tag.
pub(super) fn names(identity: &Identity) -> Vec<String> {
    identity.uris()
}

/// Signs a certificate for a new key; it ends with the authority's at the latest.
pub(super) fn issue(
    authority: &Authority,
    identity: &Identity,
    lifetime: Duration,
    now: OffsetDateTime,
) -> anyhow::Result<Issued> {
    if authority.until <= now {
        bail!("the CA expired on {}", authority.until.date());
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in names(identity) {
        let uri = name
            .as_str()
            .try_into()
            .with_context(|| format!("`{name}` is no URI"))?;
        params.subject_alt_names.push(SanType::URI(uri));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyAgreement,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - CLOCK_SKEW;
    let end = now.checked_add(lifetime).unwrap_or(authority.until);
    params.not_after = end.min(authority.until);
    params.serial_number = Some(certs::serial_number());
    let certificate = params
        .signed_by(&key, &authority.issuer)
        .context("could not sign the certificate")?;
    // Peers compare both names byte for byte, and there are names that cannot be written again as they were.
    let read = X509Certificate::from_der(certificate.der());
    if !read.is_ok_and(|(_, read)| read.issuer().as_raw() == authority.subject) {
        bail!("the CA's subject has a form that certificates of it cannot repeat");
    }
    Ok(Issued {
        certificate: certificate.pem() + &authority.chain,
        key: key.serialize_pem(),
    })
}

/// What is known about a certificate by looking at it.
pub(super) struct Validity {
    pub(super) from: OffsetDateTime,
    pub(super) until: OffsetDateTime,
    /// Its URIs.
    pub(super) names: Vec<String>,
}

impl Validity {
    /// Of the first certificate in PEM; nothing if there is none.
    pub(super) fn of(pem: &str) -> Option<Self> {
        let block = pem::parse(pem).ok()?;
        let (_, certificate) = X509Certificate::from_der(block.contents()).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| &names.value.general_names);
        let uris = names.into_iter().flatten().filter_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
        Some(Self {
            from: certificate.validity().not_before.to_datetime(),
            until: certificate.validity().not_after.to_datetime(),
            names: uris.collect(),
        })
    }

    /// When it is time for the next one: after four fifths of the time (Kuma `ExpiringSoon` in
    /// `pkg/xds/secrets/secrets.go` at 2.14.3).
    pub(super) fn due(&self) -> OffsetDateTime {
        self.from + (self.until - self.from) / 5 * 4
    }
}
