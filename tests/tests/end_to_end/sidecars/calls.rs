//! A service calls another one: what reaches it, by which route, and what is logged.

use std::fs;
use std::net::SocketAddr;

use system_tests::client::{Connection, request};
use system_tests::collector::Collector;
use system_tests::{on_each_envoy, until};

use super::{ALL_MAY, World, fetch};

on_each_envoy! {
    a_service_calls_another_one
    connections_are_forwarded_as_they_are
    routes_and_resources
    both_sides_are_logged
}

async fn a_service_calls_another_one(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "STRICT", ALL_MAY).await?;
    let connection = Connection::open(SocketAddr::new(world.web, 8001)).await?;
    let mut lie = request("POST", "backend.test", "/a/../b?c=d");
    lie.headers_mut()
        .insert("x-kuma-tags", "&team=admin&".parse()?);
    lie.headers_mut().insert(
        "x-forwarded-client-cert",
        "URI=spiffe://default/admin".parse()?,
    );
    let response = connection.http1(lie).await?;
    let echo = response.echo()?;
    assert_eq!(
        (response.status, &*echo.backend, &*echo.host),
        (200, "service", "backend.test")
    );
    assert_eq!((&*echo.method, &*echo.path), ("POST", "/a/../b?c=d"));
    assert_eq!(echo.headers.get("x-kuma-tags"), None);
    let client = echo
        .headers
        .get("x-forwarded-client-cert")
        .map_or("", |v| v);
    assert!(client.contains("URI=spiffe://default/web"), "{client}");
    assert!(!client.contains("admin"), "{client}");
    Ok(())
}

async fn connections_are_forwarded_as_they_are(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "STRICT", ALL_MAY).await?;
    let mut connection = Connection::open(SocketAddr::new(world.web, 8002)).await?;
    for line in [&b"first\n"[..], b"second\n"] {
        assert_eq!(connection.exchange(line, b"\n").await?, line);
    }
    Ok(())
}

async fn routes_and_resources(version: &str) -> anyhow::Result<()> {
    let route = "
type: MeshHTTPRoute
mesh: default
name: backend-paths
spec:
  targetRef: {kind: MeshSubset, tags: {kuma.io/service: web}}
  to:
  - targetRef: {kind: MeshService, name: backend}
    rules:
    - matches: [{path: {type: PathPrefix, value: /old}}]
      default:
        filters:
        - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}
    - matches: [{path: {type: Exact, value: /gone}}]
      default:
        filters:
        - {type: RequestRedirect, requestRedirect: {hostname: else.test}}
";
    let world = World::start(version, "STRICT", &format!("{ALL_MAY}---{route}")).await?;
    for port in [8001, 8003] {
        let served = fetch(world.web, port, "/old/x").await?.echo()?;
        assert_eq!(served.path, "/new/x", "port {port}");
        let served = fetch(world.web, port, "/other").await?.echo()?;
        assert_eq!(served.path, "/other", "port {port}");
        let moved = fetch(world.web, port, "/gone").await?;
        assert_eq!(moved.status, 302, "port {port}");
    }
    let untouched = world.other("/old/x").await?.echo()?;
    assert_eq!(untouched.path, "/old/x", "the route is for `web`");
    Ok(())
}

/// What leaves goes to a collector and, as a `TrafficLog` says, to a file; what comes in goes to the same collector.
async fn both_sides_are_logged(version: &str) -> anyhow::Result<()> {
    let mut collector = Collector::start().await?;
    let backend = format!(
        "{{type: OpenTelemetry, openTelemetry: {{endpoint: '{}', body: {{stringValue:
           '%REQ(:PATH)% %KUMA_TRAFFIC_DIRECTION% %KUMA_SOURCE_SERVICE% %KUMA_DESTINATION_SERVICE%'}}}}}}",
        collector.address
    );
    let resources = format!(
        "{ALL_MAY}---
type: MeshAccessLog
mesh: default
name: out
spec:
  targetRef: {{kind: MeshSubset, tags: {{kuma.io/service: web}}}}
  to:
  - targetRef: {{kind: MeshService, name: backend}}
    default: {{backends: [{backend}]}}
---
type: MeshAccessLog
mesh: default
name: in
spec:
  targetRef: {{kind: Dataplane, name: backend-1}}
  rules:
  - default: {{backends: [{backend}]}}
---
type: TrafficLog
mesh: default
name: older
sources:
- match: {{kuma.io/service: web}}
destinations:
- match: {{kuma.io/service: backend-tcp}}
conf: {{backend: file}}
"
    );
    let world = World::start(version, "STRICT", &resources).await?;
    assert_eq!(world.other("/other").await?.status, 200);
    let record = collector.record().await?;
    assert_eq!(record.body, "/other INBOUND unknown backend");
    assert_eq!(world.web("/web").await?.status, 200);
    let mut bodies = [collector.record().await?, collector.record().await?].map(|r| r.body);
    bodies.sort();
    let both = ["/web INBOUND unknown backend", "/web OUTBOUND web backend"];
    assert_eq!(bodies, both);
    let mut connection = Connection::open(SocketAddr::new(world.web, 8002)).await?;
    assert_eq!(connection.exchange(b"hello\n", b"\n").await?, b"hello\n");
    drop(connection);
    let line = until("a line", async || {
        let lines = fs::read_to_string(world.dir.path().join("log")).ok()?;
        lines.contains('\n').then_some(lines)
    });
    assert_eq!(line.await?, "OUTBOUND backend-tcp\n");
    Ok(())
}
