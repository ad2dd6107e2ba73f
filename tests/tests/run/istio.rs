//! A gateway of Istio follows its resources too.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::meshgate;
use system_tests::tls::Tls;
use system_tests::until;

use crate::gateway::{HOST, HTTP, HTTPS, Run};
use crate::load::{ALL, Load};

/// The resources of a gateway: what of them the test changes.
struct Resources {
    backends: [u16; 2],
    certificates: [String; 2],
}

impl Resources {
    fn yaml(&self, address: Ipv4Addr, round: usize) -> String {
        // Of three rounds one has all requests at the first subset, one at the second, and one at both.
        let (first, second) = [(100, 0), (0, 100), (50, 50)][round % 3];
        let [one, two] = self.backends;
        let more = ["", ", a.example.com", ", '*.example.org'"][round / 2 % 3];
        let bundle = &self.certificates[round / 4 % 2];
        let (chain, key) = parts(bundle);
        format!(
            "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: prod}}
spec:
  selector: {{app: edge}}
  servers:
  - port: {{number: {HTTP}, name: http, protocol: HTTP}}
    bind: {address}
    hosts: [{HOST}{more}]
  - port: {{number: {HTTPS}, name: https, protocol: HTTPS}}
    bind: {address}
    hosts: [{HOST}{more}]
    tls: {{mode: SIMPLE, credentialName: own}}
---
apiVersion: v1
kind: Secret
metadata: {{name: own, namespace: prod}}
data: {{tls.crt: {chain}, tls.key: {key}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: prod}}
spec:
  hosts: ['*']
  gateways: [edge]
  http:
  - headers: {{response: {{set: {{x-generation: '{round}'}}}}}}
    route:
    - {{destination: {{host: web.example.org, subset: v1}}, weight: {first}}}
    - {{destination: {{host: web.example.org, subset: v2}}, weight: {second}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: prod}}
spec:
  host: web.example.org
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web, namespace: prod}}
spec:
  hosts: [web.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
  - {{address: 127.0.0.1, ports: {{http: {one}}}, labels: {{version: v1}}}}
  - {{address: 127.0.0.1, ports: {{http: {two}}}, labels: {{version: v2}}}}
"
        )
    }
}

/// Certificate and key of a bundle, in base64.
fn parts(bundle: &str) -> (String, String) {
    let blocks = pem::parse_many(bundle).expect("a bundle is PEM");
    let (keys, chain): (Vec<_>, Vec<_>) = blocks
        .iter()
        .partition(|block| block.tag().ends_with("PRIVATE KEY"));
    let text = |blocks: Vec<&pem::Pem>| {
        STANDARD.encode(blocks.iter().map(ToString::to_string).collect::<String>())
    };
    (text(chain), text(keys))
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_hosts_and_secrets_change_without_a_failed_request() -> anyhow::Result<()> {
    const ROUNDS: usize = 12;
    let backends = [Backend::http("one").await?, Backend::http("two").await?];
    let certificate = || meshgate::certificate("*.example.com", "ecdsa");
    let resources = Resources {
        backends: [backends[0].port(), backends[1].port()],
        certificates: [certificate()?, certificate()?],
    };
    let run = Run::start_files(&[], &[], |address, folder| {
        std::fs::write(folder.join("gateway.yaml"), resources.yaml(address, 0))?;
        Ok(())
    })?;
    run.ready().await?;
    assert!(
        run.said().contains("meshgate: gateway prod/edge\n"),
        "{}",
        run.said()
    );
    let status = run.status().await?;
    assert_eq!(
        [&status["gateway"], &status["namespace"], &status["mesh"]],
        ["edge", "prod", ""]
    );
    let shown = async || -> anyhow::Result<_> {
        let tls = Tls::sni(HOST);
        Ok(Connection::open_tls(run.tls(), &tls).await?.certificate)
    };
    let first = shown().await?;

    let load = Load::start(&run, &ALL, 50);
    for round in 1..=ROUNDS {
        run.write(&resources.yaml(run.address, round))?;
        run.until_reloads("applied", u64::try_from(round)?).await?;
        let answer = run.get(HOST).await?;
        assert_eq!(answer.headers["x-generation"], round.to_string());
        let backend = answer.echo()?.backend;
        let expected: &[&str] = [&["one"][..], &["two"], &["one", "two"]][round % 3];
        assert!(expected.contains(&backend.as_str()), "{round} {backend}");
        let is_new = round / 4 % 2 == 1;
        until("the certificate", async || {
            let now = shown().await.ok()?;
            ((now != first) == is_new).then_some(())
        })
        .await?;
        for (host, rounds) in [("a.example.com", 1), ("b.example.org", 2)] {
            let status = run.get(host).await?.status;
            let is_there = round / 2 % 3 == rounds;
            assert_eq!(status == 200, is_there, "{round} {host} {status}");
        }
    }
    let tally = load.end().await?;
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert!(tally.requests > 100, "{tally:?}");
    assert_eq!(run.reloads("refused").await?, 0);
    Ok(())
}
