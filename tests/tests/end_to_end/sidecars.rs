//! Proxies next to services: between each other with mTLS, with permissions, and to gateways of other meshes.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use hyper::Request;
use hyper::header::HeaderName;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use system_tests::client::{Connection, Response, get, request};
use system_tests::collector::Collector;
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::{meshgate, on_each_envoy, until};
use tempfile::TempDir;

use crate::gateway::own_address;
use crate::mesh::{between, signed};

on_each_envoy! {
    a_service_calls_another_one
    connections_are_forwarded_as_they_are
    without_permission_nobody_may_call
    permissions_by_tags
    permissions_by_identity
    the_older_permission_closes_connections
    permissive_services_take_what_comes_in_the_clear
    impostors_are_refused
    routes_and_resources
    gateways_of_other_meshes_by_tags
    gateways_of_other_meshes_by_hostname
    headers_that_only_proxies_write_are_not_the_clients
    both_sides_are_logged
}

/// `web` calls `backend`, which speaks HTTP on port 7001 and something else on port 7002.
const SERVICES: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin, mode: {mode}}]}
logging: {backends: [{name: file, type: file, format: '%KUMA_TRAFFIC_DIRECTION% %KUMA_DESTINATION_SERVICE%', conf: {path: {log}}}]}
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: {web}
  inbound:
  - {port: 7000, servicePort: {http}, serviceAddress: 127.0.0.1, tags: {kuma.io/service: web, kuma.io/protocol: http, team: a}}
  outbound:
  - {port: 8001, address: {web}, tags: {kuma.io/service: backend}}
  - {port: 8002, address: {web}, tags: {kuma.io/service: backend-tcp}}
  - {port: 8003, address: {web}, backendRef: {kind: MeshService, name: backend, port: 80}}
---
type: Dataplane
mesh: default
name: other-1
networking:
  address: {other}
  inbound:
  - {port: 7000, servicePort: {http}, serviceAddress: 127.0.0.1, tags: {kuma.io/service: other, kuma.io/protocol: http, team: b}}
  outbound:
  - {port: 8001, address: {other}, tags: {kuma.io/service: backend}}
  - {port: 8002, address: {other}, tags: {kuma.io/service: backend-tcp}}
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: {backend}
  inbound:
  - {port: 7001, servicePort: {http}, serviceAddress: 127.0.0.1, tags: {kuma.io/service: backend, kuma.io/protocol: http}}
  - {port: 7002, servicePort: {tcp}, serviceAddress: 127.0.0.1, tags: {kuma.io/service: backend-tcp}}
---
type: MeshService
mesh: default
name: backend
spec:
  selector: {dataplaneTags: {kuma.io/service: backend}}
  ports: [{port: 80, targetPort: 7001, appProtocol: http}]
";

const ALL_MAY: &str = "
type: MeshTrafficPermission
mesh: default
name: all
spec:
  from:
  - targetRef: {kind: Mesh}
    default: {action: Allow}
";

/// The services, each with a proxy. All of it ends when this is dropped.
struct World {
    web: IpAddr,
    other: IpAddr,
    backend: IpAddr,
    dir: TempDir,
    _envoys: Vec<Envoy>,
    _backends: [Backend; 2],
}

impl World {
    async fn start(version: &str, mode: &str, resources: &str) -> anyhow::Result<Self> {
        Self::start_with(version, mode, resources, |_| Ok(())).await
    }

    /// `before` may change files between the start of the services' proxy and that of the clients'.
    async fn start_with(
        version: &str,
        mode: &str,
        resources: &str,
        before: impl FnOnce(&TempDir) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let backends = [Backend::http("service").await?, Backend::tcp().await?];
        let [web, other, backend] = [own_address(), own_address(), own_address()];
        let dir = TempDir::new()?;
        let text = format!("{SERVICES}---{resources}")
            .replace("{mode}", mode)
            .replace("{log}", &dir.path().join("log").display().to_string())
            .replace("{web}", &web.to_string())
            .replace("{other}", &other.to_string())
            .replace("{backend}", &backend.to_string())
            .replace("{http}", &backends[0].port().to_string())
            .replace("{tcp}", &backends[1].port().to_string());
        fs::write(dir.path().join("resources.yaml"), text)?;
        let mut envoys = vec![sidecar(version, &dir, "default", "backend-1").await?];
        before(&dir)?;
        for client in ["web-1", "other-1"] {
            envoys.push(sidecar(version, &dir, "default", client).await?);
        }
        Ok(Self {
            web,
            other,
            backend,
            dir,
            _envoys: envoys,
            _backends: backends,
        })
    }

    /// What `web` gets from the backend.
    async fn web(&self, path: &str) -> anyhow::Result<Response> {
        fetch(self.web, 8001, path).await
    }

    /// What `other` gets from the backend.
    async fn other(&self, path: &str) -> anyhow::Result<Response> {
        fetch(self.other, 8001, path).await
    }
}

/// Envoy as the proxy of a Dataplane of the resources in the folder.
async fn sidecar(version: &str, dir: &TempDir, mesh: &str, name: &str) -> anyhow::Result<Envoy> {
    let file = dir.path().join(format!("{mesh}-{name}.json"));
    let [resources, to] =
        [&dir.path().join("resources.yaml"), &file].map(|p| p.display().to_string());
    meshgate::run_in(
        &dir.path().join("work"),
        [
            "bootstrap",
            &resources,
            "--mesh",
            mesh,
            "--dataplane",
            name,
            "--admin",
            "127.0.0.1:0",
            "--format",
            "json",
            "-o",
            &to,
        ],
    )?;
    Envoy::start_file(version, &file).await
}

