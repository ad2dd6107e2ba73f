//! TLS of servers: modes, versions, what clients have to prove, and one port for several of them.

use rcgen::{CertificateParams, Issuer, KeyPair};
use system_tests::client::Connection;
use system_tests::on_each_envoy;
use system_tests::tls::{Identity, Tls};

use crate::gateway::{Setup, secret, served};

on_each_envoy! {
    hosts_of_another_server_are_misdirected
    clients_prove_who_they_are
    versions_are_limited
    passed_and_ended_tls_share_a_port
}

const WEB: &str = "web.default.svc.cluster.local";

fn gateway(servers: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{app: edge}}
  servers:
{servers}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: ['*.example.com']
  gateways: [edge]
  http:
  - route:
    - destination: {{host: web}}
"
    )
}

fn server(name: &str, host: &str, tls: &str) -> String {
    format!(
        "  - port: {{number: 443, name: {name}, protocol: HTTPS}}\n    hosts: ['{host}']\n    tls: {tls}\n"
    )
}

async fn hosts_of_another_server_are_misdirected(version: &str) -> anyhow::Result<()> {
    let servers = [
        server("a", "a.example.com", "{mode: SIMPLE, credentialName: a}"),
        server(
            "all",
            "*.example.com",
            "{mode: SIMPLE, credentialName: all}",
        ),
    ];
    let setup = Setup::new(&gateway(&servers.concat()))?
        .with(&secret("default", "a", "a.example.com")?)
        .with(&secret("default", "all", "*.example.com")?)
        .service(WEB, 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    let web = format!("{WEB}:80");
    for (sni, host, answer) in [
        ("a.example.com", "a.example.com", web.as_str()),
        ("b.example.com", "b.example.com", &web),
        ("b.example.com", "c.example.com", &web),
        ("a.example.com", "b.example.com", "421"),
        ("b.example.com", "a.example.com", "421"),
        ("a.example.com", "example.org", "404"),
    ] {
        let response = gateway.get_tls(443, &Tls::sni(sni), host, "/").await?;
        assert_eq!(served(&response), answer, "{sni} {host}");
    }
    Ok(())
}

/// An authority, and a certificate of it for a client with its key, all as PEM.
pub(crate) fn authority(client: &str) -> anyhow::Result<(String, String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    // A leaf of the same name would look like one that signed itself.
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let client_key = KeyPair::generate()?;
    let params = CertificateParams::new(vec![client.to_owned()])?;
    let certificate = params.signed_by(&client_key, &issuer)?;
    Ok((own.pem(), certificate.pem(), client_key.serialize_pem()))
}

pub(crate) fn with_authority(secret: &str, authority: &str) -> String {
    let indented = authority.trim_end().replace('\n', "\n    ");
    format!("{secret}  ca.crt: |\n    {indented}\n")
}

async fn clients_prove_who_they_are(version: &str) -> anyhow::Result<()> {
    let (ours, chain, key) = authority("client.example.org")?;
    let (_, other_chain, other_key) = authority("client.example.org")?;
    let tls = |host: &str| Tls::sni(host);
    let servers = [
        server("m", "m.example.com", "{mode: MUTUAL, credentialName: c}"),
        server(
            "o",
            "o.example.com",
            "{mode: OPTIONAL_MUTUAL, credentialName: c}",
        ),
        server(
            "s",
            "s.example.com",
            "{mode: MUTUAL, credentialName: c, subjectAltNames: [other.example.org]}",
        ),
        server(
            "named",
            "n.example.com",
            "{mode: MUTUAL, credentialName: c, subjectAltNames: [client.example.org]}",
        ),
        server(
            "h",
            "h.example.com",
            &format!(
                "{{mode: MUTUAL, credentialName: c, verifyCertificateHash: ['{}']}}",
                "0".repeat(64)
            ),
        ),
    ];
    let secret = with_authority(&secret("default", "c", "*.example.com")?, &ours);
    let setup = Setup::new(&gateway(&servers.concat()))?
        .with(&secret)
        .service(WEB, 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    let identity = |certificate, key| Identity { certificate, key };
    let (ours_with_key, others_with_key) = (identity(chain, key), identity(other_chain, other_key));
    let own = |host: &str| tls(host).identity(&ours_with_key);
    let other = |host: &str| tls(host).identity(&others_with_key);
    for (host, client, is_served) in [
        ("m.example.com", "none", false),
        ("m.example.com", "own", true),
        ("m.example.com", "other", false),
        ("o.example.com", "none", true),
        ("o.example.com", "own", true),
        ("o.example.com", "other", false),
        ("s.example.com", "own", false),
        ("n.example.com", "own", true),
        ("h.example.com", "own", false),
    ] {
        let client_tls = match client {
            "own" => own(host),
            "other" => other(host),
            _ => tls(host),
        };
        // In TLS 1.3 a client learns of a refusal with the first byte that it reads.
        let answer = gateway.get_tls(443, &client_tls, host, "/").await;
        assert_eq!(
            answer.is_ok_and(|answer| answer.status == 200),
            is_served,
            "{host} {client}"
        );
    }
    Ok(())
}

async fn versions_are_limited(version: &str) -> anyhow::Result<()> {
    let servers = [
        server(
            "new",
            "new.example.com",
            "{mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3}",
        ),
        server(
            "old",
            "old.example.com",
            "{mode: SIMPLE, credentialName: c, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]}",
        ),
    ];
    let setup = Setup::new(&gateway(&servers.concat()))?
        .with(&secret("default", "c", "*.example.com")?)
        .service(WEB, 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    for (tls, is_served) in [
        (Tls::sni("new.example.com").only_1_3(), true),
        (Tls::sni("new.example.com").only_1_2(), false),
        (Tls::sni("old.example.com").only_1_2(), true),
        (Tls::sni("old.example.com").only_1_3(), false),
    ] {
        let session = Connection::open_tls(gateway.at(443), &tls).await;
        assert_eq!(session.is_ok(), is_served, "{tls:?}");
    }
    Ok(())
}

async fn passed_and_ended_tls_share_a_port(version: &str) -> anyhow::Result<()> {
    let servers = [
        server(
            "ended",
            "a.example.com",
            "{mode: SIMPLE, credentialName: c}",
        ),
        server("passed", "*.example.net", "{mode: PASSTHROUGH}"),
    ];
    let passed = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: passed}
spec:
  hosts: ['*.example.net']
  gateways: [edge]
  tls:
  - match: [{port: 443, sniHosts: [b.example.net]}]
    route:
    - destination: {host: tls.example.net}
";
    let setup = Setup::new(&gateway(&servers.concat()))?
        .with(passed)
        .with(&secret("default", "c", "a.example.com")?)
        .service(WEB, 80)
        .await?
        .tcp_service("tls.example.net", 443)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    let tls = Tls::sni("a.example.com");
    let ended = gateway.get_tls(443, &tls, "a.example.com", "/").await?;
    assert_eq!(served(&ended), format!("{WEB}:80"));
    let answer = gateway.get_tls(443, &tls, "b.example.net", "/").await?;
    assert_eq!(answer.status, 421, "{answer:?}");
    // The backend sends the ClientHello back, and nobody can shake hands with that.
    let session = Connection::open_tls(gateway.at(443), &Tls::sni("b.example.net")).await;
    assert!(session.is_err());
    let count = gateway
        .envoy
        .counter("cluster.outbound|443||tls.example.net.upstream_cx_total")
        .await?;
    assert_eq!(count, 1);
    Ok(())
}
