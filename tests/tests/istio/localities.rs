//! Near endpoints and far ones, as DestinationRules tell them apart.

use std::collections::BTreeMap;

use system_tests::echo::Backend;
use system_tests::{envoy, on_each_envoy, until};

use crate::gateway::{Gateway, Setup, served};

on_each_envoy! {
    far_endpoints_stand_in_for_near_ones
    labels_rank_endpoints
    localities_get_their_shares
}

const HOST: &str = "a.example.com";
const HOME: [&str; 2] = ["--locality", "west/one"];

/// A gateway with the route to `web.example.org`, what the rule says of it, and its endpoints: port, locality, labels.
fn resources(policy: &str, endpoints: &[(u16, &str, &str)]) -> String {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(port, locality, labels)| {
            format!(
                "{{address: 127.0.0.1, ports: {{http: {port}}}, locality: {locality}, labels: {{{labels}}}}}"
            )
        })
        .collect();
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{app: edge}}
  servers:
  - port: {{number: 8080, name: http, protocol: HTTP}}
    hosts: [{HOST}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: [{HOST}]
  gateways: [edge]
  http: [{{route: [{{destination: {{host: web.example.org}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec:
  host: web.example.org
  trafficPolicy: {policy}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web}}
spec:
  hosts: [web.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{}]
",
        endpoints.join(", ")
    )
}

/// Who answers how many of these requests.
async fn answers(gateway: &Gateway, count: usize) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let response = gateway.get(8080, HOST, "/").await?;
        *answers.entry(served(&response)).or_default() += 1;
    }
    Ok(answers)
}

// A connection for each request: a backend that has gone away goes on with those that it has.
const EJECTS: &str = "connectionPool: {http: {maxRequestsPerConnection: 1}}, \
    outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 3600s, maxEjectionPercent: 100}";

async fn far_endpoints_stand_in_for_near_ones(version: &str) -> anyhow::Result<()> {
    let near = Backend::http("near").await?;
    let region = Backend::http("region").await?;
    let failover = Backend::http("failover").await?;
    let far = Backend::http("far").await?;
    let endpoints = [
        (far.port(), "north", ""),
        (failover.port(), "east/one", ""),
        (region.port(), "west/two", ""),
        (near.port(), "west/one", ""),
    ];
    let policy = format!(
        "{{{EJECTS}, loadBalancer: {{localityLbSetting: {{failover: [{{from: west, to: east}}]}}}}}}"
    );
    let setup = Setup::new(&resources(&policy, &endpoints))?;
    let gateway = setup.start(version, &HOME).await?;
    assert!(!gateway.findings.contains("MG07"), "{}", gateway.findings);
    envoy::validate(version, &gateway.bootstrap).await?;
    let all = |name: &str| BTreeMap::from([(name.to_owned(), 20)]);
    assert_eq!(answers(&gateway, 20).await?, all("near"));
    // One after the other goes away.
    for (gone, next) in [(near, "region"), (region, "failover"), (failover, "far")] {
        drop(gone);
        until(next, async || {
            let response = gateway.get(8080, HOST, "/").await.ok()?;
            (served(&response) == next).then_some(())
        })
        .await?;
        assert_eq!(answers(&gateway, 20).await?, all(next));
    }
    Ok(())
}

async fn labels_rank_endpoints(version: &str) -> anyhow::Result<()> {
    let same = Backend::http("same").await?;
    let other = Backend::http("other").await?;
    let endpoints = [
        (other.port(), "west/one", "version: v1"),
        (same.port(), "east/one", "version: v2"),
    ];
    let setting = "{localityLbSetting: {failoverPriority: ['version=v2']}}";
    let policy = format!("{{{EJECTS}, loadBalancer: {setting}}}");
    let setup = Setup::new(&resources(&policy, &endpoints))?;
    let gateway = setup.start(version, &HOME).await?;
    let all = |name: &str| BTreeMap::from([(name.to_owned(), 20)]);
    assert_eq!(answers(&gateway, 20).await?, all("same"));
    drop(same);
    until("the other", async || {
        let response = gateway.get(8080, HOST, "/").await.ok()?;
        (served(&response) == "other").then_some(())
    })
    .await?;
    Ok(())
}

async fn localities_get_their_shares(version: &str) -> anyhow::Result<()> {
    let one = Backend::http("one").await?;
    let others = Backend::http("others").await?;
    let nobody = Backend::http("nobody").await?;
    // Of four endpoints one gets four fifths: the localities count, and not the endpoints.
    let endpoints = [
        (one.port(), "west/one", ""),
        (others.port(), "east/one", "at: a"),
        (others.port(), "east/two", "at: b"),
        (nobody.port(), "north", ""),
    ];
    let setting = "{distribute: [{from: west, to: {west: 80, 'east/*': 20}}]}";
    let policy = format!("{{loadBalancer: {{localityLbSetting: {setting}}}}}");
    let setup = Setup::new(&resources(&policy, &endpoints))?;
    let gateway = setup.start(version, &HOME).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let found = answers(&gateway, 200).await?;
    let of = |name: &str| found.get(name).copied().unwrap_or_default();
    assert_eq!(of("one") + of("others"), 200, "{found:?}");
    assert!(of("one") > 120 && of("others") > 10, "{found:?}");

    // To a gateway elsewhere the entry says nothing, and all get their part.
    let setup = Setup::new(&resources(&policy, &endpoints))?;
    let gateway = setup.start(version, &["--locality", "south"]).await?;
    let found = answers(&gateway, 200).await?;
    assert_eq!(found.len(), 3, "{found:?}");

    // Nobody says where this one is.
    let setup = Setup::new(&resources(&policy, &endpoints))?;
    let gateway = setup.start(version, &[]).await?;
    assert!(gateway.findings.contains("MG0700"), "{}", gateway.findings);
    Ok(())
}
