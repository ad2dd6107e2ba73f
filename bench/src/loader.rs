//! What the loader costs: the times of `benches/loader.rs`, its memory, and Envoy's own time for what it writes; and
//! whether the time grows with the size alone, whatever there is more of.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use system_tests::envoy::{Envoy, NEWEST};
use system_tests::{checkout, wasm_host};

use crate::input::{HOSTNAMES, SIZES, bootstrap, gateway, meshgate};
use crate::shapes::{SHAPES, Shape};
use crate::time::{milliseconds, nanoseconds};
use crate::{cpu, mebibytes};

/// The numbers that shapes are compared at.
const FEWER: usize = 1_000;
const MORE: usize = 10_000;
/// The most that their times may differ by: a square would make a hundred of it, caches and fresh memory make ten to
/// fifteen.
const MOST_GROWTH: f64 = 20.0;
/// How often: the least counts.
const TRIES: u32 = 5;

/// What was measured of the loader.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Loader {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) loads: Vec<Load>,
    pub(crate) growths: Vec<Growth>,
}

/// The time of a decision among so many hostnames.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) hostnames: usize,
    #[serde(with = "nanoseconds")]
    pub(crate) exact: Duration,
    #[serde(with = "nanoseconds")]
    pub(crate) wildcard: Duration,
}

/// What a gateway with so many listeners costs, from its YAML to Envoy's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) listeners: usize,
    #[serde(with = "milliseconds")]
    pub(crate) least: Duration,
    #[serde(with = "milliseconds")]
    pub(crate) median: Duration,
    /// The most memory of the process, in bytes.
    pub(crate) peak: u64,
    /// The CPU time of an Envoy until it is ready.
    #[serde(with = "milliseconds")]
    pub(crate) envoy: Duration,
}

/// What a thousand of something cost, and ten thousand.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) shape: String,
    pub(crate) fewer: Cost,
    pub(crate) more: Cost,
}

impl Growth {
    fn ratio(&self) -> f64 {
        self.more.time.as_secs_f64() / self.fewer.time.as_secs_f64()
    }
}

/// What one run of the command costs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// The CPU time of the process.
    #[serde(with = "milliseconds")]
    pub(crate) time: Duration,
    /// The most memory of the process, in bytes.
    pub(crate) peak: u64,
}

/// The times that `cargo bench` has left, and what is measured here.
pub(crate) async fn measure() -> anyhow::Result<Loader> {
    let decision = |hostnames| {
        Ok(Decision {
            hostnames,
            exact: least(&format!("decide/exact/{hostnames}"))?,
            wildcard: least(&format!("decide/wildcard/{hostnames}"))?,
        })
    };
    let decisions = HOSTNAMES.into_iter().map(decision);
    let decisions = decisions.collect::<anyhow::Result<_>>()?;
    let folder = tempfile::tempdir()?;
    let mut loads = Vec::new();
    for listeners in SIZES {
        loads.push(load(listeners, folder.path()).await?);
    }
    let growths = SHAPES.iter().map(|shape| growth(shape, folder.path()));
    Ok(Loader {
        decisions,
        loads,
        growths: growths.collect::<anyhow::Result<_>>()?,
    })
}

async fn load(listeners: usize, folder: &Path) -> anyhow::Result<Load> {
    let written = folder.join("bootstrap.yaml");
    let cost = once(false, &gateway(listeners), folder)?;
    let envoy = Envoy::start_file(NEWEST, &written).await?;
    Ok(Load {
        listeners,
        least: least(&format!("bootstrap/{listeners}"))?,
        median: median(&format!("bootstrap/{listeners}"))?,
        peak: cost.peak,
        envoy: cpu::time(envoy.id()?)?,
    })
}

fn growth(shape: &Shape, folder: &Path) -> anyhow::Result<Growth> {
    let cost = |number| {
        let yaml = (shape.yaml)(number)?;
        let mut least = once(shape.is_checked, &yaml, folder)?;
        for _ in 1..TRIES {
            least.time = least.time.min(once(shape.is_checked, &yaml, folder)?.time);
        }
        anyhow::Ok(least)
    };
    Ok(Growth {
        shape: shape.name.to_owned(),
        fewer: cost(FEWER).with_context(|| shape.name)?,
        more: cost(MORE).with_context(|| shape.name)?,
    })
}

/// Checks resources, or writes the configuration of their gateway into `bootstrap.yaml`.
fn once(is_checked: bool, yaml: &str, folder: &Path) -> anyhow::Result<Cost> {
    let path = |name| folder.join(name).display().to_string();
    let (file, written) = (path("resources.yaml"), path("bootstrap.yaml"));
    fs::write(&file, yaml)?;
    let wasm = wasm_host::path("gateway").display().to_string();
    let arguments = if is_checked {
        vec!["validate", &file]
    } else {
        bootstrap(&file, &written, &wasm)
    };
    // A process of its own: this one still holds what it needed before.
    let child = Command::new(env::current_exe()?)
        .arg("--")
        .args(arguments)
        .env("MESHGATE_WORK_DIR", folder)
        .output()?;
    let said = String::from_utf8_lossy(&child.stderr);
    ensure!(child.status.success(), "{said}");
    let printed = String::from_utf8(child.stdout)?;
    let last = printed.lines().last().unwrap_or_default();
    Ok(serde_json::from_str(last)?)
}

