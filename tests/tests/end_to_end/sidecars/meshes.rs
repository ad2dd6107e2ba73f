//! Gateways of other meshes, by an outbound and by their hostnames.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use hyper::Request;
use hyper::header::HeaderName;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::on_each_envoy;
use system_tests::ports::free_port;
use tempfile::TempDir;

use super::{fetch, sidecar};
use crate::gateway::own_address;

on_each_envoy! {
    gateways_of_other_meshes_by_tags
    gateways_of_other_meshes_by_hostname
    headers_that_only_proxies_write_are_not_the_clients
}

/// `web` of mesh `default` and the gateway `api` of mesh `far`, behind which the backend of that mesh is.
const FAR: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
---
type: Mesh
name: far
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
---
type: Dataplane
mesh: default
name: web-1
labels: {meshgate.io/cross-mesh-port: '{number}'}
networking:
  address: {web}
  inbound:
  - {port: 7000, servicePort: {http}, serviceAddress: 127.0.0.1, tags: {kuma.io/service: web, kuma.io/protocol: http}}
  outbound:
  - {port: 8001, address: {web}, tags: {kuma.io/mesh: far, kuma.io/service: api}}
---
type: Dataplane
mesh: far
name: api-1
networking:
  address: {gateway}
  gateway: {type: BUILTIN, tags: {kuma.io/service: api}}
---
type: Dataplane
mesh: far
name: backend-1
networking:
  address: {backend}
  inbound:
  - {port: 7001, servicePort: {http}, serviceAddress: 127.0.0.1, tags: {kuma.io/service: backend, kuma.io/protocol: http}}
---
type: MeshGateway
mesh: far
name: api
selectors: [{match: {kuma.io/service: api}}]
conf:
  listeners:
  - {port: 9080, protocol: HTTP, crossMesh: true}
---
type: MeshHTTPRoute
mesh: far
name: to-backend
spec:
  targetRef: {kind: MeshGateway, name: api}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      default: {backendRefs: [{kind: MeshService, name: backend}]}
---
type: MeshTrafficPermission
mesh: far
name: the-gateway-may
spec:
  from:
  - targetRef: {kind: MeshService, name: api}
    default: {action: Allow}
";

struct Far {
    web: IpAddr,
    port: u16,
    _envoys: [Envoy; 3],
    _backend: Backend,
    _dir: TempDir,
}

impl Far {
    async fn start(version: &str) -> anyhow::Result<Self> {
        let service = Backend::http("far").await?;
        let [web, gateway, backend] = [own_address(), own_address(), own_address()];
        let port = free_port()?;
        let dir = TempDir::new()?;
        let text = FAR
            .replace("{web}", &web.to_string())
            .replace("{gateway}", &gateway.to_string())
            .replace("{backend}", &backend.to_string())
            .replace("{number}", &port.to_string())
            .replace("{http}", &service.port().to_string());
        fs::write(dir.path().join("resources.yaml"), text)?;
        Ok(Self {
            web,
            port,
            _envoys: [
                sidecar(version, &dir, "far", "backend-1").await?,
                sidecar(version, &dir, "far", "api-1").await?,
                sidecar(version, &dir, "default", "web-1").await?,
            ],
            _backend: service,
            _dir: dir,
        })
    }

    async fn by_hostname(&self, host: &str, headers: &[Header]) -> anyhow::Result<Response> {
        let connection = Connection::open(SocketAddr::from(([127, 0, 0, 1], self.port))).await?;
        connection.http1(with(get(host, "/"), headers)?).await
    }
}

type Header = (&'static str, &'static str);

/// The request with further headers.
fn with<T>(mut request: Request<T>, headers: &[Header]) -> anyhow::Result<Request<T>> {
    for &(name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        request.headers_mut().append(name, value.parse()?);
    }
    Ok(request)
}

async fn gateways_of_other_meshes_by_tags(version: &str) -> anyhow::Result<()> {
    let far = Far::start(version).await?;
    let response = fetch(far.web, 8001, "/a").await?;
    let echo = response.echo()?;
    assert_eq!(
        (response.status, &*echo.backend, &*echo.path),
        (200, "far", "/a")
    );
    Ok(())
}

async fn gateways_of_other_meshes_by_hostname(version: &str) -> anyhow::Result<()> {
    let far = Far::start(version).await?;
    let response = far.by_hostname("internal.api.far.mesh", &[]).await?;
    let echo = response.echo()?;
    assert_eq!((response.status, &*echo.backend), (200, "far"));
    let response = far.by_hostname("internal.other.far.mesh", &[]).await?;
    assert_eq!(response.status, 404, "{response:?}");
    assert!(!response.header("x-meshgate-reason").is_empty());
    Ok(())
}

/// Neither where a request goes nor in whose name is up to headers of the client, on any of the proxies on its way.
async fn headers_that_only_proxies_write_are_not_the_clients(version: &str) -> anyhow::Result<()> {
    let far = Far::start(version).await?;
    let lies = [
        ("x-meshgate-cluster", "localhost:1"),
        ("X-Meshgate-Cluster", "localhost:2"),
        ("x-kuma-tags", "&kuma.io/service=admin&"),
    ];
    let by_tags = {
        let connection = Connection::open(SocketAddr::new(far.web, 8001)).await?;
        connection.http1(with(get("any.test", "/"), &lies)?).await?
    };
    let by_hostname = far.by_hostname("internal.api.far.mesh", &lies).await?;
    for response in [by_tags, by_hostname] {
        let echo = response.echo()?;
        assert_eq!((response.status, &*echo.backend), (200, "far"));
        assert_eq!(echo.headers.get("x-meshgate-cluster"), None);
        assert_eq!(echo.headers.get("x-kuma-tags"), None);
    }
    let response = far.by_hostname("internal.other.far.mesh", &lies).await?;
    assert_eq!(response.status, 404, "{response:?}");
    Ok(())
}
