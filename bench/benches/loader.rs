//! What deciding and loading cost: `cargo bench --package bench`, of which `make bench` puts the results on its page.

#[path = "../src/input.rs"]
mod input;

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use policy::{HostTable, Listener, NoTrace, Policy, RequestView, Tags, decide};

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let mut group = criterion.benchmark_group("decide");
    for hostnames in input::HOSTNAMES {
        deciding(&mut group, "exact", hostnames)?;
        deciding(&mut group, "wildcard", hostnames)?;
    }
    group.finish();
    let folder = tempfile::tempdir()?;
    let mut loading = criterion.benchmark_group("bootstrap");
    loading.sample_size(20);
    for listeners in input::SIZES {
        let file = folder.path().join("gateway.yaml").display().to_string();
        fs::write(&file, input::gateway(listeners))?;
        // How fast the disk is says nothing about the loader.
        let arguments = input::bootstrap(&file, "/dev/null", "gateway.wasm");
        input::meshgate(arguments.iter().copied())?;
        loading.throughput(Throughput::Elements(listeners as u64));
        loading.bench_function(listeners.to_string(), |b| {
            b.iter(|| input::meshgate(arguments.iter().copied()));
        });
    }
    loading.finish();
    criterion.final_summary();
    Ok(())
}

/// A request is decided about by a table of so many hostnames.
fn deciding(
    group: &mut BenchmarkGroup<'_, WallTime>,
    kind: &str,
    hostnames: usize,
) -> anyhow::Result<()> {
    let listener = |index| {
        let host = format!("host-{index}.example.com");
        let pattern = match kind {
            "exact" => host.clone(),
            _ => format!("*.{host}"),
        };
        let listener = Listener::new(&host, &Tags::default(), None);
        Ok((listener, vec![pattern.parse()?]))
    };
    let listeners = (0..hostnames).map(listener);
    let table = HostTable::new(listeners.collect::<anyhow::Result<Vec<_>>>()?)?;
    let policy = Policy {
        table: &table,
        chain: None,
    };
    let asked = format!("a.host-{}.example.com", hostnames / 2);
    let asked = match kind {
        "exact" => asked.trim_start_matches("a."),
        _ => &asked,
    };
    group.bench_function(BenchmarkId::new(kind, hostnames), |b| {
        b.iter(|| {
            let mut authority = black_box(asked.as_bytes()).to_vec();
            let request = RequestView::new(Some(&mut authority));
            matches!(
                decide(&policy, &request, &mut NoTrace),
                policy::Decision::Forward(_)
            )
        });
    });
    Ok(())
}
