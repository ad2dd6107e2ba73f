//! Files that resources of Kuma name as a `file`: what comes there later is served.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use system_tests::echo::Backend;
use system_tests::outside::{self, Ca};
use system_tests::until;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::gateway::{HOST, Resources, Run};
use crate::named_files::put;

/// A CA that a mesh may have: its certificate and its key.
fn authority() -> anyhow::Result<[String; 2]> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok([params.self_signed(&key)?.pem(), key.serialize_pem()])
}

/// What Envoy reads about the gateway's identity, and whom it believes.
fn identity(run: &Run) -> [String; 2] {
    let folder = run.folder.path().join("work/proxies/default/edge-1");
    ["identity.json", "ca-default.json"]
        .map(|name| fs::read_to_string(folder.join(name)).unwrap_or_default())
}

/// Whether an SDS file holds this certificate.
fn holds(file: &str, pem: &str) -> bool {
    let file: Value = serde_json::from_str(file).unwrap_or_default();
    let text = file["resources"][0]["validation_context"]["trusted_ca"]["inline_string"].clone();
    let same = |text: &str| text.split_whitespace().collect::<String>();
    text.as_str()
        .is_some_and(|text| same(text).contains(&same(pem)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_gets_the_ca_that_comes_into_its_files() -> anyhow::Result<()> {
    let files = tempfile::tempdir()?;
    let files = files.path();
    let [first, key] = authority()?;
    put(files, "ca.crt", &first)?;
    put(files, "ca.key", &key)?;
    let mut resources = Resources::new(1);
    resources.more = format!(
        "---
type: Mesh
name: default
mtls:
  enabledBackend: own
  backends: [{{name: own, type: provided, conf: {{cert: {{file: {0}/ca.crt}}, key: {{file: {0}/ca.key}}}}}}]
",
        files.display()
    );
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let before = identity(&run);
    assert!(holds(&before[1], &first), "{before:?}");
    // Half of it is none.
    let [second, key] = authority()?;
    put(files, "ca.crt", &second)?;
    run.until_reloads("refused", 1).await?;
    assert_eq!(identity(&run), before);
    put(files, "ca.key", &key)?;
    until("the new CA", async || {
        let now = identity(&run);
        (holds(&now[1], &second) && now[0] != before[0]).then_some(())
    })
    .await?;
    run.until_reloads("unchanged", 1).await?;
    assert!(run.status().await?["refused"].is_null());
    Ok(())
}

/// The resources of a gateway before a service outside, whose server proves itself with what is in `files`.
fn before_a_service(files: &Path, port: u16) -> Resources {
    let mut resources = Resources::new(port);
    resources.service = "outside".to_owned();
    let files = files.display();
    resources.more = format!(
        "---
type: ExternalService
mesh: default
name: outside
tags: {{kuma.io/service: outside, kuma.io/protocol: http}}
networking:
  address: 127.0.0.1:{port}
  tls:
    enabled: true
    serverName: api.test
    caCert: {{file: {files}/ca.crt}}
    clientCert: {{file: {files}/own.crt}}
    clientKey: {{file: {files}/own.key}}
"
    );
    resources
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_outside_is_believed_and_shown_what_comes_into_the_files() -> anyhow::Result<()> {
    let (theirs, ours) = (Ca::new()?, Ca::new()?);
    let tls = outside::Tls {
        identity: theirs.sign(&["api.test"], false)?,
        clients: Some(&ours),
        versions: &[&TLS13, &TLS12],
        alpn: &[],
    };
    let backend: Backend = outside::http("outside", &tls).await?;
    let files = tempfile::tempdir()?;
    let files = files.path();
    let stranger = Ca::new()?.sign(&["edge"], false)?;
    put(files, "ca.crt", &Ca::new()?.pem())?;
    put(files, "own.crt", &stranger.certificate)?;
    put(files, "own.key", &stranger.key)?;
    let resources = before_a_service(files, backend.port());
    let run = Run::start_files(&[], &[], |address, folder| {
        let yaml = resources.yaml(address);
        // The service has no Dataplane.
        let documents = yaml
            .split("---\n")
            .filter(|d| !d.contains("name: backend-1"));
        let yaml = documents.collect::<Vec<_>>().join("---\n");
        Ok(fs::write(folder.join("gateway.yaml"), yaml)?)
    })?;
    run.ready().await?;
    assert_eq!(run.get(HOST).await?.status, 503);
    put(files, "ca.crt", &theirs.pem())?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.status, 503);
    let own = ours.sign(&["edge"], false)?;
    put(files, "own.crt", &own.certificate)?;
    put(files, "own.key", &own.key)?;
    until("an answer from outside", async || {
        (run.get(HOST).await.ok()?.status == 200).then_some(())
    })
    .await?;
    Ok(())
}
