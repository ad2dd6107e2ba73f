//! What was measured, as a page, as JSON and as a plot.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::Protocol;
use crate::loader::Loader;
use crate::measure::Cost;
use crate::mebibytes;
use crate::scale::Scale;
use crate::time::{microseconds, milliseconds};
use crate::variants::{
    CHAIN, EXTERNAL, FLOOR, FUSED, FUSED_ASKED, FUSED_LOGGED, FUSED_TALKING, LOG, LUA, NO_FILTER,
    NO_FILTER_ANY, PRICES, RBAC, sized,
};

/// Everything that was measured in one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) envoy: String,
    pub(crate) rounds: u32,
    pub(crate) requests: u32,
    pub(crate) costs: Vec<Row>,
    pub(crate) modules: Vec<(String, u64)>,
    pub(crate) scales: Vec<Scale>,
    pub(crate) endurance: Endurance,
    #[serde(default)]
    pub(crate) loader: Loader,
}

/// A variant's cost with one protocol.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) protocol: Protocol,
    pub(crate) name: String,
    #[serde(with = "microseconds")]
    pub(crate) least: Duration,
    #[serde(with = "microseconds")]
    pub(crate) median: Duration,
}

/// The memory of a VM over many requests, in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Endurance {
    pub(crate) requests: u32,
    pub(crate) before: usize,
    pub(crate) after: usize,
    #[serde(with = "milliseconds")]
    pub(crate) time: Duration,
}

impl Row {
    pub(crate) fn new(protocol: Protocol, name: &str, cost: Cost) -> Self {
        Self {
            protocol,
            name: name.to_owned(),
            least: cost.least,
            median: cost.median,
        }
    }
}

impl Report {
    /// The least cost of a variant over no filter, in microseconds.
    fn over(&self, protocol: Protocol, name: &str) -> Option<f64> {
        self.over_by(protocol, name, |row| row.least)
    }

    fn over_by(&self, protocol: Protocol, name: &str, of: fn(&Row) -> Duration) -> Option<f64> {
        let cost = |name: &str| {
            let mut rows = self.costs.iter();
            let row = rows.find(|row| row.protocol == protocol && row.name == name)?;
            Some(of(row).as_secs_f64() * 1e6)
        };
        let one_virtual_host = name == NO_FILTER_ANY || name.contains("hostnames");
        let base = match name {
            FUSED_LOGGED | FUSED_ASKED => LOG,
            _ if one_virtual_host => NO_FILTER_ANY,
            _ => NO_FILTER,
        };
        Some(cost(name)? - cost(base)?)
    }

    fn ratio(&self, protocol: Protocol, name: &str, to: &str) -> Option<f64> {
        Some(self.over(protocol, name)? / self.over(protocol, to)?)
    }

    fn ratio_of_medians(&self, protocol: Protocol, name: &str, to: &str) -> Option<f64> {
        let over = |name| self.over_by(protocol, name, |row| row.median);
        Some(over(name)? / over(to)?)
    }

