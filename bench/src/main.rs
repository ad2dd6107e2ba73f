//! What the filters cost a request: `make bench`, or `make bench-quick` for a rough look.
//!
//! One Envoy with one worker has a listener for each variant, all with the same answer behind different chains of
//! filters. A client sends the same request over one connection; the figure is the CPU time that Envoy's process used.

mod bootstrap;
mod cpu;
mod input;
mod load;
mod loader;
mod measure;
mod report;
mod scale;
mod shapes;
mod time;
mod variants;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use system_tests::envoy::{Envoy, NEWEST};
use system_tests::{checkout, wasm_host};

use crate::load::Protocol;
use crate::loader::Loader;
use crate::measure::Effort;
use crate::report::{Endurance, Report, Row};

/// Measures what the filters cost a request.
#[derive(Debug, Parser)]
struct Args {
    /// Fewer rounds: under three minutes.
    #[arg(long)]
    quick: bool,
    /// How often each row is looked at, in place of the usual number.
    #[arg(long)]
    rounds: Option<u32>,
    /// How many requests the memory of a VM is looked at over, in place of the usual number.
    #[arg(long)]
    endurance: Option<u32>,
    /// Nothing is measured: the page and the plot are written again from `docs/performance.json`.
    #[arg(long)]
    page: bool,
    /// Nothing else is measured than what loading costs: the rest of the page stays as it is.
    #[arg(long)]
    loader: bool,
    /// Nothing else is measured than what these arguments of `meshgate` cost.
    #[arg(last = true, hide = true)]
    meshgate: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.meshgate.is_empty() {
        return loader::load_here(&args.meshgate);
    }
    let docs = checkout().join("docs");
    if args.page || args.loader {
        let json = fs::read_to_string(docs.join("performance.json"))?;
        let mut report: Value = serde_json::from_str(&json)?;
        if args.loader {
            report["loader"] = serde_json::to_value(loader::measure().await?)?;
        }
        return write(&serde_json::from_value(report)?, &docs);
    }
    let (mut effort, mut requests) = if args.quick {
        let effort = Effort {
            rounds: 15,
            requests: 1_000,
        };
        (effort, 100_000)
    } else {
        let effort = Effort {
            rounds: 80,
            requests: 4_000,
        };
        (effort, 10_000_000)
    };
    effort.rounds = args.rounds.unwrap_or(effort.rounds);
    requests = args.endurance.unwrap_or(requests);
    let floors = tempfile::tempdir()?;
    let nothing = compile("nothing", floors.path())?;
    compile("authority", floors.path())?;
    for (module, _) in variants::PRICES {
        compile(module, floors.path())?;
    }
    let variants = variants::all(floors.path())?;
    let mut costs = Vec::new();
    {
        let envoy = Envoy::start(NEWEST, bootstrap::bootstrap(&variants)).await?;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let measured = measure::costs(&envoy, &variants, protocol, effort).await?;
            let rows = variants.iter().zip(measured);
            costs.extend(rows.map(|(variant, cost)| Row::new(protocol, &variant.name, cost)));
        }
    }
    let (before, after, time) = scale::endurance(requests)?;
    // It has no part in a rough look, which does not wait for `cargo bench`.
    let loader = if args.quick {
        Loader::default()
    } else {
        loader::measure().await?
    };
    let report = Report {
        machine: machine()?,
        envoy: format!("Envoy {NEWEST}"),
        rounds: effort.rounds,
        requests: effort.requests,
        costs,
        modules: modules()?,
        scales: scale::scales(&nothing).await?,
        endurance: Endurance {
            requests,
            before,
            after,
            time,
        },
        loader,
    };
    println!("{}", report.page());
    if args.quick {
        return Ok(());
    }
    write(&report, &docs)
}

/// The page, the plot and the figures.
fn write(report: &Report, docs: &Path) -> anyhow::Result<()> {
    fs::write(docs.join("performance.md"), report.page())?;
    fs::write(docs.join("performance.svg"), report.plot())?;
    let json = serde_json::to_string_pretty(report)? + "\n";
    Ok(fs::write(docs.join("performance.json"), json)?)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The processor and how many of them.
fn machine() -> anyhow::Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let models = || {
        info.lines()
            .filter_map(|line| line.strip_prefix("model name"))
    };
    let model = models().next().unwrap_or("unknown processor");
    let model = model.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    Ok(format!(
        "{} × {model}, a machine that others use too",
        models().count()
    ))
}

/// The sizes of the modules.
fn modules() -> anyhow::Result<Vec<(String, u64)>> {
    let size = |&(_, name): &(&str, &str)| {
        let file = wasm_host::path(name);
        Ok((format!("{name}.wasm"), fs::metadata(file)?.len()))
    };
    wasm_build::FILTERS.iter().map(size).collect()
}

/// Makes a module from its text.
fn compile(name: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let text = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("filters")
        .join(name)
        .with_extension("wat");
    let module = folder.join(name).with_extension("wasm");
    fs::write(&module, wat::parse_file(text)?)?;
    Ok(module)
}
