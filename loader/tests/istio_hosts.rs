//! Istio's own tables of its host rules.
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the test
//! is skipped.

use std::path::PathBuf;

use policy::istio::{
    ServerHost, intersection, matches, more_specific, names_for_namespace, specificity_order,
    subset_of,
};
use serde_json::Value;

#[test]
fn hosts_meet_as_in_istio() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/istio/host-tables.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let file: Value = serde_json::from_str(&text).expect("tables are JSON");
    let mut count = 0;
    let mut each = |table: &str, judge: fn(&Value)| {
        for row in file["tables"][table]["cases"].as_array().expect(table) {
            judge(row);
            count += 1;
        }
    };
    each("TestNameMatches", |row| {
        let found = matches(text_of(row, "a"), text_of(row, "b"));
        assert_eq!(found, row["out"], "{row}");
    });
    each("TestNameSubsetOf", |row| {
        let found = subset_of(text_of(row, "a"), text_of(row, "b"));
        assert_eq!(found, row["out"], "{row}");
    });
    each("TestMoreSpecific", |row| {
        let found = more_specific(text_of(row, "host1"), text_of(row, "host2"));
        assert_eq!(found, row["expected"], "{row}");
    });
    each("TestNamesSortOrder", |row| {
        let mut names = list(row, "in");
        names.sort_by(|a, b| specificity_order(a, b));
        assert_eq!(names, list(row, "want"), "{row}");
    });
    each("TestNamesIntersection", |row| {
        let found = intersection(&list(row, "a"), &list(row, "b"));
        assert_eq!(found, list(row, "intersection"), "{row}");
    });
    each("TestNamesForNamespace", |row| {
        let hosts: Vec<_> = list(row, "hosts")
            .into_iter()
            .map(|host| ServerHost::parse(host, "own"))
            .collect();
        let found = names_for_namespace(&hosts, text_of(row, "namespace"));
        assert_eq!(found, list(row, "want"), "{row}");
    });
    println!("{count} rows");
}

fn text_of<'v>(row: &'v Value, field: &str) -> &'v str {
    row[field].as_str().expect("a text")
}

fn list<'v>(row: &'v Value, field: &str) -> Vec<&'v str> {
    let items = row[field].as_array().expect("a list");
    items
        .iter()
        .map(|item| item.as_str().expect("a text"))
        .collect()
}
