//! What clients have to prove, in places where Istio does not look: pins beside files, a revocation list beside a
//! credential.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use system_tests::tls::{Identity, Tls};
use system_tests::{istio, meshgate, on_each_envoy};

use crate::gateway::{Setup, secret, split};
use crate::tls::with_authority;

on_each_envoy! { what_istio_ignores_about_clients_acts }

const WEB: &str = "web.default.svc.cluster.local";

fn resources() -> String {
    let files = "serverCertificate: '{dir}/tls.crt', privateKey: '{dir}/tls.key', caCertificates: '{dir}/ca.crt'";
    let nobody = "0".repeat(64);
    let servers = [
        ("open", files.to_owned()),
        (
            "pinned",
            format!("{files}, verifyCertificateHash: ['{nobody}']"),
        ),
        (
            "listed",
            "credentialName: c, caCrl: '{dir}/crl.pem'".to_owned(),
        ),
    ];
    let servers = servers.map(|(name, rest)| (name, format!("mode: MUTUAL, {rest}")));
    istio::https_gateway(None, 443, &servers, "web")
}

/// An authority that revokes what it signs with the serial number 7.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    fn client(&self, serial: u64) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["client.example.org".to_owned()])?;
        params.serial_number = Some(SerialNumber::from(serial));
        Ok(Identity {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }

    fn revoked(&self) -> anyhow::Result<String> {
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 1, 1),
            next_update: rcgen::date_time_ymd(2040, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(7_u64),
                revocation_time: rcgen::date_time_ymd(2026, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

async fn what_istio_ignores_about_clients_acts(version: &str) -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let credential = with_authority(&secret("default", "c", "*.example.com")?, &authority.pem);
    let setup = Setup::new(&resources())?
        .with(&credential)
        .service(WEB, 80)
        .await?;
    let (key, chain) = split(&meshgate::certificate("*.example.com", "ecdsa")?)?;
    for (name, text) in [
        ("tls.crt", &chain),
        ("tls.key", &key),
        ("ca.crt", &authority.pem),
        ("crl.pem", &authority.revoked()?),
    ] {
        fs::write(setup.folder().join(name), text)?;
    }
    let gateway = setup.start(version, &[]).await?;
    let (revoked, other) = (authority.client(7)?, authority.client(8)?);
    for (host, client, is_served) in [
        ("open.example.com", &revoked, true),
        ("open.example.com", &other, true),
        ("pinned.example.com", &other, false),
        ("listed.example.com", &revoked, false),
        ("listed.example.com", &other, true),
    ] {
        let tls = Tls::sni(host).identity(client);
        // In TLS 1.3 a client learns of a refusal with the first byte that it reads.
        let answer = gateway.get_tls(443, &tls, host, "/").await;
        let found = answer.as_ref().is_ok_and(|answer| answer.status == 200);
        assert_eq!(found, is_served, "{host} {answer:?}");
    }
    Ok(())
}
