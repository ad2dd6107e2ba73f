//! Keys of tokens that are elsewhere: from services of the registry, and from hosts that only the URI names.

use serde_json::json;
use system_tests::outside::{self, Ca};
use system_tests::token::{Signer, keys, serve_keys};
use system_tests::{envoy, on_each_envoy};
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::gateway::served;
use crate::tokens::{bearing, claims, send, setup};

on_each_envoy! { keys_come_from_where_the_uri_leads }

const WEB: &str = "web.default.svc.cluster.local:80";

static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// TLS with the authority in the gateway's folder.
fn rule(host: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: keys, namespace: services}}
spec:
  host: {host}
  trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: '{{dir}}/ca.crt', sni: {host}}}}}
"
    )
}

async fn keys_come_from_where_the_uri_leads(version: &str) -> anyhow::Result<()> {
    let signer = Signer::rsa("r")?;
    let set = keys(&[&signer]);
    let ca = Ca::new()?;
    let tls = |name: &str| {
        Ok::<_, anyhow::Error>(outside::Tls {
            identity: ca.sign(&[name], false)?,
            clients: None,
            versions: &VERSIONS,
            alpn: &["http/1.1"],
        })
    };
    let plain = serve_keys(set.clone(), None).await?;
    let secure = serve_keys(set.clone(), Some(&tls("keys.example.org")?)).await?;
    let other = serve_keys(set, Some(&tls("other.example.org")?)).await?;
    let (host, unknown) = ("keys.example.org", "unknown.example.org");
    let outside = format!("http://127.0.0.1:{}/keys", plain.port());
    let trusted = rule(host);
    for (what, uri, port, to, rule, found) in [
        (
            "a service",
            "http://keys.example.org/keys",
            80,
            plain.port(),
            "",
            WEB,
        ),
        ("an address", outside.as_str(), 80, plain.port(), "", WEB),
        (
            "TLS",
            "https://keys.example.org/keys?a=b",
            443,
            secure.port(),
            &trusted,
            WEB,
        ),
        (
            "an authority of nobody",
            "https://keys.example.org/",
            443,
            secure.port(),
            "",
            "401",
        ),
        (
            "another name",
            "https://keys.example.org/",
            443,
            other.port(),
            &trusted,
            "401",
        ),
        (
            "no TLS where it is wanted",
            "https://keys.example.org/",
            443,
            plain.port(),
            "",
            "401",
        ),
        (
            "nobody there",
            "http://unknown.example.org/",
            80,
            9,
            "",
            "401",
        ),
    ] {
        let name = if uri.contains(unknown) { unknown } else { host };
        let rules = format!("  - {{issuer: 'https://issuer.test', jwksUri: '{uri}', timeout: 2s}}");
        let setup = setup("", &rules).await?.with(rule);
        let setup = setup.service_at(name, port, "TCP", to);
        std::fs::write(setup.folder().join("ca.crt"), ca.pem())?;
        let gateway = setup.start(version, &[]).await?;
        envoy::validate(version, &gateway.bootstrap).await?;
        let token = signer.token(&claims(&json!({})));
        let answer = send(&gateway, bearing(&token)?).await?;
        assert_eq!(served(&answer), found, "{what}: {}", answer.body);
        let stranger = Signer::ecdsa("r")?.token(&claims(&json!({})));
        assert_eq!(
            send(&gateway, bearing(&stranger)?).await?.status,
            401,
            "{what}"
        );
    }
    Ok(())
}
