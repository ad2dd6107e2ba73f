//! Which hosts may enter a plain port, and by which listener.

use system_tests::client::get;
use system_tests::on_each_envoy;

use crate::gateway::{Gateway, ROUTE_TO_FOO, assert_refused, assert_served};
use crate::seeds::ROUTES_BY_VHOST;

on_each_envoy! {
    spellings_of_one_host
    malformed_hosts
    the_narrowest_listener_owns_a_host
    how_much_a_refused_client_is_told
    audit_lets_pass
}

const TWO_HOSTNAMES: &str = include_str!("seeds/kuma-4-two-hostnames.yaml");

async fn spellings_of_one_host(version: &str) -> anyhow::Result<()> {
    let gateway = Gateway::start(version, &[TWO_HOSTNAMES, ROUTES_BY_VHOST]).await?;
    for host in [
        "foo.example.com",
        "FOO.Example.com",
        "foo.example.com:8080",
        "Foo.example.com:1",
    ] {
        let response = gateway.get(host).await?;
        assert_served(&response, "backend-foo");
        assert_eq!(response.echo()?.host, host);
    }
    for host in [
        "baz.example.com",
        "example.com",
        "foo.example.com.",
        "a.foo.example.com",
        "foo.example.comx",
        "127.0.0.1",
        "[::1]",
    ] {
        let line = format!("no_listener: no listener on port 8080 owns {host}");
        assert_refused(&gateway.get(host).await?, 404, &line);
    }
    let absolute_form = "GET http://bar.example.com/a HTTP/1.1\r\nHost: foo.example.com\r\n\r\n";
    let response = gateway.connect().await?.raw_http1(absolute_form).await?;
    assert_served(&response, "backend-bar");
    Ok(())
}

async fn malformed_hosts(version: &str) -> anyhow::Result<()> {
    // With a listener for all hosts, so that nothing but their form speaks against them.
    let seed = include_str!("seeds/kuma-2-all-hosts.yaml");
    let gateway = Gateway::start(version, &[seed, ROUTE_TO_FOO]).await?;
    let long = "a".repeat(254);
    for (host, line) in [
        ("", "the host is empty"),
        (":8080", "the host is empty"),
        (
            "user@foo.example.com",
            "the host has user information before it",
        ),
        (
            "u:p@foo.example.com:80",
            "the host has user information before it",
        ),
        (
            "foo.example.com,bar.example.com",
            "the host has the byte 0x2c, which no host name has",
        ),
        (
            "foo.example.com\r\nHost: bar.example.com",
            "the host has the byte 0x2c, which no host name has",
        ),
        (
            "foo%2eexample.com",
            "the host has the byte 0x25, which no host name has",
        ),
        (
            "*.example.com",
            "the host has the byte 0x2a, which no host name has",
        ),
        ("foo.example.com:", "the port is no number from 0 to 65535"),
        (
            "foo.example.com:http",
            "the port is no number from 0 to 65535",
        ),
        (
            "foo.example.com:65536",
            "the port is no number from 0 to 65535",
        ),
        (
            "foo.example.com:80:80",
            "the port is no number from 0 to 65535",
        ),
        ("foo..example.com", "the host has an empty label"),
        (".foo.example.com", "the host has an empty label"),
        ("foo.example.com..", "the host has an empty label"),
        ("[::1", "the host in brackets is no IPv6 address"),
        (
            "[fe80::1%25eth0]",
            "the host in brackets is no IPv6 address",
        ),
        (&long, "the host is longer than 253 bytes"),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let response = gateway.connect().await?.raw_http1(request).await?;
        assert_refused(&response, 400, &format!("malformed_authority: {line}"));
    }
    // These do not get past Envoy's own parser.
    for host in [
        "Host: foo .example.com",
        "Host: foo\\.example.com",
        "Host: fo\u{f6}.example.com",
        "X: y",
    ] {
        let request = format!("GET / HTTP/1.1\r\n{host}\r\n\r\n");
        let response = gateway.connect().await?.raw_http1(request).await?;
        assert_eq!(
            (response.status, response.header("x-meshgate-reason")),
            (400, "")
        );
    }
    Ok(())
}

async fn the_narrowest_listener_owns_a_host(version: &str) -> anyhow::Result<()> {
    let listeners = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8080, protocol: HTTP, hostname: '*.example.com', tags: {vhost: foo.example.com}}
  - {port: 8080, protocol: HTTP, hostname: '*.a.example.com', tags: {vhost: bar.example.com}}
  - {port: 8080, protocol: HTTP, hostname: b.a.example.com, tags: {vhost: foo.example.com}}
  - {port: 8080, protocol: HTTP, tags: {vhost: bar.example.com}}
";
    let gateway = Gateway::start(version, &[listeners, ROUTES_BY_VHOST]).await?;
    for (host, backend) in [
        ("x.example.com", "backend-foo"),
        ("y.x.example.com", "backend-foo"),
        ("a.example.com", "backend-foo"),
        ("x.a.example.com", "backend-bar"),
        ("b.a.example.com", "backend-foo"),
        ("x.b.a.example.com", "backend-bar"),
        ("example.com", "backend-bar"),
        ("badexample.com", "backend-bar"),
        ("x.example.com.", "backend-bar"),
        ("127.0.0.1", "backend-bar"),
        ("[::1]:8080", "backend-bar"),
    ] {
        let response = gateway.get(host).await?;
        assert_eq!(response.echo()?.backend, backend, "{host}");
    }
    Ok(())
}

async fn how_much_a_refused_client_is_told(version: &str) -> anyhow::Result<()> {
    let resources = [TWO_HOSTNAMES, ROUTES_BY_VHOST];
    for (reasons, header, body) in [("short", "no_listener", "no_listener"), ("none", "", "")] {
        let gateway = Gateway::start_with(version, &resources, &["--reasons", reasons]).await?;
        let response = gateway.get("baz.example.com").await?;
        assert_eq!(response.status, 404);
        assert_eq!(response.header("x-meshgate-reason"), header);
        assert_eq!(response.body.trim_end(), body);
    }
    Ok(())
}

/// What the filter lets pass, Envoy's own virtual hosts still refuse: they have the same hosts.
async fn audit_lets_pass(version: &str) -> anyhow::Result<()> {
    let gateway =
        Gateway::start_with(version, &[TWO_HOSTNAMES, ROUTES_BY_VHOST], &["--audit"]).await?;
    assert_served(&gateway.get("foo.example.com").await?, "backend-foo");
    let response = gateway
        .connect()
        .await?
        .http1(get("baz.example.com", "/"))
        .await?;
    assert_eq!(
        (response.status, response.header("x-meshgate-reason")),
        (404, "")
    );
    let line = gateway.logged("baz.example.com/").await?;
    assert!(line.contains("decision=audit reason=no_listener"), "{line}");

    // The port in it is no number, which virtual hosts do not look at.
    let request = "GET /audited HTTP/1.1\r\nHost: foo.example.com:http\r\n\r\n";
    let response = gateway.connect().await?.raw_http1(request).await?;
    assert_served(&response, "backend-foo");
    let line = gateway.logged("/audited").await?;
    assert!(
        line.contains("decision=audit reason=malformed_authority"),
        "{line}"
    );
    Ok(())
}
