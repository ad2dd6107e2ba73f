//! Kuma's own validator tests: the same verdict, at the same field, in the same words.
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the test
//! is skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use meshgate::diagnostic::{Code, Severity};
use meshgate::{resources, source};
use serde::Deserialize;

/// The kinds whose rules are all there.
const KINDS: [&str; 16] = [
    "Dataplane",
    "ExternalService",
    "HostnameGenerator",
    "Mesh",
    "MeshExternalService",
    "MeshGateway",
    "MeshGatewayRoute",
    "MeshHTTPRoute",
    "MeshPassthrough",
    "MeshService",
    "MeshTCPRoute",
    "MeshTimeout",
    "MeshTrafficPermission",
    "TrafficPermission",
    "VirtualOutbound",
    "ZoneEgress",
];

#[derive(Deserialize)]
struct Row {
    kind: String,
    desc: Option<String>,
    source: String,
    result: String,
    input: String,
    #[serde(default)]
    extra: BTreeMap<String, String>,
    #[serde(default)]
    violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct Violation {
    field: String,
    message: String,
}

#[test]
fn verdicts_are_those_of_kuma() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/kuma/validators.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let rows: Vec<Row> = serde_json::from_str(&text).expect("rows are JSON");
    let mut failures = Vec::new();
    let mut count = 0;
    for row in rows.iter().filter(|row| KINDS.contains(&row.kind.as_str())) {
        count += 1;
        if let Err(failure) = judge(row) {
            let desc = row.desc.as_deref().unwrap_or_default();
            failures.push(format!("{} {desc} ({})\n{failure}", row.kind, row.source));
        }
    }
    println!("{count} rows");
    assert!(count > 100, "only {count} rows");
    assert!(
        failures.is_empty(),
        "{} of {count} rows differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The input of a row; many rows are specifications without kind and name.
fn document(row: &Row) -> String {
    if row.input.lines().any(|line| line.starts_with("type:")) {
        return row.input.clone();
    }
    let name = row.extra.get("Name").map_or("row", String::as_str);
    format!(
        "type: {}\nmesh: default\nname: {name}\n{}",
        row.kind, row.input
    )
}

fn judge(row: &Row) -> Result<(), String> {
    let (_, documents, mut findings) = source::read_text("row.yaml", &document(row));
    let (_, more) = resources::load(documents, true);
    findings.extend(more);
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    let said = || {
        let messages: Vec<_> = errors
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        messages.join("\n")
    };
    if (row.result == "accept") != errors.is_empty() {
        return Err(format!("expected {}, got\n{}", row.result, said()));
    }
    let missing: Vec<_> = row
        .violations
        .iter()
        .filter(|violation| {
            !errors.iter().any(|finding| {
                finding.path == violation.field && finding.message.contains(&violation.message)
            })
        })
        .map(|violation| format!("  {}: {}\n", violation.field, violation.message))
        .collect();
    // Kuma drops unknown fields in silence, also where its own tests have one.
    let own = errors
        .iter()
        .filter(|finding| finding.code != Code::UnknownField);
    if missing.is_empty() && own.count() <= row.violations.len() {
        Ok(())
    } else {
        Err(format!("missing\n{}got\n{}", missing.concat(), said()))
    }
}
