//! `make demo`, `make demo-cross-mesh` and so on: examples of `envoy-configs` with backends, and the requests that show them.
//!
//! With `DEMO_ONCE=1` it ends after the requests, with status 0 if each answer was as expected.

mod example;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use system_tests::client::{Connection, Response};
use system_tests::echo::Backend;
use system_tests::tls::{Identity, Tls};
use system_tests::{checkout, envoy, meshgate, outside, until};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::rustls::DEFAULT_VERSIONS;

use self::example::{EXAMPLES, Example, Proxy, Request};

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
    let name = std::env::args().nth(1);
    let name = name.as_deref().unwrap_or("kuma-gateway");
    let example = EXAMPLES.iter().find(|example| example.name == name);
    let example = example.with_context(|| format!("there is no example {name}"))?;
    // Before the children are there: no signal may fall between.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut backends = Vec::new();
    for backend in example.backends {
        backends.push(serve(backend).await?);
    }
    let mut meshgates = Meshgates::start(example)?;
    let once = std::env::var_os("DEMO_ONCE").is_some_and(|once| once == "1");
    let work = async {
        let fine = show(example, &mut meshgates).await?;
        if !once {
            let resources = example.resources.join(" ");
            println!(
                "\nServing until Ctrl-C. Resources: {resources}. Try: target/debug/meshgate validate {resources}"
            );
            meshgates.end_of_any().await;
            bail!("meshgate has ended");
        }
        Ok(fine)
    };
    let result = tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Ok(true),
        _ = terminate.recv() => Ok(true),
    };
    meshgates.stop();
    // A second Ctrl-C ends them at once.
    tokio::select! {
        () = meshgates.end() => {}
        _ = interrupt.recv() => meshgates.stop(),
    }
    result
}

async fn serve(backend: &example::Backend) -> anyhow::Result<Backend> {
    let Some(file) = backend.tls else {
        return Backend::http_on(backend.name, backend.port).await;
    };
    let pem = fs::read_to_string(checkout().join(file))?;
    let tls = outside::Tls {
        identity: Identity {
            certificate: pem.clone(),
            key: pem,
        },
        clients: None,
        versions: DEFAULT_VERSIONS,
        alpn: &[],
    };
    outside::http_on(backend.name, &tls, backend.port).await
}

/// Sends the requests and prints each with its answer.
async fn show(example: &Example, meshgates: &mut Meshgates) -> anyhow::Result<bool> {
    meshgates.ready(example).await?;
    println!();
    let mut fine = true;
    for request in example.requests {
        let response = send(request).await?;
        let said = match response.echo() {
            Ok(echo) => echo.backend,
            Err(_) => response.body.trim_end().to_owned(),
        };
        println!("$ {}\n  {}  {said}", curl(request), response.status);
        if response.status != request.status || !said.starts_with(request.text) {
            println!("  expected: {}  {}", request.status, request.text);
            fine = false;
        }
    }
    Ok(fine)
}

fn curl(request: &Request) -> String {
    let Request { host, port, .. } = request;
    match request.sni {
        None => format!("curl -H 'Host: {host}' http://127.0.0.1:{port}/"),
        Some(name) => {
            let header = format!("-H 'Host: {host}' ");
            let header = if *host == name { "" } else { &header };
            format!("curl -k --resolve {name}:{port}:127.0.0.1 {header}https://{name}:{port}/")
        }
    }
}

async fn send(request: &Request) -> anyhow::Result<Response> {
    let mut connection = match request.sni {
        None => Connection::open(at(request.port)).await?,
        Some(name) => Connection::open_tls(at(request.port), &Tls::sni(name)).await?,
    };
    // Not all of the hosts would get past an honest client.
    let text = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", request.host);
    connection.raw_http1(text).await
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Children `meshgate run`. They are told to end when this is dropped.
struct Meshgates(Vec<Child>);

impl Meshgates {
    fn start(example: &Example) -> anyhow::Result<Self> {
        let mut all = Self(Vec::new());
        for proxy in example.proxies {
            all.0.push(start(example, proxy)?);
        }
        Ok(all)
    }

    async fn ready(&mut self, example: &Example) -> anyhow::Result<()> {
        let proxies = example.proxies.iter();
        let ports: Vec<u16> = proxies.flat_map(|p| p.ports.iter().copied()).collect();
        until("all ports to be open", async || {
            for child in &mut self.0 {
                if let Ok(Some(status)) = child.try_wait() {
                    return Some(Err(anyhow::anyhow!("meshgate run ends with {status}")));
                }
            }
            for &port in &ports {
                Connection::open(at(port)).await.ok()?;
            }
            Some(Ok(()))
        })
        .await?
    }

    /// Waits for the end of one of them.
    async fn end_of_any(&mut self) {
        while self.0.iter_mut().all(is_running) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the end of all.
    async fn end(&mut self) {
        while self.0.iter_mut().any(is_running) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn stop(&mut self) {
        for child in &mut self.0 {
            // Not after its end: its number may be another's by then.
            if is_running(child) {
                let _ = kill_process(Pid::from_child(child), Signal::TERM);
            }
        }
    }
}

impl Drop for Meshgates {
    fn drop(&mut self) {
        self.stop();
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

fn is_running(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}

fn start(example: &Example, proxy: &Proxy) -> anyhow::Result<Child> {
    let mut command = Command::new(meshgate::binary());
    command
        .arg("run")
        .args(
            example
                .resources
                .iter()
                .map(|folder| checkout().join(folder)),
        )
        .arg("--envoy")
        .arg(envoy::binary(envoy::NEWEST)?)
        .args(["--admin", &at(proxy.admin).to_string()])
        .args(["--status", &at(proxy.status).to_string()])
        .args(["--access-log", "/dev/null", "--drain-time", "2"]);
    if !proxy.dataplane.is_empty() {
        command.args(["--dataplane", proxy.dataplane]);
    }
    let child = command
        .env(
            "MESHGATE_WORK_DIR",
            checkout().canonicalize()?.join("target/demo"),
        )
        .stdin(Stdio::null())
        // Ctrl-C reaches the whole group of a terminal; the demo passes it on when its turn has come.
        .process_group(0)
        .spawn()?;
    Ok(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a README says about requests is what is sent here, with the same status.
    #[test]
    fn readmes_have_these_requests() -> anyhow::Result<()> {
        for example in &EXAMPLES {
            let resources = checkout().join(example.resources[0]);
            let readme = fs::read_to_string(resources.with_file_name("README.md"))?;
            let rows: Vec<_> = readme
                .lines()
                .filter(|l| l.starts_with("| `curl"))
                .collect();
            assert!(!rows.is_empty(), "{}", example.name);
            for row in rows {
                let mut requests = example.requests.iter();
                let is_row = |r: &Request| {
                    row.starts_with(&format!("| `{}` | {} ", curl(r), r.status))
                        && row.contains(r.text)
                };
                assert!(requests.any(is_row), "{row}");
            }
        }
        Ok(())
    }
}
