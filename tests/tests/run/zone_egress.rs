//! The proxy of a zone egress: who may reach what changes while it runs.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::tls::{Identity, Tls};
use system_tests::until;

use crate::gateway::Run;

/// `api;default;` hashed as Kuma does.
const API: &str = "a{hash}.api.80.default.mes";

fn resources(address: Ipv4Addr, backend: u16, more: &str) -> String {
    format!(
        "type: Mesh
name: default
mtls: {{enabledBackend: ca, backends: [{{name: ca, type: builtin}}]}}
---
type: ZoneEgress
name: egress-1
networking: {{address: {address}, port: 10002}}
---
type: MeshExternalService
mesh: default
name: api
spec:
  match: {{type: HostnameGenerator, port: 80, protocol: http}}
  endpoints: [{{address: 127.0.0.1, port: {backend}}}]
{more}"
    )
}

const NOBODY: &str = "---
type: MeshTrafficPermission
mesh: default
name: api
spec:
  targetRef: {kind: MeshExternalService, name: api}
  rules: [{default: {allow: [{spiffeID: {type: Exact, value: spiffe://default/nobody}}]}}]
";

/// The egress's own identity, which is one of the mesh.
fn identity(run: &Run) -> anyhow::Result<Identity> {
    let folder = Path::new("work/proxies/default/ZoneEgress.egress-1");
    let text = fs::read(run.folder.path().join(folder).join("identity.json"))?;
    let secret: Value = serde_json::from_slice(&text)?;
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

async fn ask(run: &Run) -> anyhow::Result<Response> {
    let hash = "api;default;".bytes();
    let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let name = API.replace("{hash}", &format!("{hash:x}"));
    let tls = Tls::sni(&name).alpn(&["kuma"]).identity(&identity(run)?);
    let connection = Connection::open_tls((run.address, 10002).into(), &tls).await?;
    connection.http1(get("any.test", "/")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_change_while_an_egress_runs() -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let run = Run::start_files(&["--dataplane", "egress-1"], &[], |address, folder| {
        let text = resources(address, backend.port(), "");
        Ok(fs::write(folder.join("gateway.yaml"), text)?)
    })?;
    run.ready().await?;
    run.until_it_says("zone egress egress-1 (meshes default)")
        .await?;
    assert_eq!(ask(&run).await?.status, 200, "{}", run.said());
    let listeners = run.status().await?.to_string();
    assert!(listeners.contains(".api.80.default.mes"), "{listeners}");
    run.write(&resources(run.address, backend.port(), NOBODY))?;
    run.until_reloads("applied", 1).await?;
    until("the permission to hold", async || {
        (ask(&run).await.ok()?.status == 403).then_some(())
    })
    .await?;
    // Without the service there is nothing left to listen for.
    let text = resources(run.address, backend.port(), NOBODY);
    let (rest, _) = text
        .split_once("---\ntype: MeshExternalService")
        .context("a service")?;
    run.write(rest)?;
    run.until_reloads("applied", 2).await?;
    until("the service to be gone", async || {
        ask(&run).await.is_err().then_some(())
    })
    .await?;
    run.write(&resources(run.address, backend.port(), ""))?;
    run.until_reloads("applied", 3).await?;
    until("the service to be back", async || {
        (ask(&run).await.ok()?.status == 200).then_some(())
    })
    .await
}
