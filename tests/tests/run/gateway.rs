//! A gateway that `meshgate run` serves, in a folder and on an address of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use system_tests::client::{self, Connection, Response};
use system_tests::{checkout, envoy, meshgate, until};
use tempfile::TempDir;
use tokio::net::TcpStream;

pub(crate) use crate::resources::{HOST, HTTP, HTTPS, Resources};

/// `meshgate run` with its Envoy.
pub(crate) struct Run {
    pub(crate) child: Child,
    pub(crate) address: Ipv4Addr,
    pub(crate) folder: TempDir,
    launcher: Vec<String>,
    args: Vec<String>,
}

impl Run {
    /// A gateway with one route, to a backend on this port of the loopback address.
    pub(crate) fn with_backend(port: u16) -> anyhow::Result<Self> {
        Self::start(&Resources::new(port), &[])
    }

    pub(crate) fn start(resources: &Resources, envoy_args: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(resources, &[], envoy_args)
    }

    /// With more arguments for meshgate.
    pub(crate) fn start_with(
        resources: &Resources,
        own_args: &[&str],
        envoy_args: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_files(own_args, envoy_args, |address, folder| {
            fs::write(folder.join("gateway.yaml"), resources.yaml(address))?;
            Ok(())
        })
    }

    /// An example of `envoy-configs`, with a backend on this port.
    pub(crate) fn start_example(name: &str, backend: u16) -> anyhow::Result<Self> {
        let example = checkout()
            .join("envoy-configs")
            .join(name)
            .join("resources");
        Self::start_files(&[], &[], |address, folder| {
            for entry in fs::read_dir(example)? {
                let entry = entry?;
                let text = fs::read_to_string(entry.path())?
                    .replacen("address: 127.0.0.1", &format!("address: {address}"), 1)
                    .replace("port: 18081", &format!("port: {backend}"));
                fs::write(folder.join(entry.file_name()), text)?;
            }
            Ok(())
        })
    }

    /// With files of resources; `{address}` in an argument becomes the gateway's own address.
    pub(crate) fn start_files(
        own_args: &[&str],
        envoy_args: &[&str],
        write: impl FnOnce(Ipv4Addr, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        Self::start_under(&[], own_args, envoy_args, write)
    }

    /// Under another program, which gets what to start as its last arguments and becomes it.
    pub(crate) fn start_under(
        launcher: &[&str],
        own_args: &[&str],
        envoy_args: &[&str],
        write: impl FnOnce(Ipv4Addr, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        // An address of its own for each gateway of each process, so that tests never share a port.
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 128 | high, low, NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = TempDir::new()?;
        let resources = folder.path().join("resources");
        fs::create_dir(&resources)?;
        write(address, &resources)?;
        let own = own_args.iter().chain(&["--", "--concurrency", "2"]);
        let with_address = |arg: &&str| arg.replace("{address}", &address.to_string());
        let args: Vec<_> = own.chain(envoy_args).map(with_address).collect();
        let launcher: Vec<_> = launcher.iter().map(|&arg| arg.to_owned()).collect();
        let child = spawn(&folder, address, &launcher, &args)?;
        Ok(Self {
            child,
            address,
            folder,
            launcher,
            args,
        })
    }

    /// Starts it anew, after its end, in the same folder.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.folder, self.address, &self.launcher, &self.args)?;
        Ok(())
    }

    /// Another process on the same folder; what it says, and its exit code.
    pub(crate) fn second(&self) -> anyhow::Result<(String, Option<i32>)> {
        let output = command(&self.folder, self.address, &self.launcher, &self.args)?
            .stderr(Stdio::piped())
            .output()?;
        Ok((String::from_utf8(output.stderr)?, output.status.code()))
    }

    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        until("the gateway to be ready", async || {
            (self.endpoint("/readyz").await.ok()?.status == 200).then_some(())
        })
        .await
    }

    pub(crate) fn at(&self) -> SocketAddr {
        (self.address, HTTP).into()
    }

    pub(crate) fn tls(&self) -> SocketAddr {
        (self.address, HTTPS).into()
    }

    pub(crate) async fn endpoint(&self, path: &str) -> anyhow::Result<Response> {
        let address = (self.address, 9902).into();
        Connection::open(address)
            .await?
            .http1(client::get("status", path))
            .await
    }

