//! Changes are served while requests go on.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::{Signal, test_kill_process};
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::tls::Tls;
use system_tests::{meshgate, until};
use tokio::net::TcpStream;

use crate::gateway::{HOST, HTTPS, Resources, Run};
use crate::load::{ALL, Load};

/// What `round` changes. Every kind of resource that has a file of its own in the run directory comes again and again.
pub(crate) struct Changes {
    pub(crate) backends: [u16; 2],
    pub(crate) certificates: [String; 2],
}

impl Changes {
    pub(crate) fn resources(&self, round: usize) -> Resources {
        // Before and after the listener that is under load: the one that brings the table of the port changes with it.
        let hosts = ["a.example.com", "x.example.com", "*.example.com"];
        let more: Vec<_> = hosts
            .iter()
            .take(round % 4)
            .map(|&host| host.to_owned())
            .collect();
        Resources {
            backend: self.backends[round / 2 % 2],
            service: format!("backend-{}", round / 3 % 2),
            generation: round,
            https: more.iter().cloned().chain([HOST.to_owned()]).collect(),
            http: more,
            certificate: Some(self.certificates[round / 4 % 2].clone()),
            ports: Vec::new(),
            more: String::new(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_everything_changes() -> anyhow::Result<()> {
    const ROUNDS: usize = 24;
    let backends = [Backend::http("one").await?, Backend::http("two").await?];
    let certificate = || meshgate::certificate("*.example.com", "ecdsa");
    let changes = Changes {
        backends: [backends[0].port(), backends[1].port()],
        certificates: [certificate()?, certificate()?],
    };
    let run = Run::start(&changes.resources(0), &[])?;
    run.ready().await?;
    let load = Load::start(&run, &ALL, 50);
    for round in 1..=ROUNDS {
        run.change(&changes.resources(round)).await?;
        let answer = run.get(HOST).await?;
        assert_eq!(
            answer.headers["x-generation"],
            round.to_string(),
            "{}",
            run.said()
        );
        assert_eq!(answer.echo()?.backend, ["one", "two"][round / 2 % 2]);
    }
    let tally = load.end().await?;
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert!(tally.requests > 100, "{tally:?}");
    // Nothing has closed a connection: filter chains that stay are not touched by others.
    assert_eq!(tally.connections, 4, "{}", run.said());
    assert_eq!(run.reloads("refused").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections_and_the_old_ones_stay() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let resources = |certificate: &str| Resources {
        https: vec![HOST.to_owned()],
        certificate: Some(certificate.to_owned()),
        ..Resources::new(backend.port())
    };
    let (old, new) = (
        meshgate::certificate(HOST, "ecdsa")?,
        meshgate::certificate(HOST, "ecdsa")?,
    );
    let run = Run::start(&resources(&old), &[])?;
    run.ready().await?;
    let kept = Connection::open_tls(run.tls(), &Tls::sni(HOST)).await?;
    let before = kept.certificate.clone();
    let mut kept = kept.keep_http1().await?;
    run.change(&resources(&new)).await?;
    until("the new certificate", async || {
        let fresh = Connection::open_tls(run.tls(), &Tls::sni(HOST))
            .await
            .ok()?;
        (fresh.certificate != before).then_some(())
    })
    .await?;
    let answer = kept.send(get(HOST, "/")).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(run.counter("listener_manager.listener_modified").await?, 0);
    Ok(())
}

/// A line more above a listener moves it, but Envoy's listeners do not know lines.
#[tokio::test(flavor = "multi_thread")]
async fn routes_and_lines_change_without_the_listener() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    resources.generation = 1;
    run.write(&format!("# one line more\n{}", resources.yaml(run.address)))?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    for counter in [
        "listener_modified",
        "listener_in_place_updated",
        "total_listeners_draining",
    ] {
        assert_eq!(
            run.counter(&format!("listener_manager.{counter}")).await?,
            0,
            "{counter}"
        );
    }
    assert_eq!(run.counter("cluster_manager.cluster_modified").await?, 0);
    Ok(())
}

/// The way in which kubelet changes a mounted ConfigMap: the link `..data` gets another folder.
#[tokio::test(flavor = "multi_thread")]
async fn the_swap_of_a_link_is_a_change() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let version = |name: &str, resources: &Resources| -> anyhow::Result<()> {
        fs::create_dir(run.resources(name))?;
        fs::write(
            run.resources(name).join("gateway.yaml"),
            resources.yaml(run.address),
        )?;
        symlink(name, run.resources("..new"))?;
        Ok(fs::rename(run.resources("..new"), run.resources("..data"))?)
    };
    version("..2026_1", &resources)?;
    fs::remove_file(run.resources("gateway.yaml"))?;
    symlink("..data/gateway.yaml", run.resources("gateway.yaml"))?;
    resources.generation = 7;
    version("..2026_2", &resources)?;
    until("the new version", async || {
        let answer = run.get(HOST).await.ok()?;
        (answer.headers.get("x-generation")? == "7").then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_and_go() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    fs::write(run.resources("more.yaml"), "type: Mesh\nname: default\n")?;
    run.until_reloads("unchanged", 1).await?;
    fs::remove_file(run.resources("more.yaml"))?;
    run.until_reloads("unchanged", 2).await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_at_once() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    run.signal(Signal::HUP)?;
    run.until_reloads("unchanged", 1).await
}

/// Hot restart: the port is never closed, and connections end with an answer that says so.
#[tokio::test(flavor = "multi_thread")]
async fn another_envoy_takes_over() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let resources = Resources {
        https: vec![HOST.to_owned()],
        certificate: Some(meshgate::certificate(HOST, "ecdsa")?),
        ..Resources::new(backend.port())
    };
    let times = ["--drain-time-s", "2", "--parent-shutdown-time-s", "4"];
    let run = Run::start_with(&resources, &["--hot-restart"], &times)?;
    let first = run.envoy().await?;
    let load = Load::start(&run, &ALL, 50);
    run.signal(Signal::USR2)?;
    run.until_it_says("another Envoy takes over").await?;
    let second = run.envoy().await?;
    assert_ne!(first, second);
    until("the end of the first Envoy", async || {
        test_kill_process(first).is_err().then_some(())
    })
    .await?;
    run.change(&Resources {
        generation: 1,
        ..resources
    })
    .await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    let tally = load.end().await?;
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert_eq!(run.status().await?["envoy"]["restarts"], 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_limit_needs_no_new_listener() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let mut kept = Connection::open(run.at()).await?.keep_http1().await?;
    assert_eq!(kept.send(get(HOST, "/")).await?.status, 200);
    let host = format!("hostname: '{HOST}'");
    let limit = format!("{host}, resources: {{connectionLimit: 1}}");
    run.write(&resources.yaml(run.address).replace(&host, &limit))?;
    run.until_reloads("applied", 1).await?;
    assert!(run.get(HOST).await.is_err());
    assert_eq!(kept.send(get(HOST, "/")).await?.status, 200);
    run.write(&resources.yaml(run.address))?;
    run.until_reloads("applied", 2).await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_may_change_its_protocol_and_go() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let with_tls = Resources {
        https: vec![HOST.to_owned()],
        certificate: Some(meshgate::certificate(HOST, "ecdsa")?),
        ..Resources::new(backend.port())
    };
    let without = Resources {
        ports: vec![HTTPS],
        ..Resources::new(backend.port())
    };
    let run = Run::start(&with_tls, &[])?;
    run.ready().await?;
    let tls = async || Connection::open_tls(run.tls(), &Tls::sni(HOST)).await;
    assert!(tls().await.is_ok());
    run.change(&without).await?;
    let plain = Connection::open(run.tls()).await?;
    assert_eq!(plain.http1(get(HOST, "/")).await?.status, 200);
    run.change(&with_tls).await?;
    assert!(tls().await.is_ok());
    run.change(&Resources::new(backend.port())).await?;
    until("the port to be closed", async || {
        TcpStream::connect(run.tls()).await.is_err().then_some(())
    })
    .await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    Ok(())
}

/// Envoy aborts when it cannot watch a file (`fs.inotify.max_user_instances`).
#[tokio::test(flavor = "multi_thread")]
async fn more_listeners_than_envoy_can_watch_files() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let hosts = (0..150).map(|n| format!("host-{n}.example.com"));
    let mut resources = Resources {
        https: hosts.chain([HOST.to_owned()]).collect(),
        certificate: Some(meshgate::certificate("*.example.com", "ecdsa")?),
        ..Resources::new(backend.port())
    };
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let load = Load::start(&run, &ALL, 20);
    for round in 1..=3 {
        resources.generation = round;
        resources.https.insert(0, format!("a-{round}.example.com"));
        run.change(&resources).await?;
        let new = Connection::open_tls(run.tls(), &Tls::sni(&resources.https[0])).await?;
        let answer = new.http1(get(&resources.https[0], "/")).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["x-generation"], round.to_string());
    }
    let tally = load.end().await?;
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    Ok(())
}
