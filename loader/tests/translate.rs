//! From resources to findings, model and Envoy configuration: golden files.
//!
//! Each `testdata/translate/<sentence>.in.yaml` has its results beside it. `UPDATE=1` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};

use meshgate::diagnostic::{Severity, render};
use meshgate::envoy::{self, Format, Options};
use meshgate::model::Proxy;
use meshgate::model::istio;
use meshgate::model::kuma::{self, Input};
use meshgate::{check, resources, source, vips};
use time::OffsetDateTime;

#[test]
fn golden_files() {
    // Relative, because results name the file as it was given; cargo runs tests in the package's folder.
    let mut cases: Vec<PathBuf> = fs::read_dir("tests/testdata/translate")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".in.yaml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let stale: Vec<_> = cases.iter().flat_map(|case| compare(case)).collect();
    assert!(
        stale.is_empty(),
        "stale, UPDATE=1 rewrites them: {stale:#?}"
    );
}

/// The results that differ from their files.
fn compare(input: &Path) -> Vec<PathBuf> {
    let (findings, proxy) = translate(input);
    let mut results = vec![("findings.txt", findings)];
    if let Some(proxy) = proxy {
        results.push(("model.txt", format!("{proxy:#?}\n")));
        results.push(("envoy.yaml", configuration(&proxy)));
    }
    let path = |end: &str| PathBuf::from(input.to_string_lossy().replace("in.yaml", end));
    let mut stale = Vec::new();
    for (end, text) in results {
        let path = path(end);
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(path, text).unwrap();
        } else {
            stale.push(path);
        }
    }
    stale
}

fn translate(input: &Path) -> (String, Option<Proxy>) {
    let (sources, documents, mut findings) = source::read(&[input.to_owned()]);
    let (mut resources, more) = resources::load(documents, false);
    findings.extend(more);
    let range = vips::DEFAULT_RANGE.parse().unwrap();
    findings.extend(vips::give(&mut resources, &range, &mut vips::Kept::new()));
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    findings.extend(check::all(input));
    findings.extend(check::authorities(input, OffsetDateTime::UNIX_EPOCH));
    let text = render::human(&sources, &findings, false);
    let fatal = findings
        .iter()
        .any(|f| f.severity == Severity::Error && !f.code.is_isolated());
    // The proxy next to a service that calls others; the gateway; the first proxy; the egress; the gateway of Istio.
    let dataplanes = || resources.dataplanes.iter();
    let caller = dataplanes().find(|dataplane| !dataplane.spec.networking.outbound.is_empty());
    let gateway = dataplanes().find(|dataplane| kuma::is_builtin_gateway(dataplane));
    let proxy = match caller.or(gateway).or_else(|| dataplanes().next()) {
        _ if fatal => None,
        Some(dataplane) => kuma::proxy(input, dataplane, &mut Vec::new()),
        None => {
            let egress = resources.zone_egresses.first();
            let egress =
                egress.and_then(|egress| kuma::zone_egress(input, egress, &mut Vec::new()));
            let workloads = istio::workloads(&resources);
            let workload = workloads.first();
            egress.or_else(|| istio::gateway(input, workload?, &mut Vec::new()))
        }
    };
    (text, proxy)
}

fn configuration(proxy: &Proxy) -> String {
    let options = Options {
        log_pipe: Some("/run/logs".to_owned()),
        admin: "127.0.0.1:9901".parse().unwrap(),
        wasm: "gateway.wasm".to_owned(),
        mode: policy::config::Mode::Enforce,
        reasons: policy::config::Reasons::Full,
        access_log: None,
        secrets: "/secrets".into(),
        range: envoy::EnvoyRange::From1_36,
    };
    let yaml = envoy::encode(&envoy::bootstrap(proxy, &options), Format::Yaml).unwrap();
    String::from_utf8(yaml).unwrap()
}
