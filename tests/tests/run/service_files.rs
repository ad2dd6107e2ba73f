//! Certificates in files that an Istio DestinationRule names: what is put there later is what services see.

use std::fs;
use std::path::Path;

use system_tests::client::{Connection, get};
use system_tests::outside::{self, Ca};
use system_tests::tls::Identity;
use system_tests::{envoy, on_each_envoy, until};
use tokio_rustls::rustls::ALL_VERSIONS;

use crate::gateway::{HTTP, Run};

on_each_envoy! { certificates_of_rules_that_are_renewed_are_followed }

const HOST: &str = "a.example.com";

fn resources(address: std::net::Ipv4Addr, files: &Path, ports: [u16; 2]) -> String {
    let files = files.display();
    let own = format!("clientCertificate: {files}/client.pem, privateKey: {files}/client.key");
    let rows = [("simple", "SIMPLE", ""), ("mutual", "MUTUAL", own.as_str())];
    let mut routes = String::new();
    let mut services = String::new();
    for ((name, mode, own), port) in rows.into_iter().zip(ports) {
        routes += &format!(
            "  - {{match: [{{uri: {{prefix: /{name}}}}}], route: [{{destination: {{host: {name}.example.org}}}}]}}\n"
        );
        services += &format!(
            "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}}}
spec:
  host: {name}.example.org
  trafficPolicy: {{tls: {{mode: {mode}, sni: server.example.org, caCertificates: {files}/ca.pem, {own}}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{name}.example.org]
  resolution: STATIC
  ports: [{{number: 443, name: http, protocol: HTTP, targetPort: {port}}}]
  endpoints: [{{address: 127.0.0.1}}]
"
        );
    }
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{app: edge}}
  servers:
  - port: {{number: {HTTP}, name: http, protocol: HTTP}}
    bind: {address}
    hosts: [{HOST}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: [{HOST}]
  gateways: [edge]
  http:
{routes}{services}"
    )
}

/// Puts a file there in one step.
fn put(files: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let new = files.join("new");
    fs::write(&new, text)?;
    Ok(fs::rename(new, files.join(name))?)
}

fn put_client(files: &Path, identity: &Identity) -> anyhow::Result<()> {
    put(files, "client.pem", &identity.certificate)?;
    put(files, "client.key", &identity.key)
}

async fn certificates_of_rules_that_are_renewed_are_followed(version: &str) -> anyhow::Result<()> {
    let (old, new) = (Ca::new()?, Ca::new()?);
    let server = |clients| -> anyhow::Result<_> {
        Ok(outside::Tls {
            identity: new.sign(&["server.example.org"], false)?,
            clients,
            versions: ALL_VERSIONS,
            alpn: &[],
        })
    };
    let open = outside::http("open", &server(None)?).await?;
    let closed = outside::http("closed", &server(Some(&new))?).await?;
    let files = tempfile::tempdir()?;
    put(files.path(), "ca.pem", &old.pem())?;
    put_client(files.path(), &old.sign(&["client.example.org"], false)?)?;
    let binary = envoy::binary(version)?.display().to_string();
    let run = Run::start_files(&["--envoy", &binary], &[], |address, folder| {
        let yaml = resources(address, files.path(), [open.port(), closed.port()]);
        Ok(fs::write(folder.join("gateway.yaml"), yaml)?)
    })?;
    run.ready().await?;
    let ask = async |path: &str| -> anyhow::Result<u16> {
        let connection = Connection::open(run.at()).await?;
        Ok(connection.http1(get(HOST, path)).await?.status)
    };
    let until_it_is = async |path: &str, status: u16| {
        until(&format!("{path} {status}"), async || {
            (ask(path).await.ok()? == status).then_some(())
        })
        .await
    };
    // The services are of an authority that nobody here knows yet.
    assert_eq!((ask("/simple").await?, ask("/mutual").await?), (503, 503));

    put(files.path(), "ca.pem", &new.pem())?;
    until_it_is("/simple", 200).await?;
    // The client's own is still the old one.
    assert_eq!(ask("/mutual").await?, 503);

    put_client(files.path(), &new.sign(&["client.example.org"], false)?)?;
    until_it_is("/mutual", 200).await?;

    put(files.path(), "ca.pem", &old.pem())?;
    until_it_is("/simple", 503).await?;
    until_it_is("/mutual", 503).await?;
    Ok(())
}
