//! What `istioctl analyze` says about gateways: the same codes for the same resources.
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the test
//! is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use meshgate::diagnostic::Diagnostic;
use meshgate::model::kuma::Input;
use meshgate::{check, resources, source};
use serde::Deserialize;
use time::macros::datetime;

/// The analyzers whose rules are all there.
const ANALYZERS: [&str; 13] = [
    "destinationrule.CaCertificateAnalyzer",
    "destinationrule.PodNotSelectedAnalyzer",
    "gateway.CertificateAnalyzer",
    "gateway.ConflictingGatewayAnalyzer",
    "gateway.IngressGatewayPortAnalyzer",
    "gateway.SecretAnalyzer",
    "schemaValidation.CollectionValidationAnalyzer",
    "serviceentry.ConflictingServiceEntryProtocolAnalyzer",
    "virtualservice.DestinationHostAnalyzer",
    "virtualservice.DestinationRuleAnalyzer",
    "virtualservice.GatewayAnalyzer",
    "virtualservice.JWTClaimRouteAnalyzer",
    "deprecation.FieldAnalyzer",
];

/// Those that do not concern gateways, each with the reason.
const OTHERS: [(&str, &str); 12] = [
    (
        "virtualservice.ConflictingMeshGatewayHostsAnalyzer",
        "it looks at VirtualServices of `mesh`, which sidecars serve; routes that hide each other at a gateway are found \
         while the gateway is made",
    ),
    (
        "serviceentry.ProtocolAddressesAnalyzer",
        "sidecars know connections by their address; a gateway goes by the names of its routes",
    ),
    ("k8sgateway.", "resources of the Gateway API are not read"),
    (
        "annotations.",
        "annotations of Pods and Namespaces are for the injector of sidecars",
    ),
    ("injection.", "sidecars are not injected here"),
    ("deployment.", "applications with sidecars"),
    (
        "service.",
        "names of ports tell sidecars the protocol; here it is the route's",
    ),
    (
        "sidecar.",
        "Sidecars are not for gateways, and are named as that",
    ),
    (
        "maturity.",
        "what Istio calls an alpha feature, and a control plane has",
    ),
    (
        "auth",
        "they look at settings of istiod, and at Pods and namespaces of a cluster",
    ),
    (
        "telemetry.",
        "Telemetry is not served, and is named as that",
    ),
    (
        "",
        "webhooks, EnvoyFilter, several clusters, conditions of a control plane: none of them is here",
    ),
];

/// What differs: a code and a resource of a case, with the reason.
const EXCEPTIONS: [(&str, &str, &str, &str); 5] = [
    (
        "gatewayBadPort",
        "IST0162",
        "Gateway default/httpbin-gateway",
        "the Service is one that the tests of Istio add",
    ),
    (
        "gatewayNoWorkload",
        "IST0101",
        "Gateway default/httpbin-gateway",
        "without any Pod or Deployment the workload is given on the command line",
    ),
    (
        "virtualServiceGateways",
        "IST0132",
        "VirtualService default/httpbin-bogus",
        "a gateway that is not there has no hosts either: said once",
    ),
    (
        "virtualServiceKubernetesGateways",
        "IST0132",
        "VirtualService default/my-vs-host-mismatch",
        "resources of the Gateway API are not read: the gateway is missing, and that is said",
    ),
    (
        "deprecation",
        "IST0002",
        "Sidecar default/no-selector",
        "Sidecars are not for gateways, and are named as that",
    ),
];

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    input_files: Vec<String>,
    analyzer: String,
    expected: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    code: String,
    origin: String,
}

#[test]
fn findings_about_gateways_are_those_of_istioctl() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("conformance/istio");
    let file = folder.join("analyzer-expectations.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let file: File = serde_json::from_str(&text).expect("cases are JSON");
    let is_known = |case: &&Case| ANALYZERS.contains(&case.analyzer.as_str());
    for case in &file.cases {
        let other = OTHERS
            .iter()
            .find(|(name, _)| case.analyzer.starts_with(name));
        if let Some((_, why)) = other.filter(|_| !is_known(&case)) {
            println!("{} {}: {why}", case.analyzer, case.name);
        }
    }
    let cases: Vec<_> = file.cases.iter().filter(is_known).collect();
    let mut codes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for case in &cases {
        let own = case.expected.iter().map(|expected| expected.code.as_str());
        codes.entry(&case.analyzer).or_default().extend(own);
    }
    let mut failures = Vec::new();
    for case in &cases {
        let expected: BTreeSet<_> = case
            .expected
            .iter()
            .map(|expected| (expected.code.clone(), full(&expected.origin)))
            .collect();
        let findings = findings(&folder, case);
        let found: BTreeSet<_> = findings
            .iter()
            .filter_map(of_istio)
            .filter(|(code, _)| codes[case.analyzer.as_str()].contains(code.as_str()))
            .collect();
        let is_exception = |(code, origin): &&(String, String)| {
            EXCEPTIONS
                .iter()
                .any(|(name, of, at, _)| *name == case.name && *of == code && *at == origin)
        };
        let missing: Vec<_> = expected
            .difference(&found)
            .filter(|one| !is_exception(one))
            .collect();
        let more: Vec<_> = found.difference(&expected).collect();
        // One file is used for several analyzers of Istio, whose codes are alike.
        let more = if case.analyzer.starts_with("virtualservice.")
            || case.analyzer.starts_with("gateway.")
        {
            more.into_iter()
                .filter(|(code, _)| code != "IST0101")
                .collect()
        } else {
            more
        };
        if !(missing.is_empty() && more.is_empty()) {
            let said: Vec<_> = findings.iter().map(|f| f.message.as_str()).collect();
            failures.push(format!(
                "{}\nmissing {missing:?}\nmore {more:?}\nof {}",
                case.name,
                said.join("\n  ")
            ));
        }
    }
    println!("{} of {} cases", cases.len(), file.cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// An origin with the namespace that is meant.
fn full(origin: &str) -> String {
    match origin.split_once(' ') {
        Some((kind, name)) if !name.contains('/') => format!("{kind} default/{name}"),
        _ => origin.to_owned(),
    }
}

fn of_istio(finding: &Diagnostic) -> Option<(String, String)> {
    let at = finding.message.find("[IST")?;
    let code = finding.message.get(at + 1..at + 8)?;
    let resource = finding.resource.as_ref()?;
    Some((code.to_owned(), resource.replacen('/', " ", 1)))
}

fn findings(folder: &Path, case: &Case) -> Vec<Diagnostic> {
    let paths: Vec<_> = case
        .input_files
        .iter()
        .map(|file| folder.join(file))
        .collect();
    let (sources, documents, _) = source::read(&paths);
    let (resources, mut findings) = resources::load(documents, false);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    findings.extend(check::all(input));
    findings.extend(check::certificates(input, datetime!(2026-08-22 00:00 UTC)));
    findings
}
