//! What the loader costs: the times of `benches/loader.rs`, its memory, and Envoy's own time for what it writes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, ensure};
use meshgate::envoy::Format;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use system_tests::envoy::{Envoy, NEWEST};
use system_tests::{checkout, wasm_host};

use crate::input::{HOSTNAMES, SIZES, bootstrap, gateway};
use crate::time::{milliseconds, nanoseconds};
use crate::{cpu, mebibytes};

/// What was measured of the loader.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Loader {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) loads: Vec<Load>,
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
    Ok(Loader { decisions, loads })
}

async fn load(listeners: usize, folder: &Path) -> anyhow::Result<Load> {
    let file = folder.join("gateway.yaml");
    fs::write(&file, gateway(listeners))?;
    let written = folder.join("bootstrap.yaml");
    // A process of its own: this one still holds what it needed before.
    let child = Command::new(env::current_exe()?)
        .arg("--load")
        .args([&file, &written])
        .output()?;
    ensure!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let peak = String::from_utf8(child.stdout)?.trim().parse()?;
    let envoy = Envoy::start_file(NEWEST, &written).await?;
    Ok(Load {
        listeners,
        time: estimate(&format!("bootstrap/{listeners}"))?,
        peak,
        envoy: cpu::time(envoy.id()?)?,
    })
}

/// Loads a file, writes what comes out, and prints the most memory of this process: what `--load` does.
pub(crate) fn load_here(file: &Path, written: &Path) -> anyhow::Result<()> {
    let yaml = bootstrap(file, &wasm_host::path("gateway"), Format::Yaml)?;
    fs::write(written, yaml)?;
    println!("{}", cpu::peak()?);
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
            "## The loader\n\nFrom a file with a `MeshGateway` and a `MeshHTTPRoute` for each of its listeners to Envoy's configuration in YAML, with all checks; beside it the CPU time in which Envoy itself loads that.\n\n\
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
        page.push('\n');
        page
    }

    /// What was to be reached: what, the measure, and the most that it may be.
    pub(crate) fn goals(&self) -> Vec<(String, f64, f64)> {
        let [.., fewer, most] = self.loads.as_slice() else {
            return Vec::new();
        };
        let listeners = most.listeners;
        let time = most.time.as_secs_f64();
        vec![
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
