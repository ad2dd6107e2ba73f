//! Whatever is under way, SIGTERM ends it.

use std::fs;

use rustix::process::{Signal, kill_process};
use system_tests::echo::Backend;
use system_tests::until;

use crate::gateway::{HOST, Resources, Run};
use crate::wrapper::Wrapper;

/// An Envoy that looks at configurations for ever, as long as there is a certain file.
fn slow() -> anyhow::Result<Wrapper> {
    let wrapper = Wrapper::of_script("--mode validate", "[ -e \"$0.slow\" ] && exec sleep 600")?;
    Ok(wrapper)
}

fn hold(envoy: &Wrapper) -> anyhow::Result<()> {
    Ok(fs::write(envoy.file("envoy.slow"), "")?)
}

async fn looks(run: &Run) -> anyhow::Result<()> {
    let trial = run.folder.path().join("work/run/default.edge-1/trial.pb");
    until("Envoy to look at a configuration", async || {
        trial.exists().then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_given_up() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let envoy = slow()?;
    let mut resources = Resources::new(backend.port());
    let mut run = Run::start_with(&resources, &["--envoy", &envoy.path()?], &[])?;
    run.ready().await?;
    hold(&envoy)?;
    resources.generation = 1;
    run.write(&resources.yaml(run.address))?;
    looks(&run).await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    run.signal(Signal::TERM)?;
    assert_eq!(run.end().await?.code(), Some(0));
    assert!(!run.said().contains("NOT RELOADED"), "{}", run.said());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_given_up() -> anyhow::Result<()> {
    let envoy = slow()?;
    hold(&envoy)?;
    let mut run = Run::start_with(&Resources::new(1), &["--envoy", &envoy.path()?], &[])?;
    looks(&run).await?;
    run.signal(Signal::INT)?;
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_hangs_is_killed() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let resources = Resources::new(backend.port());
    let mut run = Run::start_with(&resources, &["--drain-time", "1"], &[])?;
    let envoy = run.envoy().await?;
    kill_process(envoy, Signal::STOP)?;
    run.signal(Signal::TERM)?;
    assert_eq!(run.end().await?.code(), Some(128 + 9));
    assert!(run.said().contains("it is killed"), "{}", run.said());
    Ok(())
}
