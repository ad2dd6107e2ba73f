//! What people and Prometheus get to see.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::Context;
use rustix::process::Signal;
use serde_json::Value;
use system_tests::client::{self, Connection};
use system_tests::echo::Backend;
use system_tests::{checkout, meshgate, until};
use tokio::net::TcpListener;

use crate::gateway::{HOST, Resources, Run};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_those_of_meshgate_envoy_and_the_filter() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::start(
        &Resources {
            https: vec![HOST.to_owned()],
            certificate: Some(meshgate::certificate(HOST, "ecdsa")?),
            ..Resources::new(backend.port())
        },
        &[],
    )?;
    run.ready().await?;
    run.get(HOST).await?;
    run.get("unknown.example.com").await?;
    let metrics = run.endpoint("/metrics").await?.body;
    for line in [
        "meshgate_reloads_total{result=\"applied\"} 0",
        "meshgate_reload_last_ok 1",
        "meshgate_config_info{hash=\"",
        "meshgate_certificate_not_after_timestamp_seconds{name=\"cert.ecdsa:secret:tls\"} ",
        "meshgate_envoy_ready 1",
        "envoy_server_live{} 1",
        "decision=\"forward\"",
        "reason=\"no_listener\"",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_the_line_of_each_listener() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    let status = run.status().await?;
    let listener = &status["loaded"]["listeners"][0];
    assert_eq!(listener["hostname"], HOST);
    assert_eq!(listener["file"], "resources/gateway.yaml");
    assert_eq!(listener["line"], 29);
    let output = Command::new(meshgate::binary())
        .args(["status", "--at", &format!("{}:9902", run.address)])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{text}");
    assert!(text.contains("resources/gateway.yaml:29"), "{text}");
    Ok(())
}

/// What is refused is no reason to start a container anew: health is apart from it.
#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_status_tells_health_and_drift_apart() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let resources = Resources::new(backend.port());
    let mut run = Run::start(&resources, &[])?;
    run.ready().await?;
    let at = format!("{}:9902", run.address);
    let codes = || -> anyhow::Result<[Option<i32>; 2]> {
        let code = |more: &[&str]| {
            let mut status = Command::new(meshgate::binary());
            status.args(["status", "--at", &at]).args(more);
            status.output().map(|output| output.status.code())
        };
        Ok([code(&[])?, code(&["--ready"])?])
    };
    assert_eq!(codes()?, [Some(0), Some(0)]);
    run.write("type: [")?;
    run.until_reloads("refused", 1).await?;
    assert_eq!(codes()?, [Some(1), Some(0)]);
    run.write(&resources.yaml(run.address))?;
    run.until_reloads("unchanged", 1).await?;
    assert_eq!(codes()?, [Some(0), Some(0)]);
    run.signal(Signal::TERM)?;
    run.end().await?;
    assert_eq!(codes()?, [Some(2), Some(1)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_says_what_it_has() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/status?x=1", 200),
        ("/", 404),
    ] {
        assert_eq!(run.endpoint(path).await?.status, status, "{path}");
    }
    Ok(())
}

/// Prometheus' own tool judges them, where it is installed (Debian: `prometheus`).
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_metrics() -> anyhow::Result<()> {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: promtool is not in $PATH");
        return Ok(());
    }
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    run.get(HOST).await?;
    let metrics = run.endpoint("/metrics").await?.body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = promtool.stdin.take().context("piped")?;
    stdin.write_all(metrics.as_bytes())?;
    drop(stdin);
    let output = promtool.wait_with_output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(!said.contains("error while linting"), "{said}");
    // It has opinions on names and texts too; those of Envoy and of what the filter counts in it are Envoy's.
    let ours =
        |line: &&str| line.starts_with("meshgate_") && !line.starts_with("meshgate_requests");
    assert_eq!(said.lines().find(ours), None);
    assert!(!metrics.contains("edge_gateway_HTTP"), "{metrics}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_it() -> anyhow::Result<()> {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: prometheus is not in $PATH");
        return Ok(());
    }
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    run.get(HOST).await?;
    let own = run.folder.path().join("prometheus");
    fs::create_dir(&own)?;
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: meshgate, static_configs: [{{targets: ['{}:9902']}}]}}]\n",
        run.address
    );
    fs::write(own.join("prometheus.yml"), config)?;
    let at = SocketAddr::from((run.address, 9090));
    let mut prometheus = Command::new("prometheus")
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={at}"))
        .current_dir(&own)
        .stderr(Stdio::null())
        .spawn()?;
    let query = "/api/v1/query?query=meshgate_requests%7Bdecision%3D%22forward%22%7D";
    let scraped = until("a sample in Prometheus", async || {
        let answer = Connection::open(at).await.ok()?;
        let answer = answer.http1(client::get("prometheus", query)).await.ok()?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let sample = answer["data"]["result"][0].clone();
        (!sample.is_null()).then_some(sample)
    })
    .await;
    prometheus.kill()?;
    prometheus.wait()?;
    let sample = scraped?;
    assert_eq!(
        sample["metric"]["listener"],
        "edge-gateway/8080/foo.example.com"
    );
    assert_eq!(sample["value"][1], "1");
    Ok(())
}

/// Each metric that the dashboard asks for is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_asks_for_what_there_is() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::start(
        &Resources {
            https: vec![HOST.to_owned()],
            certificate: Some(meshgate::certificate(HOST, "ecdsa")?),
            ..Resources::new(backend.port())
        },
        &[],
    )?;
    run.ready().await?;
    run.get(HOST).await?;
    let metrics = run.endpoint("/metrics").await?.body;
    let text = fs::read_to_string(checkout().join("envoy-configs/grafana/meshgate.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let mut names = 0;
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let query = panel["targets"][0]["expr"].as_str().unwrap_or_default();
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|w| w.starts_with("meshgate_") || w.starts_with("envoy_")) {
            let is_label = name.starts_with("envoy_response_code") || name.ends_with("_prefix");
            assert!(
                is_label
                    || metrics.contains(&format!("\n{name}{{"))
                    || metrics.contains(&format!("\n{name} ")),
                "no {name} in\n{metrics}"
            );
            names += 1;
        }
    }
    assert!(names > 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_lines_of_json_if_wanted() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::start_with(
        &Resources::new(backend.port()),
        &["--log-format", "json"],
        &[],
    )?;
    run.ready().await?;
    let other = TcpListener::bind((run.address, 0)).await?;
    let ports = vec![other.local_addr()?.port()];
    let refused_by_envoy = Resources {
        ports,
        ..Resources::new(backend.port())
    };
    run.write(&refused_by_envoy.yaml(run.address))?;
    run.until_reloads("refused", 1).await?;
    run.until_it_says("NOT RELOADED").await?;
    let said = run.said();
    assert!(said.lines().count() > 3, "{said}");
    for line in said.lines() {
        let message: Value = serde_json::from_str(line)?;
        assert!(
            message["message"].is_string() && message["time"].is_string(),
            "{line}"
        );
    }
    Ok(())
}
