//! A gateway of its own for each test: resources, backends and an Envoy.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use serde_json::Value;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::meshgate;
use system_tests::tls::{Identity, Tls};
use tempfile::TempDir;

/// A served gateway. All of it ends when this is dropped.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) bootstrap: PathBuf,
    /// What `meshgate bootstrap` found.
    pub(crate) findings: String,
    address: IpAddr,
    dir: TempDir,
    _backends: Vec<Backend>,
}

/// What a gateway is made from.
pub(crate) struct Setup {
    address: IpAddr,
    dir: TempDir,
    backends: Vec<Backend>,
    entries: usize,
    resources: String,
}

impl Setup {
    /// Resources, in which `{address}` is the gateway's and `{dir}` its folder.
    pub(crate) fn new(resources: &str) -> anyhow::Result<Self> {
        Ok(Self {
            address: own_address(),
            dir: TempDir::new()?,
            backends: Vec::new(),
            entries: 0,
            resources: resources.to_owned(),
        })
    }

    /// A service with one backend, which answers with the name of the service and the port: `host:port`.
    pub(crate) async fn service(mut self, host: &str, port: u16) -> anyhow::Result<Self> {
        let backend = Backend::http(&format!("{host}:{port}")).await?;
        self.entry(host, port, "HTTP", backend.port());
        self.backends.push(backend);
        Ok(self)
    }

    /// A service with one backend, which sends back what it gets.
    pub(crate) async fn tcp_service(mut self, host: &str, port: u16) -> anyhow::Result<Self> {
        let backend = Backend::tcp().await?;
        self.entry(host, port, "TCP", backend.port());
        self.backends.push(backend);
        Ok(self)
    }

    /// A service behind a port of the loopback address.
    pub(crate) fn service_at(mut self, host: &str, port: u16, protocol: &str, at: u16) -> Self {
        self.entry(host, port, protocol, at);
        self
    }

    fn entry(&mut self, host: &str, port: u16, protocol: &str, target: u16) {
        let name = format!("e{}", self.entries);
        self.entries += 1;
        let entry = format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: services}}
spec:
  hosts: [{host}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: {port}, name: p{port}, protocol: {protocol}, targetPort: {target}}}]
  endpoints: [{{address: 127.0.0.1}}]
"
        );
        self.resources.push_str(&entry);
    }

    /// Keeps a backend as long as the gateway.
    pub(crate) fn keeping(mut self, backend: Backend) -> Self {
        self.backends.push(backend);
        self
    }

    /// The folder of the gateway.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Further resources.
    pub(crate) fn with(mut self, resources: &str) -> Self {
        self.resources.push_str("\n---\n");
        self.resources.push_str(resources);
        self
    }

    /// The output of a command with these resources.
    pub(crate) fn bootstrap(&self, args: &[&str]) -> anyhow::Result<std::process::Output> {
        let file = self.dir.path().join("resources.yaml");
        let text = self
            .resources
            .replace("{address}", &self.address.to_string())
            .replace("{dir}", &self.dir.path().display().to_string());
        fs::write(&file, text)?;
        let address = self.address.to_string();
        let to = self.dir.path().join("bootstrap.json");
        let (file, to) = (file.display().to_string(), to.display().to_string());
        let own = ["bootstrap", &file, "--address", &address, "--admin"];
        let rest = ["127.0.0.1:0", "--format", "json", "-o", &to];
        let args = own.iter().chain(&rest).chain(args);
        let output = meshgate::command(&self.work()).args(args).output();
        output.context("meshgate does not start")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Serves it.
    pub(crate) async fn start(self, version: &str, args: &[&str]) -> anyhow::Result<Gateway> {
        let output = self.bootstrap(args)?;
        let findings = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{findings}");
        let bootstrap = self.dir.path().join("bootstrap.json");
        Ok(Gateway {
            envoy: Envoy::start_file(version, &bootstrap).await?,
            bootstrap,
            findings,
            address: self.address,
            dir: self.dir,
            _backends: self.backends,
        })
    }
}

impl Gateway {
    /// Where the gateway listens.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Sees to it that all workloads have identities.
    pub(crate) fn certs(&self) -> anyhow::Result<()> {
        let file = self.dir.path().join("resources.yaml");
        let work = self.dir.path().join("work");
        meshgate::run_in(&work, ["certs".as_ref(), file.as_os_str()]).map(drop)
    }

    /// The identity of a workload, `<namespace>.<name>`, out of Envoy's file.
    pub(crate) fn identity(&self, workload: &str) -> anyhow::Result<Identity> {
        let proxies = self.dir.path().join("work/proxies/cluster.local");
        let text = fs::read(proxies.join(workload).join("identity.json"))?;
        let secret: Value = serde_json::from_slice(&text)?;
        let part = |name: &str| {
            let path = format!("/resources/0/tls_certificate/{name}/inline_string");
            let text = secret.pointer(&path).and_then(Value::as_str);
            text.map(ToOwned::to_owned).context("no identity")
        };
        Ok(Identity {
            certificate: part("certificate_chain")?,
            key: part("private_key")?,
        })
    }

    /// The answer to a `GET`.
    pub(crate) async fn get(&self, port: u16, host: &str, path: &str) -> anyhow::Result<Response> {
        let connection = Connection::open(self.at(port)).await?;
        connection.http1(get(host, path)).await
    }

    /// The answer to a `GET` over TLS.
    pub(crate) async fn get_tls(
        &self,
        port: u16,
        tls: &Tls,
        host: &str,
        path: &str,
    ) -> anyhow::Result<Response> {
        let connection = Connection::open_tls(self.at(port), tls).await?;
        connection.http1(get(host, path)).await
    }

    /// The folder of the gateway.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Envoy's listener for a port, as it is configured.
    pub(crate) fn listener(&self, port: u16) -> anyhow::Result<Value> {
        let bootstrap: Value = serde_json::from_slice(&fs::read(&self.bootstrap)?)?;
        let name = format!("{}_{port}", self.address);
        let listeners = bootstrap["static_resources"]["listeners"].as_array();
        let mut listeners = listeners.into_iter().flatten();
        let found = listeners.find(|listener| listener["name"] == name);
        Ok(found.cloned().unwrap_or_default())
    }
}

/// The service that answered, or the status.
pub(crate) fn served(response: &Response) -> String {
    match response.echo() {
        Ok(echo) if response.status == 200 => echo.backend,
        _ => response.status.to_string(),
    }
}

/// A Secret with a certificate for a host.
pub(crate) fn secret(namespace: &str, name: &str, host: &str) -> anyhow::Result<String> {
    let bundle = meshgate::certificate(host, "ecdsa")?;
    let (key, chain) = split(&bundle)?;
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    Ok(format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {namespace}}}
stringData:
  tls.crt: |
    {}
  tls.key: |
    {}
",
        indented(&chain),
        indented(&key)
    ))
}

/// Key and certificate of a bundle.
pub(crate) fn split(bundle: &str) -> anyhow::Result<(String, String)> {
    let blocks = pem::parse_many(bundle)?;
    let (keys, chain): (Vec<_>, Vec<_>) = blocks
        .iter()
        .partition(|block| block.tag().ends_with("PRIVATE KEY"));
    let text = |blocks: Vec<&pem::Pem>| blocks.iter().map(ToString::to_string).collect();
    Ok((text(keys), text(chain)))
}

/// A loopback address that no other test uses at the same time, so that each can have any port.
fn own_address() -> IpAddr {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed) % 253;
    let last = u8::try_from(count).unwrap_or_default() + 1;
    IpAddr::V4(Ipv4Addr::new(127, 128 | (high & 63), low, last))
}
