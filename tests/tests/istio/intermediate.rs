//! Peers that believe the root of an organisation, while `cacerts` holds an authority below it.

use system_tests::on_each_envoy;
use system_tests::outside::{self, Ca};
use tokio_rustls::rustls::ALL_VERSIONS;

use crate::gateway::{Setup, served};

on_each_envoy! { peers_that_know_the_root_only_believe_a_workload }

const RESOURCES: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: [h.example.com]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [h.example.com]
  gateways: [edge]
  http: [{route: [{destination: {host: peer.example.org, port: {number: 80}}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: peer}
spec:
  host: peer.example.org
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: peer, subjectAltNames: ['spiffe://cluster.local/ns/apps/sa/peer']}}
";

async fn peers_that_know_the_root_only_believe_a_workload(version: &str) -> anyhow::Result<()> {
    let root = Ca::new()?;
    let below = root.below("below")?;
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: cacerts, namespace: istio-system}}
stringData:
  ca-cert.pem: |
    {0}
  ca-key.pem: |
    {1}
  root-cert.pem: |
    {2}
  cert-chain.pem: |
    {0}
    {2}
",
        indented(&below.pem()),
        indented(&below.key_pem()),
        indented(&root.pem()),
    );
    let peer = outside::Tls {
        identity: root.sign_uri("spiffe://cluster.local/ns/apps/sa/peer")?,
        clients: Some(&root),
        versions: ALL_VERSIONS,
        alpn: &[],
    };
    let peer = outside::http("peer", &peer).await?;
    let setup = Setup::new(RESOURCES)?
        .with(&secret)
        .service_at("peer.example.org", 80, "HTTP", peer.port())
        .keeping(peer);
    let gateway = setup.start(version, &[]).await?;
    let response = gateway.get(8080, "h.example.com", "/").await?;
    assert_eq!(served(&response), "peer");
    Ok(())
}
