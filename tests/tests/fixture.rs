//! The ground that the other tests stand on, tested on itself.

use std::fs;

use serde_json::{Value, json};
use system_tests::client::{self, Connection, HelloAnswer, get, hello};
use system_tests::echo::Backend;
use system_tests::envoy::{self, Envoy, NEWEST, socket_address};
use system_tests::on_each_envoy;
use system_tests::tls::{HelloVersion, Tls};

/// A listener that sends everything to a backend, with TLS if a certificate and key are given.
fn bootstrap(backend: u16, tls: Option<(&str, &str)>) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "route_config": { "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "backend" } }],
        }] },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        } }],
    });
    let mut chain = json!({ "filters": [{ "name": "http", "typed_config": manager }] });
    if let Some((certificate, key)) = tls {
        chain["transport_socket"] = json!({ "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": { "inline_string": certificate },
                    "private_key": { "inline_string": key },
                }],
            },
        } });
    }
    let endpoint = json!({ "endpoint": { "address": socket_address("127.0.0.1", backend) } });
    json!({ "static_resources": {
        "listeners": [{
            "name": "test", "address": socket_address("127.0.0.1", 0), "filter_chains": [chain],
        }],
        "clusters": [{
            "name": "backend",
            "load_assignment": { "cluster_name": "backend", "endpoints": [{ "lb_endpoints": [endpoint] }] },
        }],
    } })
}

async fn every_client_reaches_the_backend(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("a").await?;
    let envoy = Envoy::start(version, bootstrap(backend.port(), None)).await?;
    let address = envoy.listener().await?;

    let http1 = Connection::open(address)
        .await?
        .http1(get("h", "/1"))
        .await?;
    let requests = vec![get("h", "/2"), get("h:1", "/2")];
    let http2 = Connection::open(address)
        .await?
        .http2("http", requests)
        .await?;
    let raw = Connection::open(address)
        .await?
        .raw_http1("GET /3 HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-Test: 1\r\n\r\n")
        .await;
    for (response, host, path) in [
        (&http1, "h", "/1"),
        (&http2[0], "h", "/2"),
        (&http2[1], "h:1", "/2"),
        (&raw?, "a,b", "/3"),
    ] {
        let echo = response.echo()?;
        assert_eq!(
            (&*echo.backend, &*echo.host, &*echo.path),
            ("a", host, path)
        );
        assert_eq!(response.header("server"), "envoy");
    }
    assert!(envoy.stop().await?.success());
    Ok(())
}

async fn tls_as_asked_for(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("a").await?;
    let own = rcgen::generate_simple_self_signed(["foo.example.com".into()])?;
    let tls = (own.cert.pem(), own.signing_key.serialize_pem());
    let envoy = Envoy::start(version, bootstrap(backend.port(), Some((&tls.0, &tls.1)))).await?;
    let address = envoy.listener().await?;

    let named = Tls::sni("foo.example.com");
    for tls in [
        named.clone(),
        named.clone().only_1_3(),
        Tls::no_sni().only_1_2(),
    ] {
        let connection = Connection::open_tls(address, &tls).await?;
        assert_eq!(connection.certificate.as_deref(), Some(&own.cert.der()[..]));
        assert_eq!(connection.alpn.as_deref(), Some("http/1.1"));
        assert_eq!(connection.http1(get("h", "/")).await?.echo()?.host, "h");
    }
    let http2 = Connection::open_tls(address, &named.clone().h2()).await?;
    assert_eq!(http2.alpn.as_deref(), Some("h2"));
    assert_eq!(
        http2.http2("https", vec![get("h", "/")]).await?[0].status,
        200
    );
    assert!(
        Connection::open_tls(address, &named.clone().only_rsa())
            .await
            .is_err()
    );
    assert!(
        Connection::open_tls(address, &named.only_ecdsa())
            .await
            .is_ok()
    );
    for (version, answer) in [
        (HelloVersion::Tls11, HelloAnswer::Alert(70)),
        (HelloVersion::Tls12, HelloAnswer::ServerHello),
    ] {
        assert_eq!(hello(address, version, "foo.example.com").await?, answer);
    }
    Ok(())
}

on_each_envoy! { every_client_reaches_the_backend tls_as_asked_for }

#[tokio::test]
async fn bytes_pass_after_an_upgrade() -> anyhow::Result<()> {
    let backend = Backend::http("a").await?;
    let envoy = Envoy::start(NEWEST, bootstrap(backend.port(), None)).await?;
    let mut connection = Connection::open(envoy.listener().await?).await?;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer = connection.exchange(request, b"\r\n\r\n").await?;
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    assert_eq!(connection.exchange(b"ping", b"ping").await?, b"ping");
    Ok(())
}

#[tokio::test]
async fn tcp_backend_sends_back() -> anyhow::Result<()> {
    let backend = Backend::tcp().await?;
    let mut connection = Connection::open(backend.address).await?;
    assert_eq!(connection.exchange(b"ping", b"ping").await?, b"ping");
    Ok(())
}

#[tokio::test]
async fn a_bad_bootstrap_fails_with_the_words_of_envoy() -> anyhow::Result<()> {
    let bad = json!({ "static_resources": { "no_such_field": 1 } });
    let error = Envoy::start(NEWEST, bad.clone()).await.unwrap_err();
    assert!(error.to_string().contains("no_such_field"), "{error}");

    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bootstrap.json");
    fs::write(&file, bad.to_string())?;
    let error = envoy::validate(NEWEST, &file).await.unwrap_err();
    assert!(error.to_string().contains("no_such_field"), "{error}");
    fs::write(&file, bootstrap(1, None).to_string())?;
    envoy::validate(NEWEST, &file).await
}

#[tokio::test]
async fn envoy_ends_with_its_owner() -> anyhow::Result<()> {
    let envoy = Envoy::start(NEWEST, bootstrap(1, None)).await?;
    let address = envoy.listener().await?;
    let connection = Connection::open(address).await?;
    assert_eq!(connection.http1(client::get("h", "/")).await?.status, 503);
    drop(envoy);
    assert!(Connection::open(address).await.is_err());
    Ok(())
}
