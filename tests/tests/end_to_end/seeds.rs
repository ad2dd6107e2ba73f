//! Every example of the documents that users start from, completed with a Dataplane, backends and a route.
//!
//! `seeds/kuma-*`: Kuma's page on built-in listeners; `seeds/kong-*`: Kong Mesh's page on `MeshGateway`, where each
//! example is there in the Universal and in the Kubernetes format. Those with `crossMesh` need meshes with mTLS: `identities`.

use std::ffi::OsStr;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use system_tests::tls::Tls;
use system_tests::{checkout, envoy, meshgate, on_each_envoy};

use crate::gateway::{Gateway, ROUTE_TO_FOO, assert_refused, assert_served};

on_each_envoy! { listener_for_all_hosts one_hostname two_hostnames_on_a_port https }

async fn listener_for_all_hosts(version: &str) -> anyhow::Result<()> {
    let seed = include_str!("seeds/kuma-2-all-hosts.yaml");
    let gateway = Gateway::start(version, &[seed, ROUTE_TO_FOO]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    for host in [
        "foo.example.com",
        "bar.example.com",
        "localhost",
        "[::1]:8080",
        "foo.example.com.",
    ] {
        assert_served(&gateway.get(host).await?, "backend-foo");
    }
    Ok(())
}

async fn one_hostname(version: &str) -> anyhow::Result<()> {
    for seed in [
        include_str!("seeds/kuma-3-one-hostname.yaml"),
        include_str!("seeds/kong-1-one-hostname.yaml"),
        include_str!("seeds/kong-2-one-hostname.yaml"),
    ] {
        let gateway = Gateway::start(version, &[seed, ROUTE_TO_FOO]).await?;
        envoy::validate(version, &gateway.bootstrap).await?;
        assert_served(&gateway.get("foo.example.com").await?, "backend-foo");
        assert_refused(
            &gateway.get("bar.example.com").await?,
            404,
            "no_listener: no listener on port 8080 owns bar.example.com",
        );
    }
    Ok(())
}

async fn two_hostnames_on_a_port(version: &str) -> anyhow::Result<()> {
    for seed in [
        include_str!("seeds/kuma-4-two-hostnames.yaml"),
        include_str!("seeds/kong-3-two-hostnames.yaml"),
        include_str!("seeds/kong-4-two-hostnames.yaml"),
    ] {
        let gateway = Gateway::start(version, &[seed, ROUTES_BY_VHOST]).await?;
        envoy::validate(version, &gateway.bootstrap).await?;
        assert_served(&gateway.get("foo.example.com").await?, "backend-foo");
        assert_served(&gateway.get("bar.example.com").await?, "backend-bar");
        assert_refused(
            &gateway.get("baz.example.com").await?,
            404,
            "no_listener: no listener on port 8080 owns baz.example.com",
        );
    }
    Ok(())
}

/// The examples tell their listeners apart by the tag `vhost`.
pub(crate) const ROUTES_BY_VHOST: &str = "
type: MeshGatewayRoute
mesh: default
name: foo
selectors:
- match:
    kuma.io/service: edge-gateway
    vhost: foo.example.com
conf:
  http:
    rules:
    - matches:
      - path: {match: PREFIX, value: /}
      backends:
      - destination: {kuma.io/service: backend-foo}
---
type: MeshGatewayRoute
mesh: default
name: bar
selectors:
- match:
    kuma.io/service: edge-gateway
    vhost: bar.example.com
conf:
  http:
    rules:
    - matches:
      - path: {match: PREFIX, value: /}
      backends:
      - destination: {kuma.io/service: backend-bar}
";

async fn https(version: &str) -> anyhow::Result<()> {
    for (seed, secret) in [
        (
            include_str!("seeds/kuma-5-https.yaml"),
            include_str!("seeds/kuma-6-secret.yaml"),
        ),
        (
            include_str!("seeds/kong-5-https.yaml"),
            include_str!("seeds/kong-7-secret.yaml"),
        ),
        (
            include_str!("seeds/kong-5-https.yaml"),
            include_str!("seeds/kong-8-secret.yaml"),
        ),
    ] {
        let secret = as_the_shell_would(secret)?;
        let gateway = Gateway::start(version, &[seed, &secret, ROUTE_TO_FOO]).await?;
        envoy::validate(version, &gateway.bootstrap).await?;
        let response = gateway
            .get_tls("foo.example.com", "foo.example.com")
            .await?;
        assert_served(&response, "backend-foo");
        assert!(
            gateway
                .connect_tls(&Tls::sni("bar.example.com"))
                .await
                .is_err()
        );
    }
    Ok(())
}

/// The documents' Secrets are made by a shell that runs kumactl between `$(` and `)`.
fn as_the_shell_would(secret: &str) -> anyhow::Result<String> {
    let command = "$(kumactl generate tls-certificate --type=server --hostname=foo.example.com --key-file=- --cert-file=- | base64 -w0)";
    assert!(secret.contains(command));
    let bundle = meshgate::certificate("foo.example.com", "rsa")?;
    Ok(secret.replace(command, &STANDARD.encode(bundle)))
}

/// A tag that is indented less than the `match` above it, and a gateway without `conf`.
#[test]
fn what_is_no_complete_gateway_is_refused() -> anyhow::Result<()> {
    for (file, line, path) in [
        ("kong-6-broken-indentation.yaml", Some(9), ""),
        ("kuma-1-selectors-only.yaml", None, "conf"),
    ] {
        let seed = checkout().join("tests/tests/end_to_end/seeds").join(file);
        let args = ["validate", "--format", "json"].map(OsStr::new);
        let output = meshgate::run(args.into_iter().chain([seed.as_os_str()]))?;
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        assert_eq!(output.status.code(), Some(1), "{findings:?}");
        let named = findings
            .iter()
            .find(|finding| finding["severity"] == "error");
        let named = named.context("no error")?;
        let text = |field: &str| named[field].as_str().unwrap_or_default();
        assert!(text("file").ends_with(file), "{named}");
        assert!(text("path").ends_with(path), "{named}");
        assert!(line.is_none_or(|line| named["line"] == line), "{named}");
    }
    Ok(())
}
