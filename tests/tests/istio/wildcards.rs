//! Hosts of VirtualServices that begin within a label, `*-foo.example.com`. A Gateway has none of them.

use system_tests::tls::Tls;
use system_tests::{envoy, on_each_envoy};

use crate::gateway::{Setup, secret, served};

on_each_envoy! { hosts_may_begin_within_a_label }

const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ['*.example.com']
  - port: {number: 8443, name: wide, protocol: HTTPS}
    hosts: ['*.example.com']
    tls: {mode: SIMPLE, credentialName: own}
  - port: {number: 8443, name: narrow, protocol: HTTPS}
    hosts: ['*.b.example.com']
    tls: {mode: SIMPLE, credentialName: own}
";

fn service(name: &str, host: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: ['{host}']
  gateways: [edge]
  http: [{{route: [{{destination: {{host: {name}.example.org}}}}]}}]
"
    )
}

async fn hosts_may_begin_within_a_label(version: &str) -> anyhow::Result<()> {
    let mut setup = Setup::new(GATEWAY)?
        .with(&secret("default", "own", "*.example.com")?)
        .with(&service("foo", "*-foo.example.com"))
        .with(&service("long", "*bar-foo.example.com"))
        .with(&service("within", "*-x.b.example.com"))
        .with(&service("rest", "*.example.com"));
    for name in ["foo", "long", "within", "rest"] {
        setup = setup.service(&format!("{name}.example.org"), 80).await?;
    }
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    for (host, name) in [
        ("a-foo.example.com", "foo"),
        ("a.b-foo.example.com", "foo"),
        ("foo.example.com", "rest"),
        ("a-foo.b.example.com", "rest"),
        ("a-bar-foo.example.com", "long"),
        ("a-x.b.example.com", "within"),
    ] {
        let expected = format!("{name}.example.org:80");
        let response = gateway.get(8080, host, "/").await?;
        assert_eq!(served(&response), expected, "{host}");
        let tls = Tls::sni(host);
        let response = gateway.get_tls(8443, &tls, host, "/").await?;
        assert_eq!(served(&response), expected, "{host}");
    }
    for host in ["example.com", "a-foo.example.org"] {
        assert_eq!(gateway.get(8080, host, "/").await?.status, 404, "{host}");
    }
    // Whose a host is, the server's own says.
    let wide = Tls::sni("c.example.com");
    let response = gateway
        .get_tls(8443, &wide, "a-x.b.example.com", "/")
        .await?;
    assert_eq!(response.status, 421);
    let response = gateway
        .get_tls(8443, &wide, "a-foo.example.com", "/")
        .await?;
    assert_eq!(served(&response), "foo.example.org:80");
    Ok(())
}
