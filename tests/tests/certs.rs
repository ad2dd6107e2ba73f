//! `meshgate certs`, and what it and the other commands say about the CAs of meshes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use system_tests::{envoy, meshgate, until};
use tempfile::TempDir;

const DATAPLANES: &str = "
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: 127.0.0.1
  inbound:
  - {port: 7000, tags: {kuma.io/service: backend, version: '1'}}
  - {port: 7001, tags: {kuma.io/service: backend-admin}}
---
type: Dataplane
mesh: plain
name: plain-1
networking:
  address: 127.0.0.1
  inbound:
  - {port: 7002, tags: {kuma.io/service: plain}}
---
type: Mesh
name: plain
";

struct Project {
    dir: TempDir,
}

impl Project {
    /// Dataplanes, and a mesh with a CA of this type and with these fields.
    fn new(fields: &str) -> anyhow::Result<Self> {
        let mesh =
            format!("type: Mesh\nname: default\nmtls:\n  enabledBackend: ca-1\n  {fields}\n");
        Self::of(&(mesh + DATAPLANES))
    }

    fn of(resources: &str) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        fs::write(dir.path().join("resources.yaml"), resources)?;
        Ok(Self { dir })
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn run(&self, verb: &str, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = meshgate::command(&self.work());
        command
            .arg(verb)
            .arg(self.dir.path().join("resources.yaml"));
        Ok(command.args(args).output()?)
    }

    fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = self.run("certs", &[&["--format=json"], args].concat())?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn file(&self, dataplane: &str) -> PathBuf {
        let folder = self.work().join("proxies/default").join(dataplane);
        folder.join("identity.json")
    }

    fn identity(&self) -> Option<Vec<u8>> {
        fs::read(self.file("backend-1")).ok()
    }
}

/// A command that goes on until it is stopped; at the latest when this is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    fn stop(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), Signal::TERM)?)
    }

    async fn end(mut self) -> anyhow::Result<ExitStatus> {
        self.stop()?;
        until("its end", async || self.0.try_wait().ok()?).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.stop();
            let _ = self.0.wait();
        }
    }
}

/// Waits for three contents of a file.
async fn until_renewed(file: &Path) -> anyhow::Result<()> {
    let mut last = None;
    for _ in 0..3 {
        last = until("another identity", async || {
            let now = fs::read(file).ok();
            (now.is_some() && now != last).then_some(now)
        })
        .await?;
    }
    Ok(())
}

/// What a command says, on both streams.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

const BUILTIN: &str = "backends: [{name: ca-1, type: builtin}]";

#[test]
fn identities_are_made_shown_and_kept() -> anyhow::Result<()> {
    let project = Project::new(BUILTIN)?;
    let output = project.run("certs", &[])?;
    assert_eq!(output.status.code(), Some(0));
    let text = said(&output);
    let shown: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(shown[0], ["MESH", "CA", "TYPE", "MODE", "EXPIRES"]);
    assert_eq!(shown[1][..4], ["default", "ca-1", "builtin", "STRICT"]);
    assert_eq!(
        shown[4][..3],
        ["default", "backend-1", "spiffe://default/backend"]
    );
    assert_eq!(shown[4][4..], ["(new)"]);
    assert_eq!(shown[5..], [["spiffe://default/backend-admin"]]);
    assert!(!text.contains("PRIVATE KEY"), "{text}");

    let file = project.identity();
    let kept = project.json(&[])?;
    assert_eq!(kept["identities"][0]["renewed"], Value::Null);
    assert_eq!(project.identity(), file);
    let renewed = project.json(&["--rotate"])?;
    assert_eq!(renewed["identities"][0]["renewed"], "asked");
    assert_ne!(project.identity(), file);
    assert_eq!(renewed["meshes"], kept["meshes"], "the CA stays");
    let uris: Vec<_> = renewed["identities"][0]["uris"]
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        uris,
        [
            "spiffe://default/backend",
            "spiffe://default/backend-admin",
            "kuma://kuma.io/service/backend",
            "kuma://kuma.io/service/backend-admin",
            "kuma://version/1",
        ]
    );
    Ok(())
}

#[test]
fn where_no_mesh_has_mtls_there_is_nothing_to_do() -> anyhow::Result<()> {
    let project = Project::of("type: Mesh\nname: default\n")?;
    let output = project.run("certs", &[])?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(said(&output), "no mesh has mTLS\n");
    Ok(())
}

#[test]
fn a_mesh_without_its_ca_leaves_others_alone() -> anyhow::Result<()> {
    let kong = "
---
type: Mesh
name: kong
mtls:
  enabledBackend: vault-1
  backends: [{name: vault-1, type: vault}]
---
type: Dataplane
mesh: kong
name: edge-1
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: MeshGateway
mesh: kong
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 8080, protocol: HTTP}]}
";
    let project = Project::new(&(BUILTIN.to_owned() + kong))?;
    let output = project.run("certs", &[])?;
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("error[MG0313]"), "{text}");
    assert!(text.contains("spiffe://default/backend "), "{text}");
    assert!(project.identity().is_some());
    let output = project.run("bootstrap", &[])?;
    assert_eq!(output.status.code(), Some(2));
    let text = said(&output);
    assert!(
        text.contains("there is no identity for edge-1 in mesh kong: the CA of mesh kong"),
        "{text}"
    );
    Ok(())
}

