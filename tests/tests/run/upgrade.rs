//! Another Envoy in the place of the one that runs.

use rustix::process::{Signal, test_kill_process};
use system_tests::echo::Backend;
use system_tests::{envoy, until};

use crate::gateway::{HOST, HTTPS, Resources, Run};
use crate::load::{ALL, Load};
use crate::wrapper::Wrapper;

const TIMES: [&str; 4] = ["--drain-time-s", "1", "--parent-shutdown-time-s", "2"];

fn resources(backend: &Backend) -> anyhow::Result<Resources> {
    Ok(Resources {
        https: vec![HOST.to_owned()],
        certificate: Some(system_tests::meshgate::certificate(HOST, "ecdsa")?),
        ..Resources::new(backend.port())
    })
}

/// From the oldest version that is supported to the newest, without a signal and without a failed request.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_binary_takes_over_by_itself() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let oldest = envoy::VERSIONS[envoy::VERSIONS.len() - 1];
    let binary = Wrapper::of_version(oldest)?;
    let resources = resources(&backend)?;
    let args = ["--hot-restart", "--envoy", &binary.path()?];
    let run = Run::start_with(&resources, &args, &TIMES)?;
    let first = run.envoy().await?;
    let load = Load::start(&run, &ALL, 50);
    binary.becomes_version(envoy::NEWEST)?;
    run.until_it_says("another Envoy takes over").await?;
    until("the end of the first Envoy", async || {
        test_kill_process(first).is_err().then_some(())
    })
    .await?;
    let second = run.envoy().await?;
    assert_ne!(first, second);
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

/// Whatever cannot take over is started after the running one, and only if somebody asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_take_over_waits_for_a_signal() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    for (args, version, said) in [
        (
            vec!["--hot-restart"],
            "echo 99.1; exit 0",
            "its hot restart version is 99.1",
        ),
        (vec![], "exit 1", "without --hot-restart"),
    ] {
        let binary = Wrapper::of_version(envoy::NEWEST)?;
        let path = binary.path()?;
        let args: Vec<_> = args.into_iter().chain(["--envoy", &path]).collect();
        let run = Run::start_with(&resources(&backend)?, &args, &TIMES)?;
        let first = run.envoy().await?;
        binary.becomes_script("--hot-restart-version", version)?;
        run.until_it_says(said).await?;
        assert_eq!(run.envoy().await?, first);
        assert_eq!(run.get(HOST).await?.status, 200);
        run.signal(Signal::USR2)?;
        until("another Envoy", async || {
            (run.envoy().await.ok()? != first).then_some(())
        })
        .await?;
        assert_eq!(run.get(HOST).await?.status, 200);
        let tls = system_tests::tls::Tls::sni(HOST);
        let at = (run.address, HTTPS).into();
        assert!(
            system_tests::client::Connection::open_tls(at, &tls)
                .await
                .is_ok()
        );
        assert_eq!(run.status().await?["envoy"]["restarts"], 0);
        assert_eq!(run.status().await?["envoy"]["draining"], false);
    }
    Ok(())
}

/// A binary that is no Envoy, or one that does not take the configuration, changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_binary_that_is_of_no_use_changes_nothing() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let binary = Wrapper::of_version(envoy::NEWEST)?;
    let args = ["--hot-restart", "--envoy", &binary.path()?];
    let run = Run::start_with(&resources(&backend)?, &args, &TIMES)?;
    let first = run.envoy().await?;
    binary.becomes_script(
        "--mode validate",
        "echo 'error initializing configuration: no' >&2; exit 1",
    )?;
    run.until_it_says("no other Envoy takes over: error initializing configuration: no")
        .await?;
    run.signal(Signal::USR2)?;
    until("the answer to the signal", async || {
        (run.said().matches("no other Envoy takes over").count() == 2).then_some(())
    })
    .await?;
    assert_eq!(run.envoy().await?, first);
    assert_eq!(run.get(HOST).await?.status, 200);
    Ok(())
}