/// Does what `meshgate` does with these arguments, and prints what it has cost.
pub(crate) fn load_here(arguments: &[String]) -> anyhow::Result<()> {
    meshgate(arguments.iter().map(String::as_str))?;
    let cost = Cost {
        time: cpu::time(std::process::id())?,
        peak: cpu::peak()?,
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// The time of the fastest of the samples that criterion has written down for a benchmark.
fn least(name: &str) -> anyhow::Result<Duration> {
    #[derive(Deserialize)]
    struct Samples {
        iters: Vec<f64>,
        times: Vec<f64>,
    }
    let samples: Samples = serde_json::from_value(result(name, "sample")?)?;
    let samples = samples.times.iter().zip(&samples.iters);
    let least = samples.map(|(time, number)| time / number);
    let least = least.min_by(f64::total_cmp).context("no samples")?;
    Ok(Duration::from_secs_f64(least / 1e9))
}

/// Their median.
fn median(name: &str) -> anyhow::Result<Duration> {
    let nanoseconds = result(name, "estimates")?["median"]["point_estimate"].as_f64();
    let nanoseconds = nanoseconds.context("an estimate without a median")?;
    Ok(Duration::from_secs_f64(nanoseconds / 1e9))
}

fn result(name: &str, file: &str) -> anyhow::Result<Value> {
    let file = checkout().join(format!("target/criterion/{name}/new/{file}.json"));
    let json = fs::read_to_string(&file);
    let json = json.with_context(|| format!("no result of `cargo bench` for {name}"))?;
    Ok(serde_json::from_str(&json)?)
}

impl Loader {
    /// The loader's part of the page.
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(
            "\n## The loader\n\nFrom a file with a `MeshGateway` and a `MeshHTTPRoute` for each of its listeners to Envoy's configuration in YAML, with all checks: the least of twenty samples, and their median; beside it the CPU time in which Envoy itself loads that.\n\n\
             | listeners | ms | median | most memory, MiB | Envoy, ms |\n| ---: | ---: | ---: | ---: | ---: |\n",
        );
        for load in &self.loads {
            let _ = writeln!(
                page,
                "| {} | {:.0} | {:.0} | {:.0} | {:.0} |",
                load.listeners,
                load.least.as_secs_f64() * 1e3,
                load.median.as_secs_f64() * 1e3,
                mebibytes(load.peak),
                load.envoy.as_secs_f64() * 1e3,
            );
        }
        page.push_str(
            "\nThe CPU time and memory of the command where there are many of other things, the least of five runs; \
             `validate` makes the proxies of all sidecars. What takes the square of the time would have a ratio of 100; \
             what is over 10 is what memory costs that no cache holds:\n\n\
             | of what | ms for 1,000 | for 10,000 | ratio | most memory for 10,000, MiB |\n| --- | ---: | ---: | ---: | ---: |\n",
        );
        for growth in &self.growths {
            let _ = writeln!(
                page,
                "| {} | {:.0} | {:.0} | {:.1} | {:.0} |",
                growth.shape,
                growth.fewer.time.as_secs_f64() * 1e3,
                growth.more.time.as_secs_f64() * 1e3,
                growth.ratio(),
                mebibytes(growth.more.peak),
            );
        }
        page.push_str(
            "\nOne decision (`policy::decide`, with the host read and checked), in ns:\n\n\
             | hostnames | exact | wildcard |\n| ---: | ---: | ---: |\n",
        );
        for decision in &self.decisions {
            let _ = writeln!(
                page,
                "| {} | {} | {} |",
                decision.hostnames,
                decision.exact.as_nanos(),
                decision.wildcard.as_nanos(),
            );
        }
        page
    }

    /// What was to be reached: what, the measure, the most that it may be, and the same of medians.
    pub(crate) fn goals(&self) -> Vec<(String, f64, f64, Option<f64>)> {
        let [.., fewer, most] = self.loads.as_slice() else {
            return Vec::new();
        };
        let listeners = most.listeners;
        let of = |time: fn(&Load) -> Duration| {
            let (fewer, more) = (time(fewer).as_secs_f64(), time(most).as_secs_f64());
            [more, more / fewer, more / most.envoy.as_secs_f64()]
        };
        let ([time, ratio, to_envoy], medians) = (of(|l| l.least), of(|l| l.median));
        let growths = self.growths.iter().map(Growth::ratio);
        let growth = growths.fold(0.0, f64::max);
        vec![
            (
                format!("loading {listeners} listeners, s"),
                time,
                1.0,
                Some(medians[0]),
            ),
            (
                format!("memory for {listeners} listeners, MiB"),
                mebibytes(most.peak),
                300.0,
                None,
            ),
            (
                format!("time for {listeners} listeners to {}", fewer.listeners),
                ratio,
                12.0,
                Some(medians[1]),
            ),
            (
                format!("time for {listeners} listeners to Envoy's own for them"),
                to_envoy,
                1.0,
                Some(medians[2]),
            ),
            (
                "time for 10,000 to 1,000 of anything in the loader's second table, the most"
                    .to_owned(),
                growth,
                MOST_GROWTH,
                None,
            ),
        ]
    }
}
