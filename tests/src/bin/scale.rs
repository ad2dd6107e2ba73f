//! `make scale`: how long each step takes, and how much memory, for a gateway of 1,000 hosts and 10,000 routes.
//!
//! Each host has a certificate and a listener of its own on one HTTPS port. It ends with requests that have to be
//! served and some that have to be refused, and with status 0 if each answer was as expected.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meshgate::check::{self, Made};
use meshgate::model::kuma::Input;
use meshgate::{resources, source, wasm};
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::envoy::{self, Envoy};
use system_tests::tls::Tls;
use tempfile::TempDir;

const HOSTS: usize = 1_000;
const ROUTES_OF_A_HOST: usize = 10;
const PORT: u16 = 18_443;

/// SNI, `Host` and path of a request, and the expected status. The last host shows that none is left out.
const REQUESTS: [(&str, &str, &str, u16); 8] = [
    ("h0.example.com", "h0.example.com", "/r0", 200),
    ("h17.example.com", "h17.example.com", "/r9", 200),
    ("h999.example.com", "h999.example.com", "/r5/below", 200),
    ("h17.example.com", "H17.example.com:18443", "/r3", 200),
    ("h17.example.com", "h18.example.com", "/r0", 421),
    ("h17.example.com", "nobody.example.com", "/r0", 404),
    ("h17.example.com", "h17.example.com", "/nowhere", 404),
    ("h17.example.com", "user@h17.example.com", "/r0", 400),
];

#[tokio::main]
async fn main() -> ExitCode {
    match scale().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn scale() -> anyhow::Result<()> {
    let backend = Backend::http("backend").await?;
    let folder = TempDir::new()?;
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, gateway(backend.port())?)?;
    println!(
        "{HOSTS} hosts, {} routes, {}",
        HOSTS * ROUTES_OF_A_HOST,
        size(fs::metadata(&file)?.len())
    );
    let bootstrap = configure(&file, folder.path())?;
    let step = Step::begin("Envoy: validate")?;
    envoy::validate(envoy::NEWEST, &bootstrap).await?;
    step.end_with(None);
    let step = Step::begin("Envoy: start until ready")?;
    let envoy = Envoy::start_file(envoy::NEWEST, &bootstrap).await?;
    step.end_with(Some(peak(&envoy.id()?.to_string())?));
    requests().await
}

/// What `meshgate bootstrap` does, step by step.
fn configure(file: &Path, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let step = Step::begin("read and parse")?;
    let (sources, documents, findings) = source::read(&[file.to_owned()]);
    step.end();
    ensure!(findings.is_empty(), "{}", findings[0].message);
    let step = Step::begin("decode and validate")?;
    let (resources, findings) = resources::load(documents, false);
    step.end();
    ensure!(findings.is_empty(), "{}", findings[0].message);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    let step = Step::begin("check together, with the proxy")?;
    let mut made = Made::default();
    let findings = check::with_proxies(input, &mut made);
    step.end();
    ensure!(findings.is_empty(), "{}", findings[0].message);
    let step = Step::begin("check certificates")?;
    let findings = check::certificates(input, std::time::SystemTime::now().into());
    step.end();
    ensure!(findings.is_empty(), "{}", findings[0].message);
    let (_, proxy) = made.into_dataplane().context("no proxy")?;
    let filter = folder.join("gateway.wasm");
    fs::write(&filter, wasm::GATEWAY)?;
    let options = meshgate::envoy::Options {
        admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        wasm: filter.display().to_string(),
        mode: policy::config::Mode::Enforce,
        reasons: policy::config::Reasons::Full,
        access_log: None,
        log_pipe: None,
        secrets: folder.to_owned(),
        range: meshgate::envoy::EnvoyRange::From1_40,
    };
    let step = Step::begin("Envoy's configuration")?;
    let made = meshgate::envoy::bootstrap(&proxy, &options);
    step.end();
    let step = Step::begin("encode as protobuf")?;
    let bytes = meshgate::envoy::encode(&made, meshgate::envoy::Format::Pb)?;
    step.end();
    let step = Step::begin("encode as YAML")?;
    let yaml = meshgate::envoy::encode(&made, meshgate::envoy::Format::Yaml)?;
    step.end();
    println!(
        "bootstrap: {} as protobuf, {} as YAML",
        size(bytes.len() as u64),
        size(yaml.len() as u64)
    );
    let bootstrap = folder.join("bootstrap.pb");
    fs::write(&bootstrap, bytes)?;
    Ok(bootstrap)
}

