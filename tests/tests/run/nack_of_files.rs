//! Endpoints and certificates that a running Envoy refuses.
//!
//! What it would refuse of them, `--mode validate` refuses before. So these tests stand between meshgate and Envoy's admin
//! interface, which meshgate asks once more when all files of a change are written and none is swapped in yet; then they
//! spoil one of the files.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as Listener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::tls::Tls;
use system_tests::{envoy, meshgate, on_each_envoy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::{HOST, Resources, Run};

on_each_envoy! {
    refused_endpoints_are_rolled_back_and_lead_to_their_line
    a_refused_certificate_is_rolled_back_and_leads_to_its_line
}

/// Where Envoy has its admin interface.
const ADMIN: u16 = 9903;

/// Changes text in the files of a folder of `next/`, as long as it is switched on.
#[derive(Clone)]
struct Spoiler {
    folder: &'static str,
    from: &'static str,
    to: &'static str,
    is_on: Arc<AtomicBool>,
}

impl Spoiler {
    fn spoil(&self, next: &Path) -> io::Result<()> {
        let Ok(files) = fs::read_dir(next.join(self.folder)) else {
            return Ok(());
        };
        for file in files.collect::<Result<Vec<_>, _>>()? {
            let mut bytes = fs::read(file.path())?;
            let from = self.from.as_bytes();
            if let Some(at) = bytes.windows(from.len()).position(|part| part == from) {
                bytes.splice(at..at + from.len(), self.to.bytes());
                fs::write(file.path(), bytes)?;
            }
        }
        Ok(())
    }

    /// Hands on what comes to the admin interface, and spoils what there is before each request.
    fn stand_between(self, listener: Listener, admin: SocketAddr, next: PathBuf) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (spoiler, next) = (self.clone(), next.clone());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(admin).await?;
                    let (mut from_client, mut to_client) = client.split();
                    let (mut from_server, mut to_server) = server.split();
                    let requests = async {
                        let mut bytes = [0; 4096];
                        while let count @ 1.. = from_client.read(&mut bytes).await? {
                            if spoiler.is_on.load(Ordering::Relaxed) {
                                spoiler.spoil(&next)?;
                            }
                            to_server.write_all(&bytes[..count]).await?;
                        }
                        to_server.shutdown().await
                    };
                    let answers = async {
                        tokio::io::copy(&mut from_server, &mut to_client).await?;
                        to_client.shutdown().await
                    };
                    tokio::try_join!(requests, answers)
                });
            }
        });
        Ok(())
    }
}

/// A gateway, and the switch of what spoils its files.
fn start(
    version: &str,
    resources: &Resources,
    [folder, from, to]: [&'static str; 3],
) -> anyhow::Result<(Run, Arc<AtomicBool>)> {
    let is_on = Arc::new(AtomicBool::new(false));
    let spoiler = Spoiler {
        folder,
        from,
        to,
        is_on: Arc::clone(&is_on),
    };
    let binary = envoy::binary(version)?.display().to_string();
    let elsewhere = format!(
        "admin: {{address: {{socket_address: {{address: {{address}}, port_value: {ADMIN}}}}}}}"
    );
    let run = Run::start_files(
        &["--envoy", &binary],
        &["--config-yaml", &elsewhere],
        |address: Ipv4Addr, folder| {
            let next = folder.with_file_name("work/run/default.edge-1/next");
            let listener = Listener::bind((address, 9901))?;
            spoiler.stand_between(listener, (address, ADMIN).into(), next)?;
            Ok(fs::write(
                folder.join("gateway.yaml"),
                resources.yaml(address),
            )?)
        },
    )?;
    Ok((run, is_on))
}

/// The message of the finding about a refused change, and the text of the line that it names.
async fn refusal(run: &Run) -> anyhow::Result<[String; 2]> {
    run.until_reloads("refused", 1).await?;
    let status = run.status().await?;
    let finding = &status["refused"]["findings"][0];
    assert_eq!(finding["code"], "MG0501", "{status:#}");
    let text = fs::read_to_string(run.resources("gateway.yaml"))?;
    let number = usize::try_from(finding["line"].as_u64().context("a line")?)?;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let message = finding["message"].as_str().unwrap_or_default();
    Ok([message, line].map(ToOwned::to_owned))
}

async fn refused_endpoints_are_rolled_back_and_lead_to_their_line(
    version: &str,
) -> anyhow::Result<()> {
    let (one, two) = (Backend::http("one").await?, Backend::http("two").await?);
    let mut resources = Resources::new(one.port());
    let (run, spoil) = start(version, &resources, ["endpoints", "127.0.0.1", "127.0.0.x"])?;
    run.ready().await?;
    spoil.store(true, Ordering::Relaxed);
    resources.backend = two.port();
    run.write(&resources.yaml(run.address))?;
    let [message, line] = refusal(&run).await.with_context(|| run.said())?;
    assert!(message.contains("malformed IP address"), "{message}");
    // The rule that has the backend.
    assert!(line.contains("matches:"), "{line}");
    assert_eq!(run.get(HOST).await?.echo()?.backend, "one");
    spoil.store(false, Ordering::Relaxed);
    run.signal(rustix::process::Signal::HUP)?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.echo()?.backend, "two");
    Ok(())
}

async fn a_refused_certificate_is_rolled_back_and_leads_to_its_line(
    version: &str,
) -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    resources.https = vec![HOST.to_owned()];
    resources.certificate = Some(meshgate::certificate(HOST, "ecdsa")?);
    let (run, spoil) = start(version, &resources, ["secrets", "\nMI", "\nAA"])?;
    run.ready().await?;
    let shown = async || {
        let session = Connection::open_tls(run.tls(), &Tls::sni(HOST)).await;
        session.map(|session| session.certificate)
    };
    let first = shown().await?;
    spoil.store(true, Ordering::Relaxed);
    resources.certificate = Some(meshgate::certificate(HOST, "ecdsa")?);
    run.write(&resources.yaml(run.address))?;
    let [message, line] = refusal(&run).await.with_context(|| run.said())?;
    assert!(message.contains("ertificate"), "{message}");
    assert!(line.contains("protocol: HTTPS"), "{line}");
    assert_eq!(shown().await?, first);
    spoil.store(false, Ordering::Relaxed);
    run.signal(rustix::process::Signal::HUP)?;
    run.until_reloads("applied", 1).await?;
    assert_ne!(shown().await?, first);
    Ok(())
}
