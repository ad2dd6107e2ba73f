//! The long run: `make soak`.

use std::fs;

use system_tests::echo::Backend;
use system_tests::meshgate;

use crate::gateway::Run;
use crate::load::{ALL, Load};
use crate::reload::Changes;

/// `MESHGATE_SOAK_RELOADS` and `MESHGATE_SOAK_RATE` (requests a second) make it shorter.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half an hour: make soak"]
async fn a_thousand_reloads_under_a_thousand_requests_a_second() -> anyhow::Result<()> {
    let rounds = number("MESHGATE_SOAK_RELOADS", 1000)?;
    let rate = number("MESHGATE_SOAK_RATE", 1000)?;
    let backends = [Backend::http("one").await?, Backend::http("two").await?];
    let changes = Changes {
        backends: [backends[0].port(), backends[1].port()],
        certificates: [
            meshgate::certificate("*.example.com", "ecdsa")?,
            meshgate::certificate("*.example.com", "ecdsa")?,
        ],
    };
    let run = Run::start(&changes.resources(0), &[])?;
    run.ready().await?;
    let clients: Vec<_> = ALL.into_iter().cycle().take(8).collect();
    let load = Load::start(&run, &clients, u32::try_from(rate / 8)?);
    let begin = tokio::time::Instant::now();
    for round in 1..=rounds {
        run.change(&changes.resources(round)).await?;
        if round % 50 == 0 || round == 1 {
            let (meshgate, envoy) = (run.child.id(), run.envoy().await?);
            println!(
                "{round} reloads, {:?}, resident: meshgate {} kB, Envoy {} kB",
                begin.elapsed(),
                resident(meshgate)?,
                resident(envoy.as_raw_pid().unsigned_abs())?
            );
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let tally = load.end().await?;
    println!(
        "{} requests in {seconds:.0} s, {} connections for {} clients, {} failures",
        tally.requests,
        tally.connections,
        clients.len(),
        tally.failures.len()
    );
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    Ok(())
}

fn number(name: &str, otherwise: usize) -> anyhow::Result<usize> {
    std::env::var(name).map_or(Ok(otherwise), |text| Ok(text.parse()?))
}

fn resident(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.unwrap_or("0").parse()?)
}