/// Sends the requests and prints each with its answer.
async fn requests() -> anyhow::Result<()> {
    let mut differ = 0;
    for (sni, host, path, expected) in REQUESTS {
        let at = (Ipv4Addr::LOCALHOST, PORT).into();
        let connection = Connection::open_tls(at, &Tls::sni(sni)).await?;
        let response = if host.contains('@') {
            let mut connection = connection;
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            connection.raw_http1(request).await?
        } else {
            connection.http1(get(host, path)).await?
        };
        let verdict = if response.status == expected {
            "as expected"
        } else {
            "WRONG"
        };
        println!(
            "sni {sni}  host {host}  {path}  {}  {verdict}",
            response.status
        );
        differ += usize::from(response.status != expected);
    }
    let at = (Ipv4Addr::LOCALHOST, PORT).into();
    let unknown = Connection::open_tls(at, &Tls::sni("nobody.example.com")).await;
    let is_refused = unknown.is_err();
    println!(
        "sni nobody.example.com  {}",
        if is_refused {
            "refused, as expected"
        } else {
            "WRONG: a session"
        }
    );
    differ += usize::from(!is_refused);
    ensure!(differ == 0, "{differ} answers differ");
    Ok(())
}

/// A gateway with one listener, certificate and route resource for each host.
fn gateway(backend: u16) -> anyhow::Result<String> {
    let mut text = format!(
        "type: Mesh
name: default
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: 127.0.0.1
  gateway:
    type: BUILTIN
    tags: {{kuma.io/service: edge}}
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: 127.0.0.1
  inbound:
  - {{port: {backend}, tags: {{kuma.io/service: backend, kuma.io/protocol: http}}}}
---
type: MeshGateway
mesh: default
name: edge
selectors:
- match: {{kuma.io/service: edge}}
conf:
  listeners:
"
    );
    for host in 0..HOSTS {
        writeln!(
            text,
            "  - {{port: {PORT}, protocol: HTTPS, hostname: h{host}.example.com, tags: {{host: h{host}}}, tls: {{mode: TERMINATE, certificates: [{{secret: h{host}}}]}}}}"
        )?;
    }
    for host in 0..HOSTS {
        let made = rcgen::generate_simple_self_signed([format!("h{host}.example.com")])?;
        let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        let data = STANDARD.encode(pem);
        writeln!(
            text,
            "---\ntype: Secret\nmesh: default\nname: h{host}\ndata: {data}"
        )?;
        writeln!(
            text,
            "---\ntype: MeshHTTPRoute\nmesh: default\nname: h{host}\nspec:\n  targetRef: {{kind: MeshGateway, name: edge, tags: {{host: h{host}}}}}\n  to:\n  - targetRef: {{kind: Mesh}}\n    rules:"
        )?;
        for route in 0..ROUTES_OF_A_HOST {
            writeln!(
                text,
                "    - matches: [{{path: {{type: PathPrefix, value: /r{route}}}}}]\n      default: {{backendRefs: [{{kind: MeshService, name: backend}}]}}"
            )?;
        }
    }
    Ok(text)
}

/// A step under way. The peak of memory is counted anew for each.
struct Step {
    name: &'static str,
    start: Instant,
}

impl Step {
    fn begin(name: &'static str) -> anyhow::Result<Self> {
        // Linux: 5 sets the peak of this process to what it has now.
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self {
            name,
            start: Instant::now(),
        })
    }

    fn end(self) {
        self.end_with(peak("self").ok());
    }

    /// With the peak of the process that did it, if that is known.
    fn end_with(self, peak: Option<u64>) {
        let took = self.start.elapsed().as_millis();
        println!(
            "{:26} {took:>7} ms   peak {:>9}",
            self.name,
            peak.map_or_else(String::new, size)
        );
    }
}

/// The most memory that a process has had, in bytes.
fn peak(process: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.context("no peak")?.parse::<u64>()? * 1024)
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}
