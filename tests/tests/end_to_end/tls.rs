//! HTTPS: certificates by SNI, and hosts that belong to another connection.

use system_tests::client::{Connection, HelloAnswer, hello};
use system_tests::on_each_envoy;
use system_tests::tls::{HelloVersion, Tls};

use crate::gateway::{Gateway, ROUTE_TO_FOO, assert_refused, assert_served, secret};

on_each_envoy! {
    certificates_by_sni
    hosts_of_another_certificate
    hosts_of_a_narrower_listener
    any_sni_where_a_listener_takes_any_host
    versions
    a_listener_without_its_certificate
}

/// A listener of port 8443 with these Secrets.
fn listener(hostname: &str, secrets: &[&str]) -> String {
    let secrets: Vec<_> = secrets
        .iter()
        .map(|secret| format!("{{secret: {secret}}}"))
        .collect();
    let secrets = secrets.join(", ");
    format!(
        "  - {{port: 8443, protocol: HTTPS, hostname: '{hostname}', tls: {{mode: TERMINATE, certificates: [{secrets}]}}}}\n"
    )
}

fn mesh_gateway(listeners: &[String]) -> String {
    let head = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
";
    head.to_owned() + &listeners.concat()
}

async fn certificates_by_sni(version: &str) -> anyhow::Result<()> {
    let (foo_rsa, foo_rsa_der) = secret("foo-rsa", "foo.example.com", "rsa")?;
    let (foo_ecdsa, foo_ecdsa_der) = secret("foo-ecdsa", "foo.example.com", "ecdsa")?;
    let (bar_rsa, bar_rsa_der) = secret("bar-rsa", "bar.example.com", "rsa")?;
    let resources = mesh_gateway(&[
        listener("foo.example.com", &["foo-rsa", "foo-ecdsa"]),
        listener("bar.example.com", &["bar-rsa"]),
    ]);
    let resources = [&*resources, &foo_rsa, &foo_ecdsa, &bar_rsa, ROUTE_TO_FOO];
    let gateway = Gateway::start(version, &resources).await?;

    let named = Tls::sni("foo.example.com");
    for (tls, certificate) in [
        (named.clone(), &foo_ecdsa_der),
        (named.clone().only_ecdsa(), &foo_ecdsa_der),
        (named.clone().only_rsa(), &foo_rsa_der),
        (named.clone().only_rsa().only_1_2(), &foo_rsa_der),
        (Tls::sni("BAR.example.com"), &bar_rsa_der),
    ] {
        let connection = gateway.connect_tls(&tls).await?;
        assert_eq!(
            connection.certificate.as_ref(),
            Some(certificate),
            "{tls:?}"
        );
    }
    for name in ["foo.example.com", "bar.example.com"] {
        for host in [name.to_owned(), name.to_uppercase(), format!("{name}:8443")] {
            let response = gateway.get_tls(name, &host).await?;
            assert_served(&response, "backend-foo");
            assert_eq!(
                response.header("strict-transport-security"),
                "max-age=31536000; includeSubDomains"
            );
        }
    }
    for (tls, alpn) in [
        (named.clone().alpn(&["h2", "http/1.1"]), Some("h2")),
        (named.alpn(&[]), None),
    ] {
        assert_eq!(gateway.connect_tls(&tls).await?.alpn.as_deref(), alpn);
    }
    for tls in [
        Tls::sni("baz.example.com"),
        Tls::sni("a.foo.example.com"),
        Tls::no_sni(),
    ] {
        assert!(gateway.connect_tls(&tls).await.is_err(), "{tls:?}");
    }
    let mut plain = Connection::open(gateway.at(8443)).await?;
    let answer = plain
        .raw(b"GET / HTTP/1.1\r\nHost: foo.example.com\r\n\r\n")
        .await?;
    assert_eq!(String::from_utf8_lossy(&answer), "");
    Ok(())
}

async fn hosts_of_another_certificate(version: &str) -> anyhow::Result<()> {
    let (exact, _) = secret("foo", "foo.example.com", "ecdsa")?;
    let (bar, _) = secret("bar", "bar.example.com", "ecdsa")?;
    let resources = mesh_gateway(&[
        listener("foo.example.com", &["foo"]),
        listener("bar.example.com", &["bar"]),
    ]);
    let gateway = Gateway::start(version, &[&resources, &exact, &bar, ROUTE_TO_FOO]).await?;
    for host in ["bar.example.com", "BAR.example.com:8443"] {
        assert_refused(
            &gateway.get_tls("foo.example.com", host).await?,
            421,
            "misdirected: bar.example.com is served on this port under another certificate",
        );
    }
    assert_refused(
        &gateway
            .get_tls("foo.example.com", "baz.example.com")
            .await?,
        404,
        "no_listener: no listener on port 8443 owns baz.example.com",
    );
    let request = "GET / HTTP/1.1\r\nHost: u@foo.example.com\r\n\r\n";
    let mut connection = gateway.connect_tls(&Tls::sni("foo.example.com")).await?;
    assert_refused(
        &connection.raw_http1(request).await?,
        400,
        "malformed_authority: the host has user information before it",
    );
    Ok(())
}

