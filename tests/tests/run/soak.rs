//! The long run: `make soak`, and a short one with every test.

use std::fs;

use anyhow::ensure;
use system_tests::echo::Backend;
use system_tests::{meshgate, until};

use crate::gateway::Run;
use crate::load::{ALL, Load, Protocol};
use crate::reload::Changes;

/// Each client waits for its answer before it asks again, so it takes some to be fast while everybody is busy.
const CLIENTS: usize = 40;
/// What a heap may differ by, in bytes, between two moments with the same configuration: caches and buffers.
const NOISE: u64 = 8 << 20;

/// `MESHGATE_SOAK_RELOADS` and `MESHGATE_SOAK_RATE` (requests a second) make it shorter.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half an hour: make soak"]
async fn a_thousand_reloads_under_a_thousand_requests_a_second() -> anyhow::Result<()> {
    soak(
        number("MESHGATE_SOAK_RELOADS", 1000)?,
        number("MESHGATE_SOAK_RATE", 1000)?,
        CLIENTS,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_leave_no_memory_behind() -> anyhow::Result<()> {
    soak(30, 80, 8).await
}

async fn soak(rounds: usize, rate: usize, clients: usize) -> anyhow::Result<()> {
    let backends = [Backend::http("one").await?, Backend::http("two").await?];
    let changes = Changes {
        backends: [backends[0].port(), backends[1].port()],
        certificates: [
            meshgate::certificate("*.example.com", "ecdsa")?,
            meshgate::certificate("*.example.com", "ecdsa")?,
        ],
    };
    // Envoy keeps what it drains for ten minutes otherwise, and so some hundred generations of it.
    let run = Run::start(&changes.resources(0), &["--drain-time-s", "5"])?;
    run.ready().await?;
    let clients: Vec<Protocol> = ALL.into_iter().cycle().take(clients).collect();
    let load = Load::start(&run, &clients, u32::try_from(rate.div_ceil(clients.len()))?);
    let begin = tokio::time::Instant::now();
    // After a part of them everything has been there once.
    let warm = rounds.div_ceil(10).max(12).min(rounds);
    let mut before = 0;
    for round in 1..=rounds {
        run.change(&changes.resources(round)).await?;
        if round == warm {
            before = allocated(&run).await?;
        }
        if round % 50 == 0 || round == 1 || round == warm {
            say(&run, round, begin.elapsed().as_secs()).await?;
        }
    }
    // The same configuration as then, but for the number of its generation.
    run.change(&changes.resources(warm)).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let tally = load.end().await?;
    // What is drained takes its time to go.
    let settled = until("the memory to return", async || {
        let now = allocated(&run).await.ok()?;
        (now < before + NOISE).then_some(now)
    });
    let after = settled.await.unwrap_or(allocated(&run).await?);
    say(&run, rounds, begin.elapsed().as_secs()).await?;
    #[expect(clippy::cast_precision_loss, reason = "it is only printed")]
    let reached = tally.requests as f64 / seconds;
    println!(
        "{} requests in {seconds:.0} s ({reached:.0} a second), {} connections for {} clients, {} failures",
        tally.requests,
        tally.connections,
        clients.len(),
        tally.failures.len()
    );
    println!("allocated by Envoy: {before} bytes after {warm} reloads, {after} after {rounds}");
    ensure!(tally.failures.is_empty(), "{:#?}", tally.failures);
    ensure!(after < before + NOISE, "{before} bytes became {after}");
    Ok(())
}

async fn say(run: &Run, round: usize, seconds: u64) -> anyhow::Result<()> {
    let (meshgate, envoy) = (run.child.id(), run.envoy().await?);
    println!(
        "{round} reloads, {seconds} s, resident: meshgate {} kB, Envoy {} kB, allocated: {} kB",
        resident(meshgate)?,
        resident(envoy.as_raw_pid().unsigned_abs())?,
        allocated(run).await? / 1024
    );
    Ok(())
}

fn number(name: &str, otherwise: usize) -> anyhow::Result<usize> {
    std::env::var(name).map_or(Ok(otherwise), |text| Ok(text.parse()?))
}

/// What Envoy has asked its allocator for and not given back. What is resident is more: the allocator keeps pages, and V8
/// has its own.
async fn allocated(run: &Run) -> anyhow::Result<u64> {
    run.counter("server.memory_allocated").await
}

fn resident(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.unwrap_or("0").parse()?)
}