    /// The page.
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(HEAD);
        let _ = writeln!(page, "{}. {}.\n", self.machine, self.envoy);
        let _ = writeln!(
            page,
            "Each figure is the least of {} rounds of {} requests, with the median of the rounds beside it.\n",
            self.rounds, self.requests
        );
        for (protocol, title) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
            let _ = writeln!(
                page,
                "## {title}\n\n| in front of the answer | CPU µs a request | median | over no filter |\n| --- | ---: | ---: | ---: |"
            );
            for row in self.costs.iter().filter(|row| row.protocol == protocol) {
                let _ = writeln!(
                    page,
                    "| {} | {:.2} | {:.2} | {:+.2} |",
                    row.name,
                    row.least.as_secs_f64() * 1e6,
                    row.median.as_secs_f64() * 1e6,
                    self.over(protocol, &row.name).unwrap_or_default(),
                );
            }
            page.push('\n');
            self.ratios(&mut page, protocol);
        }
        self.rest(&mut page);
        page.push_str(&self.loader.page());
        self.goals(&mut page);
        page
    }

    /// What was to be reached, and whether it was.
    fn goals(&self, page: &mut String) {
        let mut goals = Vec::new();
        for (protocol, label) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
            let mut ratio = |what: &str, name: &str, to: &str, most| {
                let ratio = self.ratio(protocol, name, to).unwrap_or(f64::NAN);
                let medians = self.ratio_of_medians(protocol, name, to);
                goals.push((format!("{what}, {label}"), ratio, most, medians));
            };
            ratio("gateway.wasm to the floor", FUSED, FLOOR, 1.3);
            ratio(
                "the same with an access log, over no filter with that log",
                FUSED_LOGGED,
                FLOOR,
                1.3,
            );
            ratio(
                "gateway.wasm to the four filters in a chain",
                FUSED,
                CHAIN,
                0.5,
            );
            for kind in ["exact", "wildcard"] {
                let (many, few) = (sized(100_000, kind), sized(10, kind));
                ratio(
                    &format!("100,000 {kind} hostnames to 10"),
                    &many,
                    &few,
                    1.15,
                );
            }
        }
        if let Some(scale) = self.scales.last() {
            let memory = mebibytes(scale.memory as u64);
            goals.push((
                "memory of a VM with 100,000 hostnames, MiB".to_owned(),
                memory,
                40.0,
                None,
            ));
            let time = scale.configure().as_secs_f64();
            goals.push((
                "configuring a VM with 100,000 hostnames, s".to_owned(),
                time,
                1.0,
                None,
            ));
        }
        let grown = self.endurance.after - self.endurance.before;
        let what = format!(
            "memory of a VM after {} requests, MiB more",
            self.endurance.requests
        );
        goals.push((what, mebibytes(grown as u64), 0.0, None));
        goals.extend(self.loader.goals());
        page.push_str("\n## Goals\n\n| what | goal | measured | | of the medians |\n| --- | ---: | ---: | --- | ---: |\n");
        for (what, measured, most, medians) in goals {
            let medians = medians.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let met = if measured <= most {
                "met"
            } else {
                "**not met**"
            };
            let _ = writeln!(
                page,
                "| {what} | ≤ {most} | {measured:.2} | {met} | {medians} |"
            );
        }
        page.push_str(WHY);
    }

    fn ratios(&self, page: &mut String, protocol: Protocol) {
        let ratios = [
            (FUSED, FLOOR, "gateway.wasm to the floor"),
            (
                FUSED_TALKING,
                FLOOR,
                "gateway.wasm with `publish: all` to the floor",
            ),
            (FUSED, CHAIN, "gateway.wasm to the four filters in a chain"),
            (FUSED, LUA, "gateway.wasm to the same decision in Lua"),
            (EXTERNAL, RBAC, "external_access.wasm to native RBAC"),
        ];
        for (name, to, what) in ratios {
            if let Some(ratio) = self.ratio(protocol, name, to) {
                let _ = writeln!(page, "- {what}: {ratio:.2}");
            }
        }
        for kind in ["exact", "wildcard"] {
            let (many, few) = (sized(100_000, kind), sized(10, kind));
            if let Some(ratio) = self.ratio(protocol, &many, &few) {
                let _ = writeln!(page, "- 100,000 {kind} hostnames to 10: {ratio:.2}");
            }
        }
        page.push_str("\nWhat each call adds to the floor, in µs: ");
        let price = |(_, name): (&str, &str)| {
            let price = self.over(protocol, name)? - self.over(protocol, FLOOR)?;
            let what = name.trim_start_matches("floor and ");
            Some(format!("{what} {price:+.2}"))
        };
        let prices: Vec<_> = PRICES.into_iter().filter_map(price).collect();
        page.push_str(&prices.join(", "));
        page.push_str(".\n");
        page.push('\n');
    }

    fn rest(&self, page: &mut String) {
        page.push_str(
            "## Many hostnames\n\n| hostnames | memory of a VM, MiB | Envoy's memory, MiB | configuring a VM, ms |\n| ---: | ---: | ---: | ---: |\n",
        );
        for scale in &self.scales {
            let _ = writeln!(
                page,
                "| {} | {:.1} | {:.1} | {:.0} |",
                scale.hostnames,
                mebibytes(scale.memory as u64),
                mebibytes(scale.envoy_memory),
                scale.configure().as_secs_f64() * 1e3,
            );
        }
        let Endurance {
            requests,
            before,
            after,
            time,
        } = &self.endurance;
        let _ = writeln!(
            page,
            "\nThe memory of a VM in wasmtime was {before} bytes before {requests} requests and {after} after them ({time:.0?}).\n"
        );
        page.push_str("## Modules\n\n| module | bytes |\n| --- | ---: |\n");
        for (name, size) in &self.modules {
            let _ = writeln!(page, "| {name} | {size} |");
        }
    }

    /// What each variant adds to a request over HTTP/1.1, as bars.
    pub(crate) fn plot(&self) -> String {
        let rows: Vec<_> = self
            .costs
            .iter()
            .filter(|row| row.protocol == Protocol::Http1)
            .filter_map(|row| Some((&row.name, self.over(row.protocol, &row.name)?)))
            .filter(|(name, _)| !name.starts_with(NO_FILTER))
            .collect();
        let most = rows.iter().map(|(_, cost)| *cost).fold(1.0, f64::max);
        let height = rows.len() * 24 + 40;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <text x=\"8\" y=\"20\">CPU time that a filter adds to an HTTP/1.1 request, µs</text>\n"
        );
        for (place, (name, cost)) in rows.into_iter().enumerate() {
            let top = place * 24 + 34;
            let width = cost.max(0.0) / most * 400.0;
            let _ = writeln!(
                svg,
                "<text x=\"8\" y=\"{}\">{name}</text><rect x=\"280\" y=\"{top}\" width=\"{width:.0}\" height=\"16\" fill=\"#4a7\"/><text x=\"{:.0}\" y=\"{}\">{cost:.2}</text>",
                top + 13,
                width + 286.0,
                top + 13,
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

const HEAD: &str = "# What it costs\n\n\
Generated by `make bench`: do not edit here. The same figures are in [performance.json](performance.json).\n\n\
![what each filter adds to a request](performance.svg)\n\n\
One Envoy with one worker has a listener for each row, with the same answer behind another chain of filters, and a \
client sends the same request over one connection. The figure is the CPU time of Envoy's process, as the kernel \
accounts for it: throughput would show what else the machine does. Noise only adds, so the least of many short \
rounds counts, in which all rows take turns. Client and Envoy share one processor: a wake-up of another one costs \
several times what a filter does, or nothing, as it happens.\n\n";

const WHY: &str = "\n\
A ratio has the noise of all its figures: 0.1 µs more or less in one of them is a few hundredths to a tenth of it. \
Where the ratios of least and median costs differ much, one lucky round did it: with rounds of 1,000 requests the floor \
was as lucky as to make 1.36 and 1.60 of the first ratio, in two runs whose medians said 1.26 and 1.21. So a round has \
4,000.\n\n\
Between the floor and `gateway.wasm` lies one counter; see what each call adds. The module's own instructions hardly \
show: built for size (`z`, `s`) or for speed (`opt-level` 2, 3, up to 38 % larger), and each also after `wasm-opt` \
(11 % smaller), it cost the same within the noise of one run, so none of that is done. Of its indirect calls, \
which V8 checks each time, one is on the way of a request that passes, on TLS chains that name the table of another \
one. Nor does it take memory from the heap, which a test counts. The loader's access log takes listener and tags from \
the virtual host that Envoy has chosen anyway, and asks the filter about refused requests only; a log of somebody else \
that asks about all costs two filter states a request (`publish: all`).\n";