/// The resources of a mesh whose provided CA was made like this.
fn provided(
    change: impl Fn(&mut CertificateParams),
    skip_validation: bool,
) -> anyhow::Result<Project> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    change(&mut params);
    let pem = |text: String| text.replace('\n', "\n          ");
    Project::new(&format!(
        "skipValidation: {skip_validation}
  backends:
  - name: ca-1
    type: provided
    conf:
      cert:
        inlineString: |
          {}
      key:
        inlineString: |
          {}",
        pem(params.self_signed(&key)?.pem()),
        pem(key.serialize_pem())
    ))
}

#[test]
fn certificates_that_are_no_ca_of_now_are_named() -> anyhow::Result<()> {
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let leaf = |params: &mut CertificateParams| params.is_ca = IsCa::ExplicitNoCa;
    let agreeing = |params: &mut CertificateParams| {
        params.key_usages.push(KeyUsagePurpose::KeyAgreement);
    };
    for (project, code, says) in [
        (provided(|_| (), false)?, 0, ""),
        (
            provided(expired, false)?,
            1,
            "error[MG0312]: CA `ca-1`: its certificate expired on 2020-01-01",
        ),
        (
            provided(leaf, false)?,
            1,
            "error[MG0311]: CA `ca-1`: certificate 0: basic constraint 'CA' must be set to 'true' (see X509-SVID: 4.1. Basic Constraints)",
        ),
        (
            provided(agreeing, false)?,
            1,
            "error[MG0311]: CA `ca-1`: certificate 0: key usage extension 'keyAgreement' must NOT be set",
        ),
        (provided(agreeing, true)?, 0, "warning[MG0311]"),
    ] {
        let output = project.run("validate", &[])?;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    Ok(())
}

const SHORT: &str = "backends: [{name: ca-1, type: builtin, dpCert: {rotation: {expiration: 1s}}}]";

#[tokio::test(flavor = "multi_thread")]
async fn watching_renews_until_it_is_stopped() -> anyhow::Result<()> {
    let project = Project::new(SHORT)?;
    let watch = Running::start(
        meshgate::command(&project.work())
            .arg("certs")
            .arg(project.dir.path().join("resources.yaml"))
            .arg("--watch"),
    )?;
    until_renewed(&project.file("backend-1")).await?;
    assert_eq!(watch.end().await?.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn running_renews_too() -> anyhow::Result<()> {
    // Its port is not open, so that no test has to share it.
    const GATEWAY: &str = "
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: MeshGateway
mesh: default
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf:
  listeners:
  - {port: 8443, protocol: HTTPS, tls: {mode: TERMINATE, certificates: [{secret: none}]}}
";
    let project = Project::new(&(SHORT.to_owned() + GATEWAY))?;
    let run = Running::start(
        meshgate::command(&project.work())
            .arg("run")
            .arg(project.dir.path().join("resources.yaml"))
            .args([
                "--admin",
                "127.0.0.1:0",
                "--status",
                "127.0.0.1:0",
                "--envoy",
            ])
            .arg(envoy::binary(envoy::NEWEST)?),
    )?;
    until_renewed(&project.file("edge-1")).await?;
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}

#[test]
fn an_egress_has_an_identity_in_each_mesh_with_mtls() -> anyhow::Result<()> {
    let mesh = |name: &str| {
        format!(
            "type: Mesh\nname: {name}\nmtls: {{enabledBackend: ca, backends: [{{name: ca, type: builtin}}]}}\n---\n"
        )
    };
    let project = Project::of(&format!(
        "{}{}{}",
        mesh("a"),
        mesh("b"),
        "type: Mesh
name: plain
---
type: ZoneEgress
name: out
networking: {address: 127.0.0.1, port: 10002}
---
type: Dataplane
mesh: a
name: out
networking:
  address: 127.0.0.1
  listeners: [{type: ZoneEgress, address: 127.0.0.1, port: 10003}]
"
    ))?;
    let report = project.json(&[])?;
    let identities = report["identities"].as_array().context("a list")?;
    let lines: Vec<_> = identities
        .iter()
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap_or_default();
            format!("{} {} {}", text("mesh"), text("dataplane"), line["uris"])
        })
        .collect();
    assert_eq!(
        lines,
        [
            "a out [\"spiffe://a/zone-egress\"]",
            "a ZoneEgress.out [\"spiffe://a/zone-egress\"]",
            "b ZoneEgress.out [\"spiffe://b/zone-egress\"]",
        ]
    );
    let which = project.run("bootstrap", &["--dataplane", "out"])?;
    let said = String::from_utf8(which.stderr)?;
    assert!(said.contains("both a ZoneEgress and a Dataplane"), "{said}");
    Ok(())
}
