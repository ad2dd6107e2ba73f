//! A clock that is set while everything runs, as libfaketime shows it to meshgate (Debian: `faketime`). Envoy does not
//! start with that library, so its clock is the real one.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::tls::{Identity, Tls};
use system_tests::{meshgate, until};
use tempfile::TempDir;

use crate::gateway::Run;
use crate::wrapper::Wrapper;

const INBOUND: u16 = 7002;

/// Next to the program that comes with it.
fn library() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).filter(|folder| folder.join("faketime").exists());
    let folders = found.filter_map(|folder| fs::read_dir(folder.parent()?.join("lib")).ok());
    let mut files = folders
        .flat_map(Iterator::flatten)
        .map(|own| own.path().join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists())
}

/// The clock of whatever has its variables.
struct Clock {
    folder: TempDir,
    library: PathBuf,
}

impl Clock {
    fn new(library: PathBuf) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let clock = Self { folder, library };
        clock.set("+0")?;
        Ok(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// So much ahead of the real one, or behind it.
    fn set(&self, offset: &str) -> anyhow::Result<()> {
        let new = self.folder.path().join("new");
        fs::write(&new, offset)?;
        Ok(fs::rename(new, self.file())?)
    }

    /// The clock that measures how long something takes is never set.
    fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

const MESH: &str = "type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
---
type: MeshTrafficPermission
mesh: default
name: all
spec:
  targetRef: {kind: Mesh}
  from: [{targetRef: {kind: Mesh}, default: {action: Allow}}]
---
";

fn dataplane(name: &str, address: Ipv4Addr, service: u16) -> String {
    format!(
        "type: Dataplane
mesh: default
name: {name}-1
networking:
  address: {address}
  inbound: [{{port: {INBOUND}, servicePort: {service}, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: {name}, kuma.io/protocol: http}}}}]
"
    )
}

/// The sidecar of a service, and whoever calls it.
struct Calls {
    run: Run,
    clock: Clock,
    client: PathBuf,
    _envoy: Wrapper,
}

impl Calls {
    async fn start(clock: Clock, service: u16) -> anyhow::Result<Self> {
        let set = clock.variables();
        let set: Vec<_> = set
            .iter()
            .map(|(name, to)| format!("{name}={to}"))
            .collect();
        let launcher = ["env"].into_iter().chain(set.iter().map(String::as_str));
        let launcher: Vec<_> = launcher.collect();
        let envoy = Wrapper::of_script("", "unset LD_PRELOAD")?;
        let args = ["--envoy", &envoy.path()?];
        let run = Run::start_under(&launcher, &args, &[], |address, folder| {
            let own = format!("{MESH}{}", dataplane("backend", address, service));
            Ok(fs::write(folder.join("mesh.yaml"), own)?)
        })?;
        run.ready().await.with_context(|| run.said())?;
        let client = run.folder.path().join("client.yaml");
        let own = dataplane("web", Ipv4Addr::LOCALHOST, service);
        fs::write(&client, format!("{MESH}{own}"))?;
        Ok(Self {
            run,
            clock,
            client,
            _envoy: envoy,
        })
    }

    fn work(&self) -> PathBuf {
        self.run.folder.path().join("work")
    }

    fn identity(&self, name: &str) -> anyhow::Result<Identity> {
        let file = Path::new("proxies/default")
            .join(name)
            .join("identity.json");
        let secret: Value = serde_json::from_slice(&fs::read(self.work().join(file))?)?;
        let part = |name: &str| {
            let path = format!("/resources/0/tls_certificate/{name}/inline_string");
            let text = secret.pointer(&path).and_then(Value::as_str);
            text.map(ToOwned::to_owned).context("no identity")
        };
        Ok(Identity {
            certificate: part("certificate_chain")?,
            key: part("private_key")?,
        })
    }

    /// What `meshgate certs` says at this clock about the identities that these resources have.
    fn certs(&self, resources: &Path) -> anyhow::Result<Value> {
        let mut certs = meshgate::command(&self.work());
        certs.envs(self.clock.variables());
        let output = certs
            .args(["certs", "--format", "json"])
            .arg(resources)
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// A call of another service of the mesh.
    async fn call(&self) -> anyhow::Result<Response> {
        self.certs(&self.client)?;
        let tls = Tls::no_sni()
            .alpn(&["kuma"])
            .identity(&self.identity("web-1")?);
        let connection = Connection::open_tls((self.run.address, INBOUND).into(), &tls).await?;
        connection.http1(get("backend", "/")).await
    }

    /// Sets the clock, and waits until there is another identity, which Envoy shows; at this clock it is a good one.
    async fn jump(&self, to: &str) -> anyhow::Result<()> {
        let before = self.identity("backend-1")?.certificate;
        self.clock.set(to)?;
        let renewed = until("another identity", async || {
            let now = self.identity("backend-1").ok()?.certificate;
            (now != before).then_some(now)
        })
        .await
        .with_context(|| format!("{to}: {}", self.run.said()))?;
        let renewed = pem::parse(renewed)?;
        let tls = Tls::no_sni().alpn(&["kuma"]);
        until("Envoy to show it", async || {
            let at = (self.run.address, INBOUND).into();
            let shown = Connection::open_tls(at, &tls).await.ok()?.certificate?;
            (shown == renewed.contents()).then_some(())
        })
        .await?;
        let now = self.certs(&self.run.resources("mesh.yaml"))?;
        let own = &now["identities"][0];
        ensure!(
            own["error"].is_null() && own["renewed"].is_null(),
            "{to}: {now:#}"
        );
        Ok(())
    }

    async fn works(&self, when: &str) -> anyhow::Result<()> {
        let mut last = None;
        let works = until("a call", async || {
            let answer = self.call().await;
            let is_good = answer.as_ref().is_ok_and(|answer| answer.status == 200);
            last = Some(answer);
            is_good.then_some(())
        })
        .await;
        works.with_context(|| format!("{when}: {last:?}\n{}", self.run.said()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_follow_a_clock_that_is_set() -> anyhow::Result<()> {
    let Some(library) = library() else {
        eprintln!("skipped: faketime is not in $PATH");
        return Ok(());
    };
    let backend = Backend::http("backend").await?;
    let calls = Calls::start(Clock::new(library)?, backend.port()).await?;
    calls.works("at first").await?;
    let authority = || fs::read_to_string(calls.work().join("meshes/default/ca.pem"));
    let first = authority()?;
    calls.jump("+3d").await?;
    calls.jump("+0").await?;
    calls.works("back").await?;
    // By less than a certificate lives nothing has to be done, and nothing is.
    let identity = calls.identity("backend-1")?.certificate;
    for little in ["+2h", "+1h", "+0"] {
        calls.clock.set(little)?;
        calls.works(little).await?;
        assert_eq!(calls.identity("backend-1")?.certificate, identity);
    }
    assert_eq!(authority()?, first);
    // Nobody would believe the CA before it was made.
    calls.jump("-30d").await?;
    calls
        .run
        .until_it_says("another one signs from now on")
        .await?;
    let second = authority()?;
    assert_ne!(second, first);
    calls.jump("+0").await?;
    calls.works("back again").await?;
    assert_eq!(authority()?, second);
    Ok(())
}
