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
/// How often: the least counts.
const TRIES: u32 = 3;

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
    pub(crate) time: Duration,
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
            exact: estimate(&format!("decide/exact/{hostnames}"))?,
            wildcard: estimate(&format!("decide/wildcard/{hostnames}"))?,
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
        time: estimate(&format!("bootstrap/{listeners}"))?,
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

/// The median that criterion has written down for a benchmark.
fn estimate(name: &str) -> anyhow::Result<Duration> {
    let file = checkout().join(format!("target/criterion/{name}/new/estimates.json"));
    let json = fs::read_to_string(&file);
    let json = json.with_context(|| format!("no result of `cargo bench` for {name}"))?;
    let json: Value = serde_json::from_str(&json)?;
    let nanoseconds = json["median"]["point_estimate"].as_f64();
    let nanoseconds = nanoseconds.context("an estimate without a median")?;
    Ok(Duration::from_secs_f64(nanoseconds / 1e9))
}

impl Loader {
    /// The loader's part of the page.
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(
            "\n## The loader\n\nFrom a file with a `MeshGateway` and a `MeshHTTPRoute` for each of its listeners to Envoy's configuration in YAML, with all checks; beside it the CPU time in which Envoy itself loads that.\n\n\
             | listeners | ms | most memory, MiB | Envoy, ms |\n| ---: | ---: | ---: | ---: |\n",
        );
        for load in &self.loads {
            let _ = writeln!(
                page,
                "| {} | {:.0} | {:.0} | {:.0} |",
                load.listeners,
                load.time.as_secs_f64() * 1e3,
                mebibytes(load.peak),
                load.envoy.as_secs_f64() * 1e3,
            );
        }
        page.push_str(
            "\nThe CPU time and memory of the command where there are many of other things, the least of three runs; \
             `validate` makes the proxies of all sidecars:\n\n\
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

    /// What was to be reached: what, the measure, and the most that it may be.
    pub(crate) fn goals(&self) -> Vec<(String, f64, f64)> {
        let [.., fewer, most] = self.loads.as_slice() else {
            return Vec::new();
        };
        let listeners = most.listeners;
        let time = most.time.as_secs_f64();
        let growths = self.growths.iter().map(Growth::ratio);
        vec![
            (
                "time for 10,000 to 1,000 of anything above, the most".to_owned(),
                growths.fold(0.0, f64::max),
                12.0,
            ),
            (format!("loading {listeners} listeners, s"), time, 1.0),
            (
                format!("memory for {listeners} listeners, MiB"),
                mebibytes(most.peak),
                300.0,
            ),
            (
                format!("time for {listeners} listeners to {}", fewer.listeners),
                time / fewer.time.as_secs_f64(),
                12.0,
            ),
            (
                format!("time for {listeners} listeners to Envoy's own for them"),
                time / most.envoy.as_secs_f64(),
                1.0,
            ),
        ]
    }
}
