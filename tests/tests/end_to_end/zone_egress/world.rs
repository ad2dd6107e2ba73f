//! Two meshes with an egress, and what is outside of them.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::meshgate;
use system_tests::outside::{self, Ca};
use system_tests::tls::{Identity, Tls};
use tempfile::TempDir;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::gateway::own_address;

/// Two meshes, and an egress for both. `web` of each of them reaches `api`, which is another service in each; in the
/// first one also `tcp`, `https` and `older`.
const MESHES: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
routing: {zoneEgress: true, defaultForbidMeshExternalServiceAccess: {forbid}}
---
type: Mesh
name: far
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: {web}
  inbound: [{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {kuma.io/service: web, team: a}}]
  outbound:
  - {port: 9001, address: {web}, backendRef: {kind: MeshExternalService, name: api}}
  - {port: 9002, address: {web}, backendRef: {kind: MeshExternalService, name: tcp}}
  - {port: 9003, address: {web}, backendRef: {kind: MeshExternalService, name: https}}
  - {port: 9004, address: {web}, tags: {kuma.io/service: older}}
---
type: Dataplane
mesh: far
name: far-1
networking:
  address: {far}
  inbound: [{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {kuma.io/service: web}}]
  outbound:
  - {port: 9001, address: {far}, backendRef: {kind: MeshExternalService, name: api}}
---
type: MeshExternalService
mesh: default
name: api
spec:
  match: {type: HostnameGenerator, port: 80, protocol: http}
  endpoints: [{address: localhost, port: {http}}]
---
type: MeshExternalService
mesh: far
name: api
spec:
  match: {type: HostnameGenerator, port: 80, protocol: http}
  endpoints: [{address: localhost, port: {other}}]
---
type: MeshExternalService
mesh: default
name: tcp
spec:
  match: {type: HostnameGenerator, port: 80, protocol: tcp}
  endpoints: [{address: 127.0.0.1, port: {tcp}}]
---
type: MeshExternalService
mesh: default
name: https
spec:
  match: {type: HostnameGenerator, port: 80, protocol: http2}
  endpoints: [{address: localhost, port: {https}}]
  tls: {enabled: true, verification: {serverName: api.test, caCert: {inline: {ca}}}}
---
type: ExternalService
mesh: default
name: older-1
tags: {kuma.io/service: older, kuma.io/protocol: http}
networking: {address: '127.0.0.1:{http}'}
---
{egress}
---
";

const EGRESS: &str = "
type: ZoneEgress
name: egress-1
zone: zone-1
networking: {address: {address}, port: 10002}
";

/// The meshes with the egress, and what is outside. All of it ends when this is dropped.
pub(super) struct World {
    pub(super) egress: IpAddr,
    pub(super) web: IpAddr,
    pub(super) far: IpAddr,
    dir: TempDir,
    _envoys: Vec<Envoy>,
    _backends: Vec<Backend>,
}

/// What differs from one test to another.
pub(super) struct Setup<'a> {
    pub(super) egress: &'a str,
    pub(super) name: &'a str,
    pub(super) is_forbidden: bool,
    pub(super) more: &'a str,
    pub(super) clients: &'a [(&'a str, &'a str)],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            egress: EGRESS,
            name: "egress-1",
            is_forbidden: false,
            more: "",
            clients: &[],
        }
    }
}

impl World {
    pub(super) async fn start(version: &str, setup: Setup<'_>) -> anyhow::Result<Self> {
        let ca = Ca::new()?;
        let server = outside::Tls {
            identity: ca.sign(&["api.test"], false)?,
            clients: None,
            versions: &[&TLS13, &TLS12],
            alpn: &["h2"],
        };
        let backends = vec![
            Backend::http("api").await?,
            Backend::http("other").await?,
            Backend::tcp().await?,
            outside::http("https", &server).await?,
        ];
        let [egress, web, far] = [own_address(), own_address(), own_address()];
        let dir = TempDir::new()?;
        let text = format!("{MESHES}{}", setup.more)
            .replace("{egress}", setup.egress)
            .replace("{forbid}", &setup.is_forbidden.to_string())
            .replace("{address}", &egress.to_string())
            .replace("{web}", &web.to_string())
            .replace("{far}", &far.to_string())
            .replace("{http}", &backends[0].port().to_string())
            .replace("{other}", &backends[1].port().to_string())
            .replace("{tcp}", &backends[2].port().to_string())
            .replace("{https}", &backends[3].port().to_string())
            .replace("{ca}", &STANDARD.encode(ca.pem()));
        fs::write(dir.path().join("resources.yaml"), text)?;
        let mut envoys = vec![proxy(version, &dir, None, setup.name).await?];
        for (mesh, name) in setup.clients {
            envoys.push(proxy(version, &dir, Some(mesh), name).await?);
        }
        Ok(Self {
            egress,
            web,
            far,
            dir,
            _envoys: envoys,
            _backends: backends,
        })
    }

    /// The CA of a mesh, with its key.
    pub(super) fn authority(&self, mesh: &str) -> anyhow::Result<String> {
        let file = format!("work/meshes/{mesh}/ca.pem");
        Ok(fs::read_to_string(self.dir.path().join(file))?)
    }

    /// What somebody with this identity gets from the egress under a name.
    pub(super) async fn ask(
        &self,
        sni: &str,
        identity: Option<&Identity>,
    ) -> anyhow::Result<Response> {
        self.ask_for("/", sni, identity).await
    }

    pub(super) async fn ask_for(
        &self,
        path: &str,
        sni: &str,
        identity: Option<&Identity>,
    ) -> anyhow::Result<Response> {
        let tls = Tls::sni(sni).alpn(&["kuma"]);
        let tls = identity.map_or(tls.clone(), |identity| tls.identity(identity));
        let at = SocketAddr::new(self.egress, 10002);
        let connection = Connection::open_tls(at, &tls).await?;
        connection.http1(get("anything.test", path)).await
    }
}

/// Envoy as a proxy of the resources in the folder.
async fn proxy(
    version: &str,
    dir: &TempDir,
    mesh: Option<&str>,
    name: &str,
) -> anyhow::Result<Envoy> {
    let file = dir.path().join(format!("{name}.json"));
    let [resources, to] =
        [&dir.path().join("resources.yaml"), &file].map(|path| path.display().to_string());
    let mut args = vec!["bootstrap", &resources, "--dataplane", name];
    args.extend(["--admin", "127.0.0.1:0", "--format", "json", "-o", &to]);
    args.extend(mesh.iter().flat_map(|&mesh| ["--mesh", mesh]));
    meshgate::run_in(&dir.path().join("work"), args)?;
    Envoy::start_file(version, &file).await
}

pub(super) async fn fetch(address: IpAddr, port: u16, path: &str) -> anyhow::Result<Response> {
    let connection = Connection::open(SocketAddr::new(address, port)).await?;
    connection.http1(get("in-the-mesh.test", path)).await
}

/// Whether a TCP service sends back what it gets.
pub(super) async fn answers(mut connection: Connection) -> bool {
    let answer = connection.exchange(b"hello\n", b"\n").await;
    answer.is_ok_and(|answer| answer == b"hello\n")
}

/// How egresses are asked for a `MeshExternalService` on port 80: a hash as Kuma's (FNV-1a of 64 bits).
pub(super) fn sni(name: &str, mesh: &str) -> String {
    let text = format!("{name};{mesh};");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("a{hash:x}.{name}.80.{mesh}.mes")
}
