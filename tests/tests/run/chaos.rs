//! kill -9 at any moment of a reload: what is served is the old configuration or the new one, whole.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use system_tests::echo::Backend;
use system_tests::until;

use crate::gateway::{HOST, Resources, Run};

/// Numbers that look random, the same for each seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Who is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Envoy,
    Meshgate,
    /// The Envoy that looks at the configuration, or whatever child meshgate has then.
    Children,
}

fn resources(backend: &Backend, generation: usize) -> Resources {
    Resources {
        generation,
        service: format!("backend-{}", generation % 2),
        http: hosts(generation),
        ..Resources::new(backend.port())
    }
}

/// Each generation has hosts that the others do not have.
fn hosts(generation: usize) -> Vec<String> {
    let host = |n| format!("host-{generation}-{n}.example.com");
    (0..=generation % 3).map(host).collect()
}

fn number(name: &str, otherwise: u64) -> anyhow::Result<u64> {
    std::env::var(name).map_or(Ok(otherwise), |text| Ok(text.parse()?))
}

/// `MESHGATE_CHAOS_SEED` gives the same moments again, `MESHGATE_CHAOS_ROUNDS` more of them.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_the_configuration_is_whole() -> anyhow::Result<()> {
    let seed = number("MESHGATE_CHAOS_SEED", u64::from(std::process::id()))?;
    let rounds = number("MESHGATE_CHAOS_ROUNDS", 9)?;
    let mut dice = Dice(seed);
    let backend = Backend::http("one").await?;
    let mut run = Run::start(&resources(&backend, 0), &[])?;
    for round in 1..=usize::try_from(rounds)? {
        run.ready().await.with_context(|| run.said())?;
        let victim = [Victim::Envoy, Victim::Meshgate, Victim::Children][round % 3];
        // From before the change is noticed until after it is served.
        let moment = Duration::from_millis(dice.below(1500));
        let what = format!("seed {seed}, round {round}: {victim:?} after {moment:?}");
        println!("{what}");
        run.write(&resources(&backend, round).yaml(run.address))?;
        let envoy = run.envoy().await?;
        let mut generations = BTreeSet::new();
        let begin = tokio::time::Instant::now();
        while begin.elapsed() < moment {
            look(&run, &mut generations).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match victim {
            Victim::Envoy => kill_process(envoy, Signal::KILL)?,
            Victim::Children => kill_children(&run),
            Victim::Meshgate => {
                run.signal(Signal::KILL)?;
                run.end().await?;
                run.start_again()?;
            }
        }
        until("the new configuration", async || {
            look(&run, &mut generations).await;
            let answer = run.get(HOST).await.ok()?;
            (answer.headers.get("x-generation")? == &round.to_string()).then_some(())
        })
        .await
        .with_context(|| format!("{what}\n{}", run.said()))?;
        let allowed = BTreeSet::from([(round - 1).to_string(), round.to_string()]);
        ensure!(generations.is_subset(&allowed), "{what}: {generations:?}");
        until("the change to be over", async || {
            let status = run.status().await.ok()?;
            let is_whole = status["refused"].is_null() && status["envoy"]["ready"] == true;
            is_whole.then_some(())
        })
        .await
        .with_context(|| format!("{what}\n{}", run.said()))?;
        for host in hosts(round) {
            ensure!(run.get(&host).await?.status == 200, "{what}: {host}");
        }
        for host in hosts(round - 1) {
            ensure!(run.get(&host).await?.status == 404, "{what}: {host}");
        }
    }
    Ok(())
}

/// An answer is of one generation; where there is none, Envoy is away.
async fn look(run: &Run, seen: &mut BTreeSet<String>) {
    if let Ok(answer) = run.get(HOST).await
        && let Some(generation) = answer.headers.get("x-generation")
    {
        seen.insert(generation.to_str().unwrap_or("?").to_owned());
    }
}

fn kill_children(run: &Run) {
    let own = run.child.id();
    let path = format!("/proc/{own}/task/{own}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    for child in children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
    {
        // It may have ended just now.
        let _ = Pid::from_raw(child).map(|pid| kill_process(pid, Signal::KILL));
    }
}
