//! Clients whose certificates count no more, in every mode that looks at certificates.

use std::fs;

use system_tests::on_each_envoy;
use system_tests::outside::Ca;
use system_tests::tls::Tls;

use crate::gateway::{Setup, secret};

on_each_envoy! { revoked_clients_are_refused }

fn indented(pem: &str) -> String {
    pem.trim_end().replace('\n', "\n    ")
}

async fn revoked_clients_are_refused(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let (valid, revoked) = (ca.sign_numbered("a", 7)?, ca.sign_numbered("a", 8)?);
    let crl = ca.revoke(&[8])?;
    let files = "serverCertificate: '{dir}/own.pem', privateKey: '{dir}/own.key', caCertificates: '{dir}/ca.pem', caCrl: '{dir}/crl.pem'";
    let modes = [
        ("a", format!("{{mode: MUTUAL, {files}}}"), false),
        ("b", format!("{{mode: OPTIONAL_MUTUAL, {files}}}"), true),
        ("c", "{mode: MUTUAL, credentialName: own}".to_owned(), false),
        (
            "d",
            "{mode: OPTIONAL_MUTUAL, credentialName: own}".to_owned(),
            true,
        ),
        (
            "e",
            "{mode: ISTIO_MUTUAL, caCrl: '{dir}/crl.pem'}".to_owned(),
            false,
        ),
    ];
    let servers = modes.iter().map(|(name, tls, _)| {
        format!(
            "  - port: {{number: 443, name: {name}, protocol: HTTPS}}\n    hosts: [{name}.example.com]\n    tls: {tls}\n"
        )
    });
    let resources = format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{app: edge}}
  servers:
{}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: ['*.example.com']
  gateways: [edge]
  http: [{{directResponse: {{status: 200}}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: cacerts, namespace: istio-system}}
stringData:
  ca-cert.pem: |
    {}
  ca-key.pem: |
    {}
---
{}  ca.crt: |
    {}
  ca.crl: |
    {}
",
        servers.collect::<String>(),
        indented(&ca.pem()),
        indented(&ca.key_pem()),
        secret("default", "own", "*.example.com")?,
        indented(&ca.pem()),
        indented(&crl),
    );
    let setup = Setup::new(&resources)?;
    let own = ca.sign(&["*.example.com"], false)?;
    for (name, text) in [
        ("own.pem", &own.certificate),
        ("own.key", &own.key),
        ("ca.pem", &ca.pem()),
        ("crl.pem", &crl),
    ] {
        fs::write(setup.folder().join(name), text)?;
    }
    let gateway = setup.start(version, &[]).await?;
    for (name, _, takes_strangers) in &modes {
        let host = format!("{name}.example.com");
        for (client, identity, is_served) in [
            ("valid", Some(&valid), true),
            ("revoked", Some(&revoked), false),
            ("none", None, *takes_strangers),
        ] {
            let tls = Tls::sni(&host);
            let tls = match identity {
                Some(identity) => tls.identity(identity),
                None => tls,
            };
            let answer = gateway.get_tls(443, &tls, &host, "/").await;
            let found = answer.is_ok_and(|answer| answer.status == 200);
            assert_eq!(found, is_served, "{name} {client}");
        }
    }
    Ok(())
}
