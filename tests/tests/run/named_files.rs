//! Certificates in files that an Istio Gateway names: what comes there later is served, without an end of connections.

use std::fs;
use std::path::{Path, PathBuf};

use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::tls::Tls;
use system_tests::{envoy, istio, meshgate, on_each_envoy, until};

use crate::gateway::{HTTPS, Run};

on_each_envoy! { certificates_that_are_renewed_or_come_later_are_served }

pub(crate) const HOSTS: [&str; 2] = ["a.example.com", "b.example.com"];

/// Two servers with the files `a.*` and `b.*`.
pub(crate) fn resources(address: std::net::Ipv4Addr, files: &Path, backend: u16) -> String {
    let files = files.display();
    let tls = |name| {
        format!(
            "mode: SIMPLE, serverCertificate: {files}/{name}.crt, privateKey: {files}/{name}.key"
        )
    };
    let servers = [("a", tls("a")), ("b", tls("b"))];
    istio::https_gateway(Some(address.into()), HTTPS, &servers, "web.example.org")
        + &format!(
            "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web}}
spec:
  hosts: [web.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {backend}}}]
  endpoints: [{{address: 127.0.0.1}}]
"
        )
}

/// A new certificate and its key.
pub(crate) fn pair(name: &str) -> anyhow::Result<[String; 2]> {
    let bundle = meshgate::certificate(&format!("{name}.example.com"), "ecdsa")?;
    let blocks = pem::parse_many(bundle)?;
    Ok([false, true].map(|is_key| {
        let of = |block: &&pem::Pem| block.tag().ends_with("PRIVATE KEY") == is_key;
        blocks.iter().filter(of).map(ToString::to_string).collect()
    }))
}

/// Puts a file there in one step.
pub(crate) fn put(files: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let new: PathBuf = files.join("new");
    fs::write(&new, text)?;
    Ok(fs::rename(new, files.join(name))?)
}

/// Puts a new certificate with its key there, each in one step.
pub(crate) fn renew(files: &Path, name: &str) -> anyhow::Result<()> {
    let [certificate, key] = pair(name)?;
    put(files, &format!("{name}.crt"), &certificate)?;
    put(files, &format!("{name}.key"), &key)
}

async fn certificates_that_are_renewed_or_come_later_are_served(
    version: &str,
) -> anyhow::Result<()> {
    let backend = Backend::http("web").await?;
    let files = tempfile::tempdir()?;
    renew(files.path(), "a")?;
    let binary = envoy::binary(version)?.display().to_string();
    let run = Run::start_files(&["--envoy", &binary], &[], |address, folder| {
        let yaml = resources(address, files.path(), backend.port());
        Ok(fs::write(folder.join("gateway.yaml"), yaml)?)
    })?;
    run.ready().await?;
    assert!(run.said().contains("MG0680"), "{}", run.said());
    let shown = async |host: &str| -> Option<_> {
        let session = Connection::open_tls(run.tls(), &Tls::sni(host)).await;
        Some(session.ok()?.certificate)
    };
    let first = shown(HOSTS[0]).await;
    assert!(first.is_some());
    assert_eq!(shown(HOSTS[1]).await, None);

    // One that is renewed, while somebody is connected.
    let kept = Connection::open_tls(run.tls(), &Tls::sni(HOSTS[0])).await?;
    let mut kept = kept.keep_http1().await?;
    renew(files.path(), "a")?;
    until("the renewed certificate", async || {
        let now = shown(HOSTS[0]).await?;
        (Some(&now) != first.as_ref()).then_some(())
    })
    .await?;
    for _ in 0..2 {
        let answer = kept.send(get(HOSTS[0], "/")).await?;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("connection"), "{answer:?}");
    }

    // One that comes.
    renew(files.path(), "b")?;
    until("the server whose file was missing", async || {
        shown(HOSTS[1]).await.map(drop)
    })
    .await?;
    let session = Connection::open_tls(run.tls(), &Tls::sni(HOSTS[1])).await?;
    assert_eq!(session.http1(get(HOSTS[1], "/")).await?.status, 200);
    assert!(run.status().await?["refused"].is_null());
    Ok(())
}
