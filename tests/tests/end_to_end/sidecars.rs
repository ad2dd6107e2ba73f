//! Proxies next to services: between each other with mTLS, with permissions, and to gateways of other meshes.

mod calls;
mod meshes;
mod permissions;

use std::fs;
use std::net::{IpAddr, SocketAddr};

use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::meshgate;
use tempfile::TempDir;

use crate::gateway::own_address;

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
