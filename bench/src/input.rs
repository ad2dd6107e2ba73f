//! Kuma resources of any number, and `meshgate` itself.

use std::fmt::Write as _;

use anyhow::ensure;
use clap::Parser;
use meshgate::cli::Cli;
use meshgate::commands::{self, Exit};
use meshgate::output::Output;
use mimalloc::MiMalloc;

/// The one of the command, which is what is measured.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The numbers of hostnames that requests are decided among.
pub(crate) const HOSTNAMES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

/// The numbers of listeners that are compared.
pub(crate) const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// Does what `meshgate` does with these arguments.
pub(crate) fn meshgate<'a>(arguments: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
    let cli = Cli::try_parse_from(["meshgate"].into_iter().chain(arguments))?;
    let exit = commands::run(cli, &Output::of_process())?;
    ensure!(exit == Exit::Fine, "meshgate has findings");
    Ok(())
}

/// The arguments with which it writes the configuration of the only gateway in a file.
pub(crate) fn bootstrap<'a>(file: &'a str, written: &'a str, wasm: &'a str) -> Vec<&'a str> {
    let (admin, any_port) = ("--admin", "127.0.0.1:0");
    vec![
        "bootstrap",
        file,
        "--output",
        written,
        "--wasm",
        wasm,
        admin,
        any_port,
    ]
}

/// A gateway with so many listeners, each with a hostname and a route resource of its own.
pub(crate) fn gateway(listeners: usize) -> String {
    let mut text = format!("{HEAD}{}", self::listeners(listeners, "protocol: HTTP"));
    for host in 0..listeners {
        text += &route(host, "backend");
    }
    text
}

/// A mesh with a proxy for the gateway `edge`, and a service `backend`.
pub(crate) const HEAD: &str = "type: Mesh
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
";

/// The gateway, with a tag for each listener.
pub(crate) fn listeners(number: usize, protocol: &str) -> String {
    let mut text = "---
type: MeshGateway
mesh: default
name: edge
selectors:
- match: {kuma.io/service: edge}
conf:
  listeners:
"
    .to_owned();
    for host in 0..number {
        let _ = writeln!(
            text,
            "  - {{port: 8080, {protocol}, hostname: h{host}.example.com, tags: {{host: h{host}}}}}"
        );
    }
    text
}

/// The route for the requests of one listener.
pub(crate) fn route(host: usize, service: &str) -> String {
    format!(
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
      default: {{backendRefs: [{{kind: MeshService, name: {service}}}]}}
"
    )
}