async fn hosts_of_a_narrower_listener(version: &str) -> anyhow::Result<()> {
    let (exact, exact_der) = secret("foo", "foo.example.com", "ecdsa")?;
    let (wild, wild_der) = secret("wild", "*.example.com", "ecdsa")?;
    let resources = mesh_gateway(&[
        listener("*.example.com", &["wild"]),
        listener("foo.example.com", &["foo"]),
    ]);
    let gateway = Gateway::start(version, &[&resources, &exact, &wild, ROUTE_TO_FOO]).await?;
    for (sni, certificate) in [
        ("foo.example.com", &exact_der),
        ("bar.example.com", &wild_der),
        ("a.foo.example.com", &wild_der),
    ] {
        let connection = gateway.connect_tls(&Tls::sni(sni)).await?;
        assert_eq!(connection.certificate.as_ref(), Some(certificate), "{sni}");
        assert_served(&gateway.get_tls(sni, sni).await?, "backend-foo");
    }
    // Both belong to the wildcard, so a client may use one connection for both (RFC 9113 §9.1.1).
    assert_served(
        &gateway
            .get_tls("bar.example.com", "baz.example.com")
            .await?,
        "backend-foo",
    );
    for (sni, host) in [
        ("bar.example.com", "foo.example.com"),
        ("foo.example.com", "bar.example.com"),
    ] {
        let line = format!("misdirected: {host} is served on this port under another certificate");
        assert_refused(&gateway.get_tls(sni, host).await?, 421, &line);
    }
    assert!(gateway.connect_tls(&Tls::sni("example.com")).await.is_err());
    Ok(())
}

async fn any_sni_where_a_listener_takes_any_host(version: &str) -> anyhow::Result<()> {
    let (exact, exact_der) = secret("foo", "foo.example.com", "ecdsa")?;
    let (any, any_der) = secret("any", "gateway.example.org", "ecdsa")?;
    let resources = mesh_gateway(&[
        listener("", &["any"]),
        listener("foo.example.com", &["foo"]),
    ]);
    let gateway = Gateway::start(version, &[&resources, &exact, &any, ROUTE_TO_FOO]).await?;
    for (tls, certificate) in [
        (Tls::sni("foo.example.com"), &exact_der),
        (Tls::sni("bar.example.com"), &any_der),
        (Tls::no_sni(), &any_der),
    ] {
        let connection = gateway.connect_tls(&tls).await?;
        assert_eq!(
            connection.certificate.as_ref(),
            Some(certificate),
            "{tls:?}"
        );
    }
    assert_served(&gateway.get_tls("a.org", "b.org").await?, "backend-foo");
    assert_eq!(
        gateway.get_tls("a.org", "foo.example.com").await?.status,
        421
    );
    assert_eq!(
        gateway.get_tls("foo.example.com", "b.org").await?.status,
        421
    );
    Ok(())
}

async fn versions(version: &str) -> anyhow::Result<()> {
    let (exact, _) = secret("foo", "foo.example.com", "rsa")?;
    let resources = mesh_gateway(&[listener("foo.example.com", &["foo"])]);
    let gateway = Gateway::start(version, &[&resources, &exact, ROUTE_TO_FOO]).await?;
    let named = Tls::sni("foo.example.com");
    for tls in [named.clone().only_1_2(), named.only_1_3()] {
        assert!(gateway.connect_tls(&tls).await.is_ok(), "{tls:?}");
    }
    for (version, answer) in [
        // `protocol_version` (RFC 8446 §6.2).
        (HelloVersion::Tls11, HelloAnswer::Alert(70)),
        (HelloVersion::Tls12, HelloAnswer::ServerHello),
    ] {
        assert_eq!(
            hello(gateway.at(8443), version, "foo.example.com").await?,
            answer
        );
    }
    Ok(())
}

/// It is left out, and all others are served; its host does not fall to a listener that is wider.
async fn a_listener_without_its_certificate(version: &str) -> anyhow::Result<()> {
    let (any, _) = secret("any", "gateway.example.org", "ecdsa")?;
    let resources = mesh_gateway(&[
        listener("*", &["any"]),
        listener("foo.example.com", &["missing"]),
    ]);
    let gateway = Gateway::start(version, &[&resources, &any, ROUTE_TO_FOO]).await?;
    assert_served(
        &gateway
            .get_tls("bar.example.com", "bar.example.com")
            .await?,
        "backend-foo",
    );
    for sni in ["foo.example.com", "bar.example.com"] {
        if gateway.connect_tls(&Tls::sni(sni)).await.is_ok() {
            let response = gateway.get_tls(sni, "foo.example.com").await?;
            assert_eq!(response.status, 421, "{sni}");
        }
    }
    Ok(())
}
