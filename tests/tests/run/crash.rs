//! Whatever ends, what is left is whole.

use std::fs;

use rustix::process::{Signal, kill_process};
use system_tests::echo::Backend;
use system_tests::until;

use crate::gateway::{HOST, Resources, Run};

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_dies_is_started_again() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    let first = run.envoy().await?;
    kill_process(first, Signal::KILL)?;
    until("another Envoy", async || {
        (run.envoy().await.ok()? != first).then_some(())
    })
    .await?;
    assert_eq!(run.get(HOST).await?.status, 200);
    assert_eq!(run.status().await?["envoy"]["restarts"], 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_ends_with_a_meshgate_that_is_killed() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut run = Run::with_backend(backend.port())?;
    run.ready().await?;
    run.signal(Signal::KILL)?;
    run.end().await?;
    run.refuses_connections().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_on_one_folder_refuse_each_other() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let run = Run::with_backend(backend.port())?;
    run.ready().await?;
    let (said, code) = run.second()?;
    assert_eq!(code, Some(2), "{said}");
    let owner = format!("process {} serves this proxy already", run.child.id());
    assert!(said.contains(&owner), "{said}");
    assert_eq!(run.get(HOST).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_resources_at_the_start_leave_the_last_good_configuration() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut run = Run::with_backend(backend.port())?;
    run.ready().await?;
    run.change(&Resources {
        generation: 3,
        ..Resources::new(backend.port())
    })
    .await?;
    run.signal(Signal::KILL)?;
    run.end().await?;
    let good = fs::read_to_string(run.resources("gateway.yaml"))?;
    run.write("type: [")?;
    run.start_again()?;
    run.ready().await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "3");
    assert!(
        run.said().contains("THE RESOURCES ARE NOT SERVED"),
        "{}",
        run.said()
    );
    let status = run.status().await?;
    assert_eq!(status["loaded"]["last_good"], true, "{status:#}");
    run.write(&good)?;
    run.until_reloads("unchanged", 1).await?;
    let status = run.status().await?;
    assert_eq!(status["loaded"]["last_good"], false, "{status:#}");
    assert!(status["refused"].is_null(), "{status:#}");
    Ok(())
}

/// At any moment of a reload: what is served afterwards is the old or the new configuration, and the new one in the end.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_may_die_during_a_reload() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let run = Run::start(&resources, &[])?;
    for round in 1..=3 {
        let envoy = run.envoy().await?;
        resources.generation = round;
        resources.http = (0..round)
            .map(|n| format!("host-{n}.example.com"))
            .collect();
        run.write(&resources.yaml(run.address))?;
        // Some time between the change and its end.
        until("the begin of the reload", async || {
            let busy = run
                .folder
                .path()
                .join("work/run/default.edge-1/trial.pb")
                .exists();
            (busy || run.reloads("applied").await.ok()? >= u64::try_from(round).ok()?).then_some(())
        })
        .await?;
        kill_process(envoy, Signal::KILL)?;
        until("the new configuration", async || {
            let answer = run.get(HOST).await.ok()?;
            (answer.headers.get("x-generation")? == &round.to_string()).then_some(())
        })
        .await?;
        for host in &resources.http {
            assert_eq!(run.get(host).await?.status, 200);
        }
    }
    Ok(())
}

/// The next one comes up with what the resources say, whole, wherever the last one was.
#[tokio::test(flavor = "multi_thread")]
async fn meshgate_may_die_during_a_reload() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let mut run = Run::start(&resources, &[])?;
    for round in 1..=3 {
        run.ready().await?;
        resources.generation = round;
        resources.http = (0..round)
            .map(|n| format!("host-{n}.example.com"))
            .collect();
        run.write(&resources.yaml(run.address))?;
        let folder = run.folder.path().join("work/run/default.edge-1");
        let moment = ["trial.pb", "next", "before/routes"][round - 1];
        until("the begin of the reload", async || {
            let begun = folder.join(moment).exists();
            (begun || run.reloads("applied").await.ok()? > 0).then_some(())
        })
        .await?;
        run.signal(Signal::KILL)?;
        run.end().await?;
        run.start_again()?;
        run.ready().await?;
        for host in resources.http.iter().map(String::as_str).chain([HOST]) {
            let answer = run.get(host).await?;
            assert_eq!(answer.headers["x-generation"], round.to_string());
        }
    }
    Ok(())
}
