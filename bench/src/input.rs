//! A gateway of any size, and what `meshgate bootstrap` does with it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use meshgate::check::{self, Made};
use meshgate::envoy::{self, EnvoyRange, Format, Options};
use meshgate::model::kuma::Input;
use meshgate::{resources, source};
use mimalloc::MiMalloc;
use policy::config::{Mode, Reasons};

/// The one of the command, which is what is measured.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The numbers of hostnames that requests are decided among.
pub(crate) const HOSTNAMES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

/// The numbers of listeners that are compared.
pub(crate) const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// A gateway with so many listeners, each with a hostname and a route resource of its own.
pub(crate) fn gateway(listeners: usize) -> String {
    let mut text = HEAD.to_owned();
    for host in 0..listeners {
        let _ = writeln!(
            text,
            "  - {{port: 8080, protocol: HTTP, hostname: h{host}.example.com, tags: {{host: h{host}}}}}"
        );
    }
    for host in 0..listeners {
        let _ = writeln!(
            text,
            "---
type: MeshHTTPRoute
mesh: default
name: h{host}
spec:
  targetRef: {{kind: MeshGateway, name: edge, tags: {{host: h{host}}}}}
  to:
  - targetRef: {{kind: Mesh}}
    rules:
    - matches: [{{path: {{type: PathPrefix, value: /a}}}}]
      default: {{backendRefs: [{{kind: MeshService, name: backend}}]}}"
        );
    }
    text
}

const HEAD: &str = "type: Mesh
name: default
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: 127.0.0.1
  gateway:
    type: BUILTIN
    tags: {kuma.io/service: edge}
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: 127.0.0.1
  inbound:
  - {port: 9000, tags: {kuma.io/service: backend, kuma.io/protocol: http}}
---
type: MeshGateway
mesh: default
name: edge
selectors:
- match: {kuma.io/service: edge}
conf:
  listeners:
";

/// From the file with the resources to the bytes of Envoy's configuration, with all checks.
pub(crate) fn bootstrap(file: &Path, wasm: &Path, format: Format) -> anyhow::Result<Vec<u8>> {
    let proxy = {
        let (sources, documents, mut findings) = source::read(&[file.to_owned()]);
        let (resources, more) = resources::load(documents, false);
        findings.extend(more);
        let input = Input {
            resources: &resources,
            sources: &sources,
        };
        let mut made = Made::default();
        findings.extend(check::with_proxies(input, &mut made));
        findings.extend(check::certificates(input, SystemTime::now().into()));
        ensure!(findings.is_empty(), "{}", findings[0].message);
        made.into_dataplane().context("no proxy")?.1
    };
    let options = Options {
        admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        wasm: wasm.display().to_string(),
        mode: Mode::Enforce,
        reasons: Reasons::Full,
        access_log: None,
        log_pipe: None,
        secrets: "/secrets".into(),
        range: EnvoyRange::From1_40,
    };
    Ok(envoy::encode(&envoy::bootstrap(&proxy, &options), format)?)
}