    pub(crate) async fn status(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.endpoint("/status").await?.body)?)
    }

    /// The process of Envoy, if it is ready.
    pub(crate) async fn envoy(&self) -> anyhow::Result<Pid> {
        let pid = until("an Envoy that is ready", async || {
            let status = self.status().await.ok()?;
            let pid = status["envoy"]["pid"].as_i64();
            pid.filter(|_| status["envoy"]["ready"] == true)
        })
        .await?;
        Pid::from_raw(i32::try_from(pid)?).context("a process")
    }

    /// `GET /` for a host.
    pub(crate) async fn get(&self, host: &str) -> anyhow::Result<Response> {
        self.get_at(self.at(), host).await
    }

    /// The same on another port.
    pub(crate) async fn get_at(&self, at: SocketAddr, host: &str) -> anyhow::Result<Response> {
        Connection::open(at)
            .await?
            .http1(client::get(host, "/"))
            .await
    }

    /// The value of a counter of Envoy.
    pub(crate) async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let admin = (self.address, 9901).into();
        let path = format!("/stats?filter=^{name}$");
        let answer = Connection::open(admin)
            .await?
            .http1(client::get("admin", &path))
            .await?;
        let value = answer.body.trim().rsplit(' ').next().context("no value")?;
        value
            .parse()
            .with_context(|| format!("{name} is {value:?}"))
    }

    /// Puts new resources in the place of the old ones, as editors do.
    pub(crate) fn write(&self, yaml: &str) -> anyhow::Result<()> {
        let new = self.resources("gateway.yaml.new");
        fs::write(&new, yaml)?;
        Ok(fs::rename(new, self.resources("gateway.yaml"))?)
    }

    pub(crate) fn resources(&self, file: &str) -> PathBuf {
        self.folder.path().join("resources").join(file)
    }

    /// Puts new resources there and waits until they are served.
    pub(crate) async fn change(&self, resources: &Resources) -> anyhow::Result<()> {
        let before = self.reloads("applied").await?;
        self.write(&resources.yaml(self.address))?;
        self.until_reloads("applied", before + 1).await
    }

    pub(crate) async fn reloads(&self, result: &str) -> anyhow::Result<u64> {
        self.status().await?["reloads"][result]
            .as_u64()
            .context("a number")
    }

    /// Waits until so many changes have had this result.
    pub(crate) async fn until_reloads(&self, result: &str, count: u64) -> anyhow::Result<()> {
        let done = until("a reload", async || {
            (self.reloads(result).await.ok()? >= count).then_some(())
        });
        done.await
            .with_context(|| format!("{count} {result}\n{}", self.said()))
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// What it has said to its user so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    pub(crate) async fn until_it_says(&self, text: &str) -> anyhow::Result<()> {
        let said = until(text, async || self.said().contains(text).then_some(())).await;
        said.with_context(|| self.said())
    }

    pub(crate) async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        until("meshgate to end", async || self.child.try_wait().ok()?).await
    }

    pub(crate) async fn refuses_connections(&self) -> anyhow::Result<()> {
        until("the port to be closed", async || {
            TcpStream::connect(self.at()).await.is_err().then_some(())
        })
        .await
    }
}

fn command(
    folder: &TempDir,
    address: Ipv4Addr,
    launcher: &[String],
    args: &[String],
) -> anyhow::Result<Command> {
    let mut command = match launcher {
        [] => Command::new(meshgate::binary()),
        [program, before @ ..] => {
            let mut command = Command::new(program);
            command.args(before).arg(meshgate::binary());
            command
        }
    };
    command
        .args(["run", "resources", "--admin", &format!("{address}:9901")])
        .args(["--status", &format!("{address}:9902")])
        .args(["--access-log", "access.log"])
        .current_dir(folder.path())
        .env("MESHGATE_WORK_DIR", folder.path().join("work"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    let is_given = |name: &str| args.iter().any(|arg| arg == name);
    if !is_given("--envoy") {
        command.arg("--envoy").arg(envoy::binary(envoy::NEWEST)?);
    }
    if !is_given("--drain-time") {
        command.args(["--drain-time", "30"]);
    }
    command.args(args);
    Ok(command)
}

fn spawn(
    folder: &TempDir,
    address: Ipv4Addr,
    launcher: &[String],
    args: &[String],
) -> anyhow::Result<Child> {
    let said = File::create(folder.path().join("said"))?;
    let child = command(folder, address, launcher, args)?
        .stderr(said)
        .spawn();
    child.context("meshgate does not start")
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
        if let Ok(None) = self.child.try_wait() {
            // A stopped one hears nothing. The second one ends it at once.
            let _ = self.signal(Signal::CONT);
            let _ = self.signal(Signal::TERM);
            let _ = self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}
