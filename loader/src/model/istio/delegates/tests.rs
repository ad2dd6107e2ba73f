//! Istio's own tables of delegates (`pilot/pkg/model/virtualservice_test.go` at 1.32).
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the tests
//! are skipped. Names of gateways are in full here, and where Istio's functions give no route for one that does not go
//! together, there is a finding as well.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::resources::{self, Resources};
use crate::source;

fn rows(table: &str) -> Vec<Value> {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/istio/host-tables.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return Vec::new();
    };
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["tables"][table]["cases"].take();
    let rows: Vec<Value> = serde_json::from_value(cases).unwrap();
    println!("{} rows of {table}", rows.len());
    rows
}

/// A root with one entry, and the delegate with these.
fn resources(root: &Value, delegate: &Value) -> Resources {
    let service = |name: &str, spec: Value| {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec})
        .to_string()
    };
    let gateways = json!(["gateway"]);
    let root = json!({"hosts": ["a.test"], "gateways": gateways, "http": [root]});
    let text = service("root", root) + "\n---\n" + &service("delegate", json!({"http": delegate}));
    let (_, documents, _) = source::read_text("row.yaml", &text);
    resources::load(documents, true).0
}

/// The entries of the root, with their matches.
fn found(root: &Value, delegate: &Value) -> Vec<(HttpRoute, Vec<HttpMatch>)> {
    let resources = resources(root, delegate);
    let sources = source::Sources::default();
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    let services = &resources.istio.virtual_services;
    let root = services.iter().find(|own| own.meta.name == "root").unwrap();
    let mut findings = Vec::new();
    let entries = entries(&ByName::new(input), root, &mut findings);
    let found = entries.into_iter().map(|entry| {
        let matches = entry.matches.into_iter();
        let matches = matches.map(|own| own.matched.into_owned()).collect();
        (entry.route.into_owned(), matches)
    });
    found.collect()
}

fn matches(rows: &Value) -> Vec<HttpMatch> {
    serde_json::from_value(rows.clone()).unwrap()
}

/// Gateways by their names in full.
fn in_full(mut matches: Vec<HttpMatch>) -> Vec<HttpMatch> {
    let gateways = matches.iter_mut().flat_map(|own| &mut own.gateways);
    for gateway in gateways.filter(|name| *name != "mesh") {
        *gateway = format!("default/{gateway}");
    }
    matches
}

#[test]
fn matches_exclude_each_other_as_in_istio() {
    for row in rows("TestHasConflict") {
        let read = |field: &str| serde_json::from_value(row[field].clone()).unwrap();
        let conflict = merge::conflict(&read("root"), &read("leaf"));
        assert_eq!(conflict.is_some(), row["expected"] == true, "{row}");
    }
}

#[test]
fn matches_are_merged_as_in_istio() {
    for row in rows("TestMergeHTTPMatchRequests") {
        let to = json!([{"destination": {"host": "a"}}]);
        let root = json!({"match": row["root"], "delegate": {"name": "delegate"}});
        let delegate = json!([{"match": row["delegate"], "route": to}]);
        let found = found(&root, &delegate).into_iter();
        let found: Vec<_> = found.flat_map(|(_, matches)| matches).collect();
        assert_eq!(found, in_full(matches(&row["expected"])), "{row}");
    }
}

#[test]
fn routes_are_merged_as_in_istio() {
    for row in rows("TestMergeHttpRoutes") {
        let found = found(&row["root"], &row["delegate"]);
        let expected = row["expected"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{row}");
        for ((route, own), expected) in found.iter().zip(expected) {
            let mut expected: HttpRoute = serde_json::from_value(expected.clone()).unwrap();
            assert_eq!(*own, expected.matches, "{row}");
            expected.matches.clone_from(&route.matches);
            assert_eq!(format!("{route:?}"), format!("{expected:?}"), "{row}");
        }
    }
}
