//! A gateway of its own for each test: resources, backends and an Envoy.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::tls::Tls;
use system_tests::{meshgate, until};
use tempfile::TempDir;

/// The Dataplane of every gateway here; the selector of the documents' examples matches it.
const DATAPLANE: &str = "edge-1";

/// A mesh with two backends, and the Dataplane of a gateway on an address of its own.
const MESH: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: {address}
  gateway:
    type: BUILTIN
    tags:
      kuma.io/service: edge-gateway
---
type: Dataplane
mesh: default
name: foo-1
networking:
  address: 127.0.0.1
  inbound:
  - port: {foo_port}
    tags:
      kuma.io/service: backend-foo
      kuma.io/protocol: http
---
type: Dataplane
mesh: default
name: bar-1
networking:
  address: 127.0.0.1
  inbound:
  - port: {bar_port}
    tags:
      kuma.io/service: backend-bar
      kuma.io/protocol: http
";

/// All requests to all listeners of the gateway go to `backend-foo`.
pub(crate) const ROUTE_TO_FOO: &str = "
type: MeshHTTPRoute
mesh: default
name: to-foo
spec:
  targetRef:
    kind: MeshGateway
    name: edge-gateway
  to:
  - targetRef:
      kind: Mesh
    rules:
    - matches:
      - path:
          type: PathPrefix
          value: /
      default:
        backendRefs:
        - kind: MeshService
          name: backend-foo
";

/// A served gateway. All of it ends when this is dropped.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) bootstrap: PathBuf,
    address: IpAddr,
    dir: TempDir,
    _backends: [Backend; 2],
}

impl Gateway {
    /// Serves these resources, which come on top of [`MESH`].
    pub(crate) async fn start(version: &str, resources: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(version, resources, &[]).await
    }

    /// The same, with further arguments for `meshgate bootstrap`.
    pub(crate) async fn start_with(
        version: &str,
        resources: &[&str],
        args: &[&str],
    ) -> anyhow::Result<Self> {
        let backends = [
            Backend::http("backend-foo").await?,
            Backend::http("backend-bar").await?,
        ];
        let address = own_address();
        // A test may have a Mesh of its own.
        let has_own = resources
            .iter()
            .any(|text| text.starts_with("type: Mesh\n"));
        let parts = MESH.split_once("---").filter(|_| has_own);
        let mesh = parts
            .map_or(MESH, |(_, rest)| rest)
            .replace("{address}", &address.to_string())
            .replace("{foo_port}", &backends[0].port().to_string())
            .replace("{bar_port}", &backends[1].port().to_string());
        let dir = TempDir::new()?;
        let folder = dir.path().join("resources");
        fs::create_dir(&folder)?;
        fs::write(folder.join("mesh.yaml"), mesh)?;
        for (index, text) in resources.iter().enumerate() {
            fs::write(folder.join(format!("{index}.yaml")), text)?;
        }
        let bootstrap = dir.path().join("bootstrap.json");
        let log = dir.path().join("access.log").display().to_string();
        let args = [&["--access-log", &log], args].concat();
        meshgate::bootstrap(&folder, DATAPLANE, &bootstrap, &args)?;
        Ok(Self {
            envoy: Envoy::start_file(version, &bootstrap).await?,
            bootstrap,
            address,
            dir,
            _backends: backends,
        })
    }

    /// Where the gateway listens.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// A plain connection to port 8080.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.at(8080)).await
    }

    /// A connection with TLS to port 8443.
    pub(crate) async fn connect_tls(&self, tls: &Tls) -> anyhow::Result<Connection> {
        Connection::open_tls(self.at(8443), tls).await
    }

    /// The answer to `GET /` with this `Host` on port 8080, which has to be the same in HTTP/1.1 and HTTP/2.
    pub(crate) async fn get(&self, host: &str) -> anyhow::Result<Response> {
        let http1 = self.connect().await?.http1(get(host, "/")).await?;
        let http2 = self
            .connect()
            .await?
            .http2("http", vec![get(host, "/")])
            .await?;
        same(host, &http1, &http2[0]);
        Ok(http1)
    }

    /// The answer to `GET https:/…/` with this SNI and this `Host` on port 8443, again in both versions of HTTP.
    pub(crate) async fn get_tls(&self, sni: &str, host: &str) -> anyhow::Result<Response> {
        let http1 = self.connect_tls(&Tls::sni(sni)).await?;
        let http1 = http1.http1(get(host, "/")).await?;
        let http2 = self.connect_tls(&Tls::sni(sni).h2()).await?;
        let http2 = http2.http2("https", vec![get(host, "/")]).await?;
        same(host, &http1, &http2[0]);
        Ok(http1)
    }

    /// The access log's first line with `text` in it.
    pub(crate) async fn logged(&self, text: &str) -> anyhow::Result<String> {
        let log = self.dir.path().join("access.log");
        until(text, async || {
            let log = fs::read_to_string(&log).ok()?;
            let line = log.lines().find(|line| line.contains(text))?;
            Some(line.to_owned())
        })
        .await
    }
}

fn same(host: &str, http1: &Response, http2: &Response) {
    let facts = |response: &Response| {
        let backend = response.echo().map(|echo| (echo.backend, echo.host)).ok();
        let body = if backend.is_some() {
            ""
        } else {
            &response.body
        };
        let reason = response.header("x-meshgate-reason").to_owned();
        (response.status, reason, body.to_owned(), backend)
    };
    assert_eq!(
        facts(http1),
        facts(http2),
        "HTTP/1.1 and HTTP/2 with {host}"
    );
}

/// A loopback address that no other test uses at the same time, so that each can have ports 8080 and 8443.
pub(crate) fn own_address() -> IpAddr {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed) % 253;
    let last = u8::try_from(count).unwrap_or_default() + 1;
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 63), low, last))
}

/// Asserts that a request was answered by a backend.
#[track_caller]
pub(crate) fn assert_served(response: &Response, backend: &str) {
    let echo = response.echo().map(|echo| echo.backend);
    assert_eq!(
        (response.status, echo.ok().as_deref()),
        (200, Some(backend)),
        "{response:?}"
    );
}

/// Asserts that a request was refused by the filter, with the line that says why.
#[track_caller]
pub(crate) fn assert_refused(response: &Response, status: u16, line: &str) {
    let reason = line.split(':').next();
    assert_eq!(
        (
            response.status,
            Some(response.header("x-meshgate-reason")),
            response.body.trim_end_matches('\n')
        ),
        (status, reason, line)
    );
}

/// A Secret in the universal format, and the certificate in it as DER.
pub(crate) fn secret(
    name: &str,
    hostname: &str,
    key_type: &str,
) -> anyhow::Result<(String, Vec<u8>)> {
    let bundle = meshgate::certificate(hostname, key_type)?;
    let certificate = pem::parse_many(&bundle)?
        .into_iter()
        .find(|block| block.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .unwrap_or_default();
    let data = STANDARD.encode(bundle);
    let secret = format!("type: Secret\nmesh: default\nname: {name}\ndata: {data}\n");
    Ok((secret, certificate))
}
