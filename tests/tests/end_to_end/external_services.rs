//! Services outside of the mesh: reached by outbounds, by hostname and through gateways, with the TLS that they want,
//! and only by those who may.

mod examples;
mod others;
mod permissions;
mod reach;
mod verification;

use std::fs;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use system_tests::client::{Connection, Response, get};
use system_tests::envoy::Envoy;
use system_tests::outside::{Ca, Tls};
use system_tests::tls::Identity;
use system_tests::{grpc, meshgate};
use tempfile::TempDir;
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::gateway::own_address;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A server's TLS with this certificate.
fn server(identity: Identity) -> Tls<'static> {
    Tls {
        identity,
        clients: None,
        versions: BOTH,
        alpn: &[],
    }
}

/// A `MeshExternalService` at an address, called on port 80.
pub(crate) fn service(name: &str, protocol: &str, address: &str, port: u16, tls: &str) -> String {
    format!(
        "
---
type: MeshExternalService
mesh: default
name: {name}
spec:
  match: {{type: HostnameGenerator, port: 80, protocol: {protocol}}}
  endpoints: [{{address: '{address}', port: {port}}}]
  tls: {{{tls}}}
"
    )
}

fn inline(pem: &str) -> String {
    format!("{{inline: {}}}", STANDARD.encode(pem))
}

/// TLS with a server that `ca` has signed and that is `api.test`.
fn secured(ca: &Ca) -> String {
    verified(&format!(
        "serverName: api.test, caCert: {}",
        inline(&ca.pem())
    ))
}

fn verified(verification: &str) -> String {
    format!("enabled: true, verification: {{{verification}}}")
}

/// Who may reach the service.
pub(crate) fn permission(service: &str, rules: &str) -> String {
    format!(
        "
---
type: MeshTrafficPermission
mesh: default
name: to-{service}
spec:
  targetRef: {{kind: MeshExternalService, name: {service}}}
  rules: [{{default: {{{rules}}}}}]
"
    )
}

/// The sidecar of `web`, with an outbound to each of the services, from port 9001 on.
pub(crate) struct World {
    pub(crate) envoy: Envoy,
    address: IpAddr,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn start(
        version: &str,
        services: &[&str],
        resources: &str,
    ) -> anyhow::Result<Self> {
        let address = own_address();
        let outbounds = (9001..).zip(services).map(|(port, name)| {
            format!("  - {{port: {port}, address: {address}, backendRef: {{kind: MeshExternalService, name: {name}}}}}\n")
        });
        let outbounds: String = outbounds.collect();
        let own = format!(
            "
type: Dataplane
mesh: default
name: web-1
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
  outbound:
{outbounds}"
        );
        Self::of(version, address, "web-1", &format!("{own}{resources}")).await
    }

    async fn of(version: &str, address: IpAddr, name: &str, text: &str) -> anyhow::Result<Self> {
        Self::trusting(version, address, name, text, None).await
    }

    /// With further arguments for the command.
    pub(crate) async fn with(
        version: &str,
        address: IpAddr,
        text: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let [resources, to, work] =
            ["resources.yaml", "bootstrap.json", "work"].map(|f| dir.path().join(f));
        fs::write(&resources, text)?;
        let mut command = meshgate::command(&work);
        let command = command.arg("bootstrap").arg(resources).args(arguments);
        let command = command
            .args(["--dataplane", "web-1", "--admin", "127.0.0.1:0"])
            .args(["--format", "json", "-o"])
            .arg(&to);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{said}");
        Ok(Self {
            envoy: Envoy::start_file(version, &to).await?,
            address,
            _dir: dir,
        })
    }

    /// On a system with this CA instead of its own ones.
    async fn trusting(
        version: &str,
        address: IpAddr,
        name: &str,
        text: &str,
        system: Option<&Ca>,
    ) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let [resources, to, work, authorities] =
            ["resources.yaml", "bootstrap.json", "work", "ca.pem"].map(|f| dir.path().join(f));
        fs::write(&resources, text)?;
        let mut command = meshgate::command(&work);
        if let Some(ca) = system {
            fs::write(&authorities, ca.pem())?;
            command.env("KUMA_DATAPLANE_RUNTIME_DYNAMIC_SYSTEM_CA_PATH", authorities);
        }
        let command = command
            .arg("bootstrap")
            .arg(resources)
            .args(["--dataplane", name, "--admin", "127.0.0.1:0"])
            .args(["--format", "json", "-o"])
            .arg(&to);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{said}");
        Ok(Self {
            envoy: Envoy::start_file(version, &to).await?,
            address,
            _dir: dir,
        })
    }

    pub(crate) async fn connect(&self, index: u16) -> anyhow::Result<Connection> {
        Connection::open(SocketAddr::new(self.address, 9001 + index)).await
    }

    /// What an HTTP service answers.
    pub(crate) async fn get(&self, index: u16, path: &str) -> anyhow::Result<Response> {
        let connection = self.connect(index).await?;
        connection.http1(get("in-the-mesh.test", path)).await
    }

    /// A client of a gRPC service.
    async fn call(&self, index: u16) -> anyhow::Result<grpc::Client> {
        let address = SocketAddr::new(self.address, 9001 + index);
        grpc::Client::open(address, "in-the-mesh.test").await
    }

    /// Whether a TCP service sends back what it gets.
    async fn answers(&self, index: u16) -> anyhow::Result<bool> {
        let mut connection = self.connect(index).await?;
        let answer = connection.exchange(b"hello\n", b"\n").await;
        Ok(answer.is_ok_and(|answer| answer == b"hello\n"))
    }
}
