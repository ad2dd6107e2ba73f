//! The ways to a service: its hostnames, a gateway, sockets and endpoints that take the place of others.

use std::net::{Ipv4Addr, SocketAddr};

use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::on_each_envoy;
use system_tests::outside::{self, Ca};
use system_tests::ports::free_port;
use tempfile::TempDir;

use super::{World, permission, secured, server, service, verified};
use crate::gateway::own_address;

on_each_envoy! {
    by_hostname
    behind_a_gateway
    a_missing_secret_affects_one_service
    priorities_and_sockets
}

async fn by_hostname(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("one").await?, Backend::http("two").await?];
    let address = own_address();
    let port = free_port()?;
    let own = format!(
        "
type: Dataplane
mesh: default
name: web-1
labels: {{meshgate.io/external-service-port: '{port}'}}
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
---
type: HostnameGenerator
name: example
spec:
  selector: {{meshExternalService: {{matchLabels: {{kuma.io/origin: zone}}}}}}
  template: '{{{{ .DisplayName }}}}.svc.meshext.local'
---
type: MeshHTTPRoute
mesh: default
name: two
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, name: two}}
    rules:
    - matches: [{{path: {{type: PathPrefix, value: /old}}}}]
      default: {{filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /new}}}}}}]}}
{}{}{}{}",
        service("one", "http", "localhost", backends[0].port(), ""),
        service("two", "http2", "localhost", backends[1].port(), ""),
        service("closed", "http", "localhost", backends[1].port(), ""),
        permission("closed", "allow: [{spiffeID: {type: Exact, value: spiffe://default/else}}]"),
    );
    let world = World::of(version, address, "web-1", &own).await?;
    let ask = async |host: &str, path: &str| {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Connection::open(to).await?.http1(get(host, path)).await
    };
    for (host, path, backend, seen) in [
        ("one.svc.meshext.local", "/", "one", "/"),
        ("one.extsvc.mesh.local", "/old/x", "one", "/old/x"),
        ("ONE.svc.meshext.local:80", "/", "one", "/"),
        ("two.svc.meshext.local", "/old/x", "two", "/new/x"),
        ("two.extsvc.mesh.local", "/", "two", "/"),
    ] {
        let echo = ask(host, path).await?.echo()?;
        assert_eq!((&*echo.backend, &*echo.path), (backend, seen), "{host}");
        assert!(echo.host.starts_with("localhost"), "{}", echo.host);
    }
    for (host, expected) in [
        ("other.test", "403 unknown_destination"),
        ("svc.meshext.local", "403 unknown_destination"),
        ("127.0.0.1", "403 unknown_destination"),
        ("2130706433", "400 malformed_authority"),
        ("closed.svc.meshext.local", "403 client_not_allowed"),
    ] {
        let response = ask(host, "/").await?;
        let said = format!(
            "{} {}",
            response.status,
            response.header("x-meshgate-reason")
        );
        assert_eq!(said, expected, "{host}");
    }
    drop(world);
    Ok(())
}

async fn behind_a_gateway(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let own = server(ca.sign(&["api.test"], false)?);
    let backends = [
        outside::http("https", &own).await?,
        outside::tcp(&own).await?,
    ];
    let address = own_address();
    let text = format!(
        "
type: Dataplane
mesh: default
name: edge-1
networking:
  address: {address}
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: MeshGateway
mesh: default
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
  listeners:
  - {{port: 9001, protocol: HTTP}}
  - {{port: 9002, protocol: TCP}}
---
type: MeshHTTPRoute
mesh: default
name: api
spec:
  targetRef: {{kind: MeshGateway, name: edge}}
  to:
  - targetRef: {{kind: Mesh}}
    rules:
    - matches: [{{path: {{type: PathPrefix, value: /closed}}}}]
      default: {{backendRefs: [{{kind: MeshExternalService, name: closed, port: 80}}]}}
    - matches: [{{path: {{type: PathPrefix, value: /}}}}]
      default: {{backendRefs: [{{kind: MeshExternalService, name: api, port: 80}}]}}
---
type: MeshTCPRoute
mesh: default
name: tcp
spec:
  targetRef: {{kind: MeshGateway, name: edge}}
  to:
  - targetRef: {{kind: Mesh}}
    rules: [{{default: {{backendRefs: [{{kind: MeshExternalService, name: tcp, port: 80}}]}}}}]
{}{}{}{}",
        service(
            "api",
            "http",
            "localhost",
            backends[0].port(),
            &secured(&ca)
        ),
        service(
            "closed",
            "http",
            "localhost",
            backends[0].port(),
            &secured(&ca)
        ),
        service("tcp", "tcp", "localhost", backends[1].port(), &secured(&ca)),
        permission(
            "closed",
            "allow: [{spiffeID: {type: Exact, value: spiffe://default/else}}]"
        ),
    );
    let world = World::of(version, address, "edge-1", &text).await?;
    let echo = world.get(0, "/a").await?.echo()?;
    assert_eq!((&*echo.backend, &*echo.path), ("https", "/a"));
    assert!(echo.host.starts_with("localhost"), "{}", echo.host);
    let refused = world.get(0, "/closed").await?;
    assert_eq!(
        (refused.status, refused.header("x-meshgate-reason")),
        (403, "client_not_allowed")
    );
    assert!(world.answers(1).await?);
    Ok(())
}

async fn a_missing_secret_affects_one_service(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let services = [
        service("good", "http", "127.0.0.1", backend.port(), ""),
        service(
            "bad",
            "http",
            "127.0.0.1",
            backend.port(),
            &verified("serverName: api.test, caCert: {secret: not-there}"),
        ),
    ];
    let world = World::start(version, &["good", "bad"], &services.concat()).await?;
    assert_eq!(world.get(0, "/").await?.status, 200);
    assert_eq!(world.get(1, "/").await?.status, 503);
    Ok(())
}

async fn priorities_and_sockets(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let socket = dir.path().join("s");
    let listener = tokio::net::UnixListener::bind(&socket)?;
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let backends = [
        Backend::http("first").await?,
        Backend::http("second").await?,
    ];
    let services = format!(
        "
---
type: MeshExternalService
mesh: default
name: socket
spec:
  match: {{port: 80, protocol: tcp}}
  endpoints: [{{address: 'unix://{}'}}]
---
type: MeshExternalService
mesh: default
name: two
spec:
  match: {{port: 80, protocol: http}}
  endpoints:
  - {{address: 127.0.0.1, port: {}, priority: 7}}
  - {{address: 127.0.0.1, port: {}, priority: 2}}
",
        socket.display(),
        backends[1].port(),
        backends[0].port()
    );
    let world = World::start(version, &["socket", "two"], &services).await?;
    assert!(world.answers(0).await?);
    for _ in 0..5 {
        assert_eq!(world.get(1, "/").await?.echo()?.backend, "first");
    }
    server.abort();
    Ok(())
}
