//! TCP and TLS listeners: connections forwarded as they are, with TLS ended at the gateway or at the backend.

use std::net::SocketAddr;

use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::on_each_envoy;
use system_tests::tls::Tls;

use crate::gateway::{Gateway, secret};

on_each_envoy! {
    tcp
    tls_ended_at_the_gateway
    tls_ended_at_the_backend_that_the_sni_names
    a_certificate_that_envoy_would_refuse
    rules_of_the_older_kind_share_evenly
}

/// The gateway with these listeners, one a line.
fn mesh_gateway(listeners: &[&str]) -> String {
    let head = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
";
    let listeners = listeners.iter().map(|listener| format!("  - {listener}\n"));
    head.to_owned() + &listeners.collect::<String>()
}

/// A service with one endpoint, and a route to it for the listeners with the tag `to` of that name.
fn service(name: &str, address: SocketAddr) -> String {
    format!(
        "
type: Dataplane
mesh: default
name: {name}-1
networking:
  address: {ip}
  inbound:
  - port: {port}
    tags: {{kuma.io/service: {name}, kuma.io/protocol: tcp}}
---
type: MeshTCPRoute
mesh: default
name: to-{name}
spec:
  targetRef: {{kind: MeshGateway, name: edge-gateway, tags: {{to: {name}}}}}
  to:
  - targetRef: {{kind: Mesh}}
    rules:
    - default:
        backendRefs:
        - {{kind: MeshService, name: {name}}}
",
        ip = address.ip(),
        port = address.port()
    )
}

/// Asserts that what is sent comes back.
async fn assert_echo(mut connection: Connection) -> anyhow::Result<()> {
    for line in [&b"first\n"[..], b"second\n"] {
        assert_eq!(connection.exchange(line, b"\n").await?, line);
    }
    Ok(())
}

async fn tcp(version: &str) -> anyhow::Result<()> {
    let echo = Backend::tcp().await?;
    let gateway = Gateway::start(
        version,
        &[
            &mesh_gateway(&[
                "{port: 8080, protocol: TCP, tags: {to: echo}}",
                "{port: 8081, protocol: TCP, tags: {to: nobody}}",
            ]),
            &service("echo", echo.address),
        ],
    )
    .await?;
    assert_echo(gateway.connect().await?).await?;
    let mut without_route = Connection::open(gateway.at(8081)).await?;
    assert_eq!(without_route.raw(b"hello\n").await.unwrap_or_default(), b"");
    Ok(())
}

/// A listener of port 8443 that ends TLS.
fn terminate(hostname: &str, secret: &str) -> String {
    format!(
        "{{port: 8443, protocol: TLS, hostname: '{hostname}', tags: {{to: echo}}, tls: {{mode: TERMINATE, certificates: [{{secret: {secret}}}]}}}}"
    )
}

/// A gateway that ends TLS for `hostname`, with its certificate.
async fn tls_echo(
    version: &str,
    hostname: &str,
    echo: &Backend,
) -> anyhow::Result<(Gateway, Vec<u8>)> {
    let (secret, certificate) = secret("own", hostname, "ecdsa")?;
    let listener = mesh_gateway(&[&terminate(hostname, "own")]);
    let echo = service("echo", echo.address);
    let gateway = Gateway::start(version, &[&listener, &secret, &echo]).await?;
    Ok((gateway, certificate))
}

async fn tls_ended_at_the_gateway(version: &str) -> anyhow::Result<()> {
    let echo = Backend::tcp().await?;
    let (gateway, certificate) = tls_echo(version, "*.example.com", &echo).await?;
    let connection = gateway.connect_tls(&Tls::sni("a.example.com")).await?;
    assert_eq!(connection.certificate, Some(certificate));
    assert_echo(connection).await?;
    for tls in [Tls::sni("example.org"), Tls::no_sni()] {
        assert!(gateway.connect_tls(&tls).await.is_err(), "{tls:?}");
    }
    Ok(())
}

async fn tls_ended_at_the_backend_that_the_sni_names(version: &str) -> anyhow::Result<()> {
    let echo = Backend::tcp().await?;
    let (a, certificate_of_a) = tls_echo(version, "a.example.com", &echo).await?;
    let (b, certificate_of_b) = tls_echo(version, "*.example.com", &echo).await?;
    let listener = |hostname: &str, to: &str| {
        format!(
            "{{port: 8443, protocol: TLS, hostname: '{hostname}', tags: {{to: {to}}}, tls: {{mode: PASSTHROUGH}}}}"
        )
    };
    let front = Gateway::start(
        version,
        &[
            &mesh_gateway(&[
                &listener("*.example.com", "b"),
                &listener("a.example.com", "a"),
            ]),
            &service("a", a.at(8443)),
            &service("b", b.at(8443)),
        ],
    )
    .await?;
    for (sni, certificate) in [
        ("a.example.com", &certificate_of_a),
        ("b.example.com", &certificate_of_b),
        ("A.example.com", &certificate_of_a),
    ] {
        let connection = front.connect_tls(&Tls::sni(sni)).await?;
        assert_eq!(connection.certificate.as_ref(), Some(certificate), "{sni}");
        assert_echo(connection).await?;
    }
    let unknown = front.connect_tls(&Tls::sni("example.org")).await;
    assert!(unknown.is_err());
    Ok(())
}

async fn a_certificate_that_envoy_would_refuse(version: &str) -> anyhow::Result<()> {
    let echo = Backend::tcp().await?;
    let (good, certificate) = secret("good", "*.example.com", "ecdsa")?;
    let bad = "type: Secret\nmesh: default\nname: bad\ndata: bm90aGluZw==\n";
    let gateway = Gateway::start(
        version,
        &[
            &mesh_gateway(&[
                &terminate("bad.example.com", "bad"),
                &terminate("*.example.com", "good"),
            ]),
            &good,
            bad,
            &service("echo", echo.address),
        ],
    )
    .await?;
    let connection = gateway.connect_tls(&Tls::sni("good.example.com")).await?;
    assert_eq!(connection.certificate, Some(certificate));
    assert_echo(connection).await?;
    // Its connections are its own, also where it is not served.
    let refused = gateway.connect_tls(&Tls::sni("bad.example.com")).await;
    assert!(refused.is_err());
    Ok(())
}

async fn rules_of_the_older_kind_share_evenly(version: &str) -> anyhow::Result<()> {
    let route = "
type: MeshGatewayRoute
mesh: default
name: both
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  tcp:
    rules:
    - backends:
      - destination: {kuma.io/service: backend-foo}
      - destination: {kuma.io/service: backend-bar}
";
    let listener = mesh_gateway(&["{port: 8080, protocol: TCP}"]);
    let gateway = Gateway::start(version, &[&listener, route]).await?;
    let mut names = std::collections::BTreeSet::new();
    // A share that is never met in 200 attempts is none.
    for _ in 0..200 {
        let request = b"GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n";
        let response = gateway.connect().await?.raw_http1(request).await?;
        names.insert(response.echo()?.backend);
        if names.len() == 2 {
            return Ok(());
        }
    }
    panic!("only {names:?}")
}
