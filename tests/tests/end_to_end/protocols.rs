//! Policies for calls of gRPC and for connections, aimed at one of two listeners by its tags.

use system_tests::calls::Calls;
use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::on_each_envoy;

use crate::gateway::Gateway;
use crate::policies::{LISTENERS, ROUTE, get, newer, older};

on_each_envoy! {
    calls_are_tried_again
    a_timeout_for_calls
    silent_connections_end
    connections_are_tried_so_often
}

/// The service `scripted`, as one that speaks gRPC.
fn scripted(calls: &Calls) -> String {
    format!(
        "type: Dataplane
mesh: default
name: scripted-1
networking:
  address: 127.0.0.1
  inbound:
  - {{port: {}, tags: {{kuma.io/service: scripted, kuma.io/protocol: grpc}}}}
",
        calls.address.port()
    )
}

async fn calls_are_tried_again(version: &str) -> anyhow::Result<()> {
    for policy in [
        newer(
            "MeshRetry",
            "{grpc: {numRetries: 3, backOff: {baseInterval: 1ms}, retryOn: [Unavailable]}, http: {numRetries: 0}}",
        ),
        older(
            "Retry",
            "{grpc: {numRetries: 3, backOff: {baseInterval: 0.001s}, retryOn: [unavailable]}}",
        ),
    ] {
        let calls = Calls::start("14").await?;
        let dataplane = scripted(&calls);
        let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &dataplane, &policy]).await?;
        for (host, attempts) in [("one.example.com", 4), ("two.example.com", 1)] {
            let response = get(&gateway, host, "/").await?;
            assert_eq!(
                (response.header("grpc-status"), calls.take()),
                ("14", attempts),
                "{host}"
            );
        }
    }
    Ok(())
}

async fn a_timeout_for_calls(version: &str) -> anyhow::Result<()> {
    let calls = Calls::start("").await?;
    let dataplane = scripted(&calls);
    let policy = older("Timeout", "{grpc: {stream_idle_timeout: 0.2s}}");
    let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &dataplane, &policy]).await?;
    let response = get(&gateway, "one.example.com", "/").await?;
    assert_eq!((response.status, &*response.body), (504, "stream timeout"));
    Ok(())
}

const CONNECTIONS: &str = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8080, protocol: TCP, tags: {host: one}}
  - {port: 8081, protocol: TCP, tags: {host: two}}
---
type: MeshTCPRoute
mesh: default
name: to-echo
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - default:
        backendRefs: [{kind: MeshService, name: echo}]
";

/// The service `echo` on this port.
fn echo(port: u16) -> String {
    format!(
        "type: Dataplane
mesh: default
name: echo-1
networking:
  address: 127.0.0.1
  inbound:
  - {{port: {port}, tags: {{kuma.io/service: echo, kuma.io/protocol: tcp}}}}
"
    )
}

async fn silent_connections_end(version: &str) -> anyhow::Result<()> {
    let backend = Backend::tcp().await?;
    for policy in [
        newer("MeshTimeout", "{idleTimeout: 300ms}"),
        older("Timeout", "{tcp: {idle_timeout: 0.3s}}"),
    ] {
        let resources = [CONNECTIONS, &echo(backend.port()), &policy];
        let gateway = Gateway::start(version, &resources).await?;
        let mut two = Connection::open(gateway.at(8081)).await?;
        assert_eq!(two.exchange(b"hello\n", b"\n").await?, b"hello\n");
        let mut one = gateway.connect().await?;
        // Until the gateway closes it.
        assert_eq!(one.raw(b"hello\n").await?, b"hello\n");
        assert_eq!(two.exchange(b"still\n", b"\n").await?, b"still\n");
    }
    Ok(())
}

async fn connections_are_tried_so_often(version: &str) -> anyhow::Result<()> {
    // Nobody listens there any more.
    let port = Backend::tcp().await?.port();
    for policy in [
        newer("MeshRetry", "{tcp: {maxConnectAttempt: 2}}"),
        older("Retry", "{tcp: {maxConnectAttempts: 2}}"),
    ] {
        let gateway = Gateway::start(version, &[CONNECTIONS, &echo(port), &policy]).await?;
        for (port, attempts) in [(8080, 2), (8081, 5)] {
            let before = attempted(&gateway).await?;
            let mut connection = Connection::open(gateway.at(port)).await?;
            assert_eq!(connection.raw(b"hello\n").await.unwrap_or_default(), b"");
            assert_eq!(attempted(&gateway).await? - before, attempts, "{port}");
        }
    }
    Ok(())
}

/// How many connections to the backend have been tried.
async fn attempted(gateway: &Gateway) -> anyhow::Result<u64> {
    const COUNTERS: &str = "/stats?filter=^cluster\\.echo-.*\\.upstream_cx_total$";
    let stats = gateway.envoy.admin_get(COUNTERS).await?;
    let counts = stats.body.lines().filter_map(|line| line.rsplit_once(": "));
    counts.map(|(_, count)| Ok(count.parse::<u64>()?)).sum()
}
