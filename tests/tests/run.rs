//! `meshgate run`: Envoy as its child, from the first screen to the exit code.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::{envoy, meshgate, until};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PORT: u16 = 8080;

/// `meshgate run` with a gateway whose only route leads to one backend.
struct Run {
    child: Child,
    address: Ipv4Addr,
    folder: TempDir,
}

impl Run {
    fn start(backend: SocketAddr, envoy_args: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(backend, "", envoy_args)
    }

    /// With further resources.
    fn start_with(
        backend: SocketAddr,
        resources: &str,
        envoy_args: &[&str],
    ) -> anyhow::Result<Self> {
        // An address of its own for each gateway of each process, so that tests never share a port.
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 128 | high, low, NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = TempDir::new()?;
        let resources = format!("{RESOURCES}{resources}")
            .replace("{address}", &address.to_string())
            .replace("{port}", &backend.port().to_string());
        fs::write(folder.path().join("gateway.yaml"), resources)?;
        let child = Command::new(meshgate::binary())
            .args(["run", "gateway.yaml", "--admin", &format!("{address}:9901")])
            .arg("--envoy")
            .arg(envoy::binary(envoy::NEWEST)?)
            .args(["--access-log", "access.log", "--drain-time", "30", "--"])
            .args(["--concurrency", "1"])
            .args(envoy_args)
            .current_dir(folder.path())
            .env("MESHGATE_WORK_DIR", folder.path().join("work"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("meshgate does not start")?;
        Ok(Self {
            child,
            address,
            folder,
        })
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let address = self.at();
        until("the gateway to listen", async || {
            TcpStream::connect(address).await.ok().map(drop)
        })
        .await
    }

    fn at(&self) -> SocketAddr {
        (self.address, PORT).into()
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Before that, two signals might be taken for one.
    fn until_it_drains(&mut self) -> anyhow::Result<()> {
        let stderr = self.child.stderr.take().context("piped")?;
        let mut lines = BufReader::new(stderr).lines();
        ensure!(lines.any(|line| line.is_ok_and(|line| line.contains("draining"))));
        Ok(())
    }

    async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        until("meshgate to end", async || self.child.try_wait().ok()?).await
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // The second one ends it at once.
            let _ = self.signal(Signal::TERM);
            let _ = self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

const RESOURCES: &str = "
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
name: backend-1
networking:
  address: 127.0.0.1
  inbound:
    - port: {port}
      tags:
        kuma.io/service: backend
---
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
  - match:
      kuma.io/service: edge-gateway
conf:
  listeners:
    - port: 8080
      protocol: HTTP
      hostname: foo.example.com
---
type: MeshHTTPRoute
mesh: default
name: all
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
    - targetRef: {kind: Mesh}
      rules:
        - matches:
            - path: {type: PathPrefix, value: /}
          default:
            backendRefs:
              - {kind: MeshService, name: backend}
";

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: foo.example.com\r\n\r\n";

/// The request that is under way when the signal comes gets its answer, and only then Envoy ends.
#[tokio::test]
async fn open_requests_end_before_envoy_does() -> anyhow::Result<()> {
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut run = Run::start(backend.local_addr()?, &[])?;
    run.ready().await?;
    let mut client = TcpStream::connect(run.at()).await?;
    client.write_all(REQUEST.as_bytes()).await?;
    let (mut upstream, _) = backend.accept().await?;
    let mut seen = vec![0; 4096];
    assert!(upstream.read(&mut seen).await? > 0);

    run.signal(Signal::TERM)?;
    run.until_it_drains()?;
    assert!(run.child.try_wait()?.is_none());
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")
        .await?;
    let mut answer = String::new();
    let mut bytes = [0; 4096];
    while !answer.ends_with("late") {
        let size = client.read(&mut bytes).await?;
        assert!(size > 0, "closed after {answer:?}");
        answer += std::str::from_utf8(&bytes[..size])?;
    }
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_envoy_at_once() -> anyhow::Result<()> {
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut run = Run::start(backend.local_addr()?, &[])?;
    run.ready().await?;
    let mut client = TcpStream::connect(run.at()).await?;
    client.write_all(REQUEST.as_bytes()).await?;
    let _upstream = backend.accept().await?;
    run.signal(Signal::INT)?;
    run.until_it_drains()?;
    run.signal(Signal::INT)?;
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn envoys_exit_code_is_its_own() -> anyhow::Result<()> {
    let backend = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut run = Run::start(backend, &["--no-such-argument"])?;
    let status = run.end().await?;
    assert_eq!(status.code(), Some(1));
    assert_eq!(status.signal(), None);
    Ok(())
}

#[tokio::test]
async fn the_first_screen_says_what_is_served_and_how_to_try_it() -> anyhow::Result<()> {
    let backend = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut run = Run::start(backend, &[])?;
    run.ready().await?;
    run.signal(Signal::TERM)?;
    run.end().await?;
    let stderr = BufReader::new(run.child.stderr.take().context("piped")?);
    let screen: Vec<_> = stderr.lines().collect::<Result<_, _>>()?;
    let screen = screen
        .join("\n")
        .replace(&run.address.to_string(), "ADDRESS");
    for line in [
        "meshgate: gateway edge-1 (mesh default)",
        "  http://ADDRESS:8080   foo.example.com",
        "try: curl -H 'Host: foo.example.com' http://ADDRESS:8080/",
    ] {
        assert!(screen.contains(line), "{screen}");
    }
    // The configuration holds private keys, so nothing of it stays.
    let work = fs::read_dir(run.folder.path().join("work"))?;
    let names: Vec<_> = work
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<Result<_, _>>()?;
    assert_eq!(names, ["wasm"]);
    Ok(())
}

/// Also the last line, which Envoy writes when it ends.
#[tokio::test]
async fn access_log_lines_come_to_a_tcp_server() -> anyhow::Result<()> {
    let backend = Backend::http("backend").await?;
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let log = format!(
        "---
type: MeshAccessLog
mesh: default
name: lines
spec:
  targetRef: {{kind: MeshGateway, name: edge-gateway}}
  to:
    - targetRef: {{kind: Mesh}}
      default:
        backends:
          - type: Tcp
            tcp:
              address: {}
              format: {{type: Plain, plain: '%REQ(:PATH)%'}}
",
        server.local_addr()?
    );
    let mut run = Run::start_with(backend.address, &log, &[])?;
    run.ready().await?;
    for path in ["/first", "/last"] {
        let connection = Connection::open(run.at()).await?;
        let response = connection.http1(get("foo.example.com", path)).await?;
        assert_eq!(response.status, 200);
    }
    run.signal(Signal::TERM)?;
    let (mut stream, _) = server.accept().await?;
    let mut lines = String::new();
    stream.read_to_string(&mut lines).await?;
    assert_eq!(lines, "/first\n/last\n");
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}
