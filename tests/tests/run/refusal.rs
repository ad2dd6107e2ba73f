//! What cannot be served leaves what is.

use std::fs::{self, OpenOptions};
use std::io::Write;

use system_tests::echo::Backend;
use tokio::net::TcpListener;

use crate::gateway::{HOST, Resources, Run};

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_keeps_what_is_served_and_is_shown_until_it_is_mended() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let broken = resources
        .yaml(run.address)
        .replace("protocol: HTTP", "protocol: HTTPZ");
    run.write(&broken)?;
    run.until_reloads("refused", 1).await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    assert!(run.said().contains("NOT RELOADED"), "{}", run.said());
    let status = run.status().await?;
    let finding = &status["refused"]["findings"][0];
    assert_eq!(finding["code"], "MG0106", "{status:#}");
    assert!(
        run.endpoint("/metrics")
            .await?
            .body
            .contains("meshgate_reload_last_ok 0\n")
    );
    resources.generation = 1;
    run.change(&resources).await?;
    assert!(run.status().await?["refused"].is_null());
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_not_served() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    resources.generation = 1;
    let yaml = resources.yaml(run.address);
    let (begin, rest) = yaml.split_at(yaml.find("rules:").unwrap() + 3);
    fs::write(run.resources("gateway.yaml"), begin)?;
    run.until_reloads("refused", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "0");
    OpenOptions::new()
        .append(true)
        .open(run.resources("gateway.yaml"))?
        .write_all(rest.as_bytes())?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_that_are_gone_are_no_change() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    fs::remove_file(run.resources("gateway.yaml"))?;
    run.until_reloads("refused", 1).await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    Ok(())
}

/// Nothing but Envoy itself can know that somebody else has the port.
#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_refuses_is_rolled_back_and_leads_to_a_line() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let other = TcpListener::bind((run.address, 0)).await?;
    resources.ports = vec![other.local_addr()?.port()];
    resources.generation = 1;
    run.write(&resources.yaml(run.address))?;
    run.until_reloads("refused", 1).await?;
    // The routes had been swapped before the listener was refused.
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "0");
    let status = run.status().await?;
    let finding = &status["refused"]["findings"][0];
    assert_eq!(finding["code"], "MG0501", "{status:#}");
    assert_eq!(finding["file"], "resources/gateway.yaml", "{status:#}");
    assert!(
        finding["message"]
            .as_str()
            .unwrap()
            .contains("Address already in use")
    );
    drop(other);
    run.signal(rustix::process::Signal::HUP)?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_changes_nothing() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    run.ready().await?;
    let in_the_way = run.folder.path().join("work/run/default.edge-1/next");
    fs::write(&in_the_way, "a file where a folder should be")?;
    resources.generation = 1;
    run.write(&resources.yaml(run.address))?;
    run.until_reloads("refused", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "0");
    fs::remove_file(in_the_way)?;
    run.signal(rustix::process::Signal::HUP)?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    Ok(())
}

/// Each file of the example is cut in the middle, as if an editor had written half of it, and mended again.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_survives_every_broken_file() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::start_example("kuma-gateway", backend.port())?;
    run.ready().await?;
    let mut refused = 0;
    for name in ["gateway.yaml", "mesh.yaml", "routes.yaml", "secret.yaml"] {
        let text = fs::read_to_string(run.resources(name))?;
        let half = text.rfind(": ").unwrap_or_default();
        fs::write(run.resources(name), format!("{}: [", &text[..half]))?;
        refused += 1;
        run.until_reloads("refused", refused).await?;
        assert_eq!(run.get(HOST).await?.status, 200, "{name}");
        fs::write(run.resources(name), &text)?;
        run.until_reloads("unchanged", refused).await?;
        assert!(run.status().await?["refused"].is_null(), "{name}");
    }
    Ok(())
}
