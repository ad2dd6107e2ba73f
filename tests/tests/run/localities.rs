//! Where requests go first changes with the resources, without an end of connections.

use std::fs;
use std::net::Ipv4Addr;

use system_tests::client::Connection;
use system_tests::client::get;
use system_tests::echo::Backend;
use system_tests::{envoy, on_each_envoy, until};

use crate::gateway::{HOST, HTTP, Run};

on_each_envoy! { priorities_and_shares_follow_the_rules }

fn resources(address: Ipv4Addr, ports: [u16; 2], policy: &str) -> String {
    let [west, east] = ports;
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
  hosts: ['*']
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
  endpoints:
  - {{address: 127.0.0.1, ports: {{http: {west}}}, locality: west}}
  - {{address: 127.0.0.1, ports: {{http: {east}}}, locality: east}}
"
    )
}

async fn priorities_and_shares_follow_the_rules(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("west").await?, Backend::http("east").await?];
    let ports = [backends[0].port(), backends[1].port()];
    let binary = envoy::binary(version)?.display().to_string();
    let args = ["--envoy", &binary, "--locality", "west"];
    let near = "{outlierDetection: {}}";
    let run = Run::start_files(&args, &[], |address, folder| {
        let yaml = resources(address, ports, near);
        Ok(fs::write(folder.join("gateway.yaml"), yaml)?)
    })?;
    run.ready().await?;
    let mut kept = Connection::open(run.at()).await?.keep_http1().await?;
    let mut who = async || -> anyhow::Result<_> {
        anyhow::ensure!(kept.is_open().await, "the connection is closed");
        Ok(kept.send(get(HOST, "/")).await?.echo()?.backend)
    };
    for _ in 0..10 {
        assert_eq!(who().await?, "west");
    }
    let to = |place: &str| {
        format!(
            "{{loadBalancer: {{localityLbSetting: {{distribute: [{{from: west, to: {{{place}: 100}}}}]}}}}}}"
        )
    };
    let (to_east, to_west) = (to("east"), to("west"));
    for (policy, backend) in [
        (to_east.as_str(), "east"),
        (&to_west, "west"),
        (near, "west"),
    ] {
        let before = run.reloads("applied").await?;
        run.write(&resources(run.address, ports, policy))?;
        run.until_reloads("applied", before + 1).await?;
        until(backend, async || {
            (who().await.ok()? == backend).then_some(())
        })
        .await?;
        for _ in 0..10 {
            assert_eq!(who().await?, backend, "{policy}");
        }
    }
    assert_eq!(run.reloads("refused").await?, 0);
    Ok(())
}