async fn fetch(address: IpAddr, port: u16, path: &str) -> anyhow::Result<Response> {
    let connection = Connection::open(SocketAddr::new(address, port)).await?;
    connection.http1(get("backend.test", path)).await
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

async fn without_permission_nobody_may_call(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "STRICT", "").await?;
    let response = world.web("/").await?;
    assert_eq!(
        (response.status, &*response.body),
        (403, "RBAC: access denied")
    );
    let mut connection = Connection::open(SocketAddr::new(world.web, 8002)).await?;
    assert_eq!(connection.raw(b"hello\n").await.unwrap_or_default(), b"");
    Ok(())
}

async fn permissions_by_tags(version: &str) -> anyhow::Result<()> {
    let permission = "
type: MeshTrafficPermission
mesh: default
name: not-team-b
spec:
  targetRef: {kind: MeshService, name: backend}
  from:
  - targetRef: {kind: Mesh}
    default: {action: Allow}
  - targetRef: {kind: MeshSubset, tags: {team: b}}
    default: {action: Deny}
";
    let world = World::start(version, "STRICT", permission).await?;
    assert_eq!(world.web("/").await?.status, 200);
    assert_eq!(world.other("/").await?.status, 403);
    let mut connection = Connection::open(SocketAddr::new(world.web, 8002)).await?;
    let answer = connection.raw(b"hello\n").await.unwrap_or_default();
    assert_eq!(answer, b"", "the policy is for another inbound");
    Ok(())
}

async fn permissions_by_identity(version: &str) -> anyhow::Result<()> {
    let permission = "
type: MeshTrafficPermission
mesh: default
name: by-identity
spec:
  rules:
  - default:
      allow: [{spiffeID: {type: Prefix, value: spiffe://default}}]
      deny: [{spiffeID: {type: Exact, value: spiffe://default/other}}]
";
    let world = World::start(version, "STRICT", permission).await?;
    assert_eq!(world.web("/").await?.status, 200);
    assert_eq!(world.other("/").await?.status, 403);
    let [web, other] = [world.web, world.other].map(|ip| SocketAddr::new(ip, 8002));
    let mut connection = Connection::open(web).await?;
    assert_eq!(connection.exchange(b"hello\n", b"\n").await?, b"hello\n");
    let mut connection = Connection::open(other).await?;
    assert_eq!(connection.raw(b"hello\n").await.unwrap_or_default(), b"");
    Ok(())
}

async fn the_older_permission_closes_connections(version: &str) -> anyhow::Result<()> {
    let permission = "
type: TrafficPermission
mesh: default
name: web-may
sources: [{match: {kuma.io/service: web, team: a}}]
destinations: [{match: {kuma.io/service: '*'}}]
";
    let world = World::start(version, "STRICT", permission).await?;
    assert_eq!(world.web("/").await?.status, 200);
    let refused = world.other("/").await?;
    assert_eq!(refused.status, 503);
    assert!(!refused.body.contains("RBAC"), "{refused:?}");
    Ok(())
}

async fn permissive_services_take_what_comes_in_the_clear(version: &str) -> anyhow::Result<()> {
    let permissive = World::start(version, "PERMISSIVE", "").await?;
    let in_the_clear = fetch(permissive.backend, 7001, "/").await?;
    assert_eq!(in_the_clear.status, 200);
    assert_eq!(
        permissive.web("/").await?.status,
        403,
        "who proves who it is needs permission"
    );
    drop(permissive);
    let strict = World::start(version, "STRICT", ALL_MAY).await?;
    assert!(fetch(strict.backend, 7001, "/").await.is_err());
    Ok(())
}

async fn impostors_are_refused(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "STRICT", ALL_MAY).await?;
    let ca = |mesh: &str| {
        let file = world.dir.path().join(format!("work/meshes/{mesh}/ca.pem"));
        fs::read_to_string(file)
    };
    let own_ca = {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&key)?.pem() + &key.serialize_pem()
    };
    let inbound = SocketAddr::new(world.backend, 7001);
    let ask = async |tls| {
        let connection = Connection::open_tls(inbound, &tls).await?;
        connection.http1(get("backend.test", "/")).await
    };
    let web = "spiffe://default/web";
    let right = between().identity(&signed(&ca("default")?, web, false)?);
    assert_eq!(
        ask(right).await?.status,
        200,
        "the test's own certificates are good"
    );
    for (why, tls) in [
        ("no certificate", between()),
        (
            "an unknown CA",
            between().identity(&signed(&own_ca, web, false)?),
        ),
        (
            "an expired certificate",
            between().identity(&signed(&ca("default")?, web, true)?),
        ),
        (
            "a name of another mesh",
            between().identity(&signed(&ca("default")?, "spiffe://other/web", false)?),
        ),
    ] {
        assert!(ask(tls).await.is_err(), "{why}");
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
        let port = free_port().await?;
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

/// A port of 127.0.0.1, where the port for hostnames is: free a moment ago.
async fn free_port() -> anyhow::Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.port())
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
