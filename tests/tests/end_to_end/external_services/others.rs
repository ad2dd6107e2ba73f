//! Hosts that are no services', on the port for hostnames. No resolver of a test knows their names, so what leads to
//! them leads to a backend on the loopback address instead, after everything has been decided.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::ports::free_port;
use system_tests::{meshgate, on_each_envoy};
use tempfile::TempDir;

use super::{permission, service};
use crate::gateway::own_address;

on_each_envoy! {
    only_hosts_and_ports_that_a_policy_names
    none_where_the_mesh_forbids_them
    none_that_nobody_names
}

const NAMED: &str = "appendMatch: [\
    {type: Domain, value: one.example.com, protocol: http}, \
    {type: Domain, value: one.example.com, port: 8080, protocol: http2}, \
    {type: Domain, value: two.example.com, port: 8081, protocol: http}, \
    {type: Domain, value: '*.example.org', port: 80, protocol: http}, \
    {type: Domain, value: localhost, port: 80, protocol: http}, \
    {type: Domain, value: open.extsvc.mesh.local, port: 80, protocol: http}, \
    {type: Domain, value: closed.example.com, port: 80, protocol: http}]";

struct World {
    _envoy: Envoy,
    port: u16,
    _backends: Vec<Backend>,
    _dir: TempDir,
}

impl World {
    async fn start(version: &str, mesh: &str, conf: &str) -> anyhow::Result<Self> {
        let address = own_address();
        let port = free_port()?;
        let open = Backend::http("open").await?;
        let text = format!(
            "
type: Mesh
name: default
{mesh}
---
type: Dataplane
mesh: default
name: web-1
labels: {{meshgate.io/external-service-port: '{port}'}}
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
---
type: MeshPassthrough
mesh: default
name: outside
spec:
  targetRef: {{kind: Mesh}}
  default: {{{conf}}}
{}{}{}",
            service("open", "http", "localhost", open.port(), ""),
            service("closed", "http", "Closed.example.com", 80, ""),
            permission(
                "closed",
                "allow: [{spiffeID: {type: Exact, value: spiffe://default/else}}]"
            ),
        );
        let dir = TempDir::new()?;
        let [from, to] = ["resources.yaml", "bootstrap.json"].map(|name| dir.path().join(name));
        fs::write(&from, text)?;
        let mut command = meshgate::command(&dir.path().join("work"));
        let command = command.arg("bootstrap").arg(&from);
        let command = command.args(["--dataplane", "web-1", "--admin", "127.0.0.1:0"]);
        let command = command.args(["--format", "json", "-o"]).arg(&to);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{said}");
        let mut bootstrap: Value = serde_json::from_slice(&fs::read(&to)?)?;
        let mut backends = vec![open];
        let clusters = bootstrap["static_resources"]["clusters"].as_array_mut();
        for cluster in clusters.into_iter().flatten() {
            let name = cluster["name"].as_str().unwrap_or_default().to_owned();
            if name.starts_with("external-services_") {
                assert_eq!(cluster["type"], "STRICT_DNS", "{name}");
                let backend = Backend::http(&name).await?;
                let endpoint =
                    &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
                endpoint["address"]["socket_address"] =
                    json!({ "address": "localhost", "port_value": backend.port() });
                backends.push(backend);
            }
        }
        fs::write(&to, bootstrap.to_string())?;
        Ok(Self {
            _envoy: Envoy::start_file(version, &to).await?,
            port,
            _backends: backends,
            _dir: dir,
        })
    }

    /// The backend that answers, or the status and its reason.
    async fn ask(&self, host: &str) -> anyhow::Result<String> {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut connection = Connection::open(to).await?;
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nx-kuma-tags: x\r\nConnection: close\r\n\r\n"
        );
        let response = connection.raw_http1(head).await?;
        if response.status != 200 {
            let reason = response.header("x-meshgate-reason");
            return Ok(format!("{} {reason}", response.status));
        }
        let echo = response.echo()?;
        assert_eq!(echo.headers.get("x-kuma-tags"), None, "{host}");
        Ok(echo.backend)
    }

    async fn all(&self, rows: &[(&str, &str)]) -> anyhow::Result<()> {
        for (host, expected) in rows {
            assert_eq!(self.ask(host).await?, *expected, "{host}");
        }
        Ok(())
    }
}

const UNKNOWN: &str = "403 unknown_destination";
const MALFORMED: &str = "400 malformed_authority";

async fn only_hosts_and_ports_that_a_policy_names(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "", NAMED).await?;
    world
        .all(&[
            (
                "one.example.com",
                "external-services_http_one.example.com_80",
            ),
            (
                "ONE.example.com:80",
                "external-services_http_one.example.com_80",
            ),
            (
                "one.example.com:8080",
                "external-services_http2_one.example.com_8080",
            ),
            (
                "two.example.com:8081",
                "external-services_http_two.example.com_8081",
            ),
            ("open.extsvc.mesh.local", "open"),
            ("one.example.com:81", UNKNOWN),
            ("one.example.com:8081", UNKNOWN),
            ("two.example.com", UNKNOWN),
            ("two.example.com:8080", UNKNOWN),
            ("a.one.example.com", UNKNOWN),
            ("example.com", UNKNOWN),
            ("a.example.org", UNKNOWN),
            ("closed.example.com", UNKNOWN),
            ("CLOSED.example.com.", UNKNOWN),
            ("closed.extsvc.mesh.local", "403 client_not_allowed"),
            ("localhost", UNKNOWN),
            ("127.0.0.1", UNKNOWN),
            ("[::1]", UNKNOWN),
            ("[::ffff:127.0.0.1]:80", UNKNOWN),
            ("169.254.169.254", UNKNOWN),
            ("127.1", MALFORMED),
            ("2130706433", MALFORMED),
            ("0x7f000001", MALFORMED),
            ("0177.0.0.1", MALFORMED),
            ("one.example.com,closed.example.com", MALFORMED),
            ("closed.example.com@one.example.com", MALFORMED),
            ("one.example.com:80:8080", MALFORMED),
            // Nothing has the name with the root's dot, which the filter takes for the same.
            ("one.example.com.", "404 "),
            ("one.example.com.:8080", "404 "),
        ])
        .await
}

async fn none_where_the_mesh_forbids_them(version: &str) -> anyhow::Result<()> {
    let mesh = "routing: {defaultForbidMeshExternalServiceAccess: true}";
    let world = World::start(version, mesh, NAMED).await?;
    world
        .all(&[
            ("one.example.com", UNKNOWN),
            ("one.example.com:8080", UNKNOWN),
            ("open.extsvc.mesh.local", "403 forbidden_by_default"),
        ])
        .await
}

async fn none_that_nobody_names(version: &str) -> anyhow::Result<()> {
    for conf in ["passthroughMode: All", "passthroughMode: None"] {
        let world = World::start(version, "", conf).await?;
        world
            .all(&[
                ("one.example.com", UNKNOWN),
                ("open.extsvc.mesh.local", "open"),
            ])
            .await?;
    }
    Ok(())
}
