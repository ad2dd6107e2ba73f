//! `make demo`: the example of `envoy-configs/kuma-gateway` with backends, and the requests that show it.
//!
//! With `DEMO_ONCE=1` it ends after the requests, with status 0 if each answer was as expected.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::bail;
use rustix::process::{Pid, Signal, kill_process};
use system_tests::client::{Connection, Response};
use system_tests::echo::Backend;
use system_tests::tls::Tls;
use system_tests::{checkout, envoy, meshgate, until};
use tokio::signal::unix::{SignalKind, signal};

const RESOURCES: &str = "envoy-configs/kuma-gateway/resources";

/// A request for a host in plain HTTP or with TLS, and the expected status with the beginning of what is printed.
const REQUESTS: [(&str, bool, u16, &str); 7] = [
    ("foo.example.com", false, 200, "backend-foo"),
    ("bar.example.com", false, 200, "backend-bar"),
    ("FOO.example.com:8080", false, 200, "backend-foo"),
    ("baz.example.com", false, 404, "no_listener: "),
    ("user@foo.example.com", false, 400, "malformed_authority: "),
    ("foo.example.com", true, 200, "backend-foo"),
    ("bar.example.com", true, 404, "no_listener: "),
];

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether each answer was as expected.
async fn demo() -> anyhow::Result<bool> {
    // Before the child is there: no signal may fall between.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let _backends = [
        Backend::http_on("backend-foo", 18081).await?,
        Backend::http_on("backend-bar", 18082).await?,
    ];
    let mut gateway = Gateway::start()?;
    let once = std::env::var_os("DEMO_ONCE").is_some_and(|once| once == "1");
    let work = async {
        let fine = show(&mut gateway).await?;
        if !once {
            println!(
                "\nServing until Ctrl-C. Resources: {RESOURCES}. Try: target/debug/meshgate validate {RESOURCES}"
            );
            gateway.end().await;
            bail!("the gateway has ended");
        }
        Ok(fine)
    };
    let result = tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Ok(true),
        _ = terminate.recv() => Ok(true),
    };
    gateway.stop();
    // A second Ctrl-C ends it at once.
    tokio::select! {
        () = gateway.end() => {}
        _ = interrupt.recv() => gateway.stop(),
    }
    result
}

/// Sends the requests and prints each with its answer.
async fn show(gateway: &mut Gateway) -> anyhow::Result<bool> {
    gateway.ready().await?;
    println!();
    let mut fine = true;
    for (host, tls, status, text) in REQUESTS {
        let (response, command) = if tls {
            (https(host).await?, curl_https(host))
        } else {
            (
                http(host).await?,
                format!("curl -H 'Host: {host}' http://127.0.0.1:8080/"),
            )
        };
        let said = match response.echo() {
            Ok(echo) => echo.backend,
            Err(_) => response.body.trim_end().to_owned(),
        };
        println!("$ {command}\n  {}  {said}", response.status);
        if response.status != status || !said.starts_with(text) {
            println!("  expected: {status}  {text}");
            fine = false;
        }
    }
    Ok(fine)
}

fn curl_https(host: &str) -> String {
    // The certificate, and so the SNI, is for this name.
    let name = "foo.example.com";
    let other = if host == name {
        String::new()
    } else {
        format!("-H 'Host: {host}' ")
    };
    format!("curl -k --resolve {name}:8443:127.0.0.1 {other}https://{name}:8443/")
}

async fn http(host: &str) -> anyhow::Result<Response> {
    Connection::open(at(8080))
        .await?
        .raw_http1(request(host))
        .await
}

async fn https(host: &str) -> anyhow::Result<Response> {
    let tls = Tls::sni("foo.example.com");
    Connection::open_tls(at(8443), &tls)
        .await?
        .raw_http1(request(host))
        .await
}

/// Not all of the hosts would get past an honest client.
fn request(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// `meshgate run` as a child. It is told to end when this is dropped.
struct Gateway(Child);

impl Gateway {
    fn start() -> anyhow::Result<Self> {
        let work = checkout().canonicalize()?.join("target/demo");
        let child = Command::new(meshgate::binary())
            .arg("run")
            .arg(checkout().join(RESOURCES))
            .arg("--envoy")
            .arg(envoy::binary(envoy::NEWEST)?)
            .args(["--access-log", "/dev/null", "--drain-time", "2"])
            .env("MESHGATE_WORK_DIR", &work)
            .stdin(Stdio::null())
            // Ctrl-C reaches the whole group of a terminal; the demo passes it on when its turn has come.
            .process_group(0)
            .spawn()?;
        Ok(Self(child))
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        until("the gateway to listen", async || {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(Err(anyhow::anyhow!("meshgate run ends with {status}")));
            }
            for port in [8080, 8443] {
                Connection::open(at(port)).await.ok()?;
            }
            Some(Ok(()))
        })
        .await?
    }

    /// Waits for its end.
    async fn end(&mut self) {
        while let Ok(None) = self.0.try_wait() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn stop(&mut self) {
        // Not after its end: its number may be another's by then.
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
        let _ = self.0.wait();
    }
}
