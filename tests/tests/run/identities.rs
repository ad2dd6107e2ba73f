//! Identities that end after seconds, under requests that do not: the example of meshes that call each other.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use rustix::process::Signal;
use serde_json::Value;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::tls::{Identity, Tls};
use system_tests::{checkout, until};

use crate::gateway::Run;

/// Where the proxies are. Each of them is told of those that it calls.
#[derive(Clone, Copy)]
struct Addresses {
    web: Ipv4Addr,
    api: Ipv4Addr,
    backend: Ipv4Addr,
    service: u16,
}

impl Addresses {
    fn write(self, folder: &Path) -> anyhow::Result<()> {
        let example = checkout().join("envoy-configs/cross-mesh/resources");
        let read = |name| fs::read_to_string(example.join(name));
        let ends_soon = "type: builtin, dpCert: {rotation: {expiration: 5s}}}";
        let at = |address| format!("address: {address}");
        let web = read("mesh-1.yaml")?
            .replace("type: builtin}", ends_soon)
            .replace("meshgate.io/cross-mesh-port: \"10080\"", "port-for: nobody")
            .replace("address: 127.0.0.1", &at(self.web))
            .replace("port: 10001,", &format!("port: 10001, {},", at(self.web)));
        let far = read("mesh-2.yaml")?
            .replace("type: builtin}", ends_soon)
            .replacen("address: 127.0.0.1", &at(self.backend), 1)
            .replacen("address: 127.0.0.1", &at(self.api), 1)
            .replace(
                "servicePort: 18082",
                &format!("servicePort: {}, serviceAddress: 127.0.0.1", self.service),
            );
        fs::write(folder.join("mesh-1.yaml"), web)?;
        Ok(fs::write(folder.join("mesh-2.yaml"), far)?)
    }
}

/// Three `meshgate run` with the CAs and identities of one folder.
struct Meshes {
    backend: Run,
    api: Run,
    web: Run,
}

impl Meshes {
    async fn start(service: u16) -> anyhow::Result<Self> {
        let nobody = Ipv4Addr::LOCALHOST;
        let mut at = Addresses {
            web: nobody,
            api: nobody,
            backend: nobody,
            service,
        };
        let backend = Run::start_files(&["--dataplane", "backend-1"], &[], |address, folder| {
            at.backend = address;
            at.write(folder)
        })?;
        backend.ready().await?;
        let work = backend.folder.path().join("work");
        let share = |folder: &Path| symlink(&work, folder.with_file_name("work"));
        let api = Run::start_files(&["--dataplane", "api-1"], &[], |address, folder| {
            at.api = address;
            share(folder)?;
            at.write(folder)
        })?;
        let web = Run::start_files(&["--dataplane", "web-1"], &[], |address, folder| {
            at.web = address;
            share(folder)?;
            at.write(folder)
        })?;
        api.ready().await?;
        web.ready().await?;
        Ok(Self { backend, api, web })
    }

    /// That of this moment.
    fn identity(&self, mesh: &str, dataplane: &str) -> anyhow::Result<Identity> {
        let proxies = self.backend.folder.path().join("work/proxies");
        let text = fs::read(proxies.join(mesh).join(dataplane).join("identity.json"))?;
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

    /// What somebody with this identity gets on a connection of its own.
    async fn ask(&self, run: &Run, port: u16, identity: &Identity) -> anyhow::Result<Response> {
        let tls = Tls::no_sni().alpn(&["kuma"]).identity(identity);
        let connection = Connection::open_tls((run.address, port).into(), &tls).await?;
        connection.http1(get("internal.api.mesh-2.mesh", "/")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_identities_end_and_are_renewed() -> anyhow::Result<()> {
    const ROTATIONS: usize = 3;
    let service = Backend::http("service").await?;
    let meshes = Meshes::start(service.port()).await?;
    let done = AtomicBool::new(false);
    let served = AtomicUsize::new(0);
    let through_all = async {
        while !done.load(Ordering::Relaxed) {
            let outbound = SocketAddr::from((meshes.web.address, 10001));
            let connection = Connection::open(outbound).await?;
            let response = connection.http1(get("api", "/")).await?;
            ensure!(response.status == 200, "through all: {response:?}");
            served.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    // The proxies keep their connections with each other, so new ones are made here.
    let anew = async {
        while !done.load(Ordering::Relaxed) {
            let web = meshes.identity("mesh-1", "web-1")?;
            let response = meshes.ask(&meshes.api, 9080, &web).await?;
            ensure!(response.status == 200, "as web: {response:?}");
            let api = meshes.identity("mesh-2", "api-1")?;
            let response = meshes.ask(&meshes.backend, 7002, &api).await?;
            ensure!(response.status == 200, "as api: {response:?}");
        }
        Ok(())
    };
    let rotations = async {
        for (run, port) in [(&meshes.api, 9080), (&meshes.backend, 7002)] {
            let tls = Tls::no_sni().alpn(&["kuma"]);
            let mut seen = BTreeSet::new();
            until("new identities", async || {
                let connection = Connection::open_tls((run.address, port).into(), &tls).await;
                seen.insert(connection.ok()?.certificate?);
                (seen.len() > ROTATIONS).then_some(())
            })
            .await?;
        }
        done.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    tokio::try_join!(through_all, anew, rotations)?;
    assert!(served.load(Ordering::Relaxed) > 0, "{served:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_of_the_last_good_configuration_are_renewed() -> anyhow::Result<()> {
    const RENEWALS: usize = 2;
    let service = Backend::http("service").await?;
    let nobody = Ipv4Addr::LOCALHOST;
    let mut at = Addresses {
        web: nobody,
        api: nobody,
        backend: nobody,
        service: service.port(),
    };
    let mut run = Run::start_files(&["--dataplane", "backend-1"], &[], |address, folder| {
        at.backend = address;
        at.write(folder)
    })?;
    run.ready().await?;
    run.signal(Signal::TERM)?;
    run.end().await?;
    fs::write(run.resources("mesh-1.yaml"), "type: [")?;
    run.start_again()?;
    run.ready().await?;
    let status = run.status().await?;
    assert_eq!(status["loaded"]["last_good"], true, "{status:#}");
    let tls = Tls::no_sni().alpn(&["kuma"]);
    let mut seen = BTreeSet::new();
    until("renewed identities", async || {
        let connection = Connection::open_tls((run.address, 7002).into(), &tls).await;
        seen.insert(connection.ok()?.certificate?);
        (seen.len() > RENEWALS).then_some(())
    })
    .await
}
