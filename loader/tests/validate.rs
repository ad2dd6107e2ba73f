//! The verb `validate`: what it says where, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};

use meshgate::commands::validate::{Format, Options, Outcome, validate};

const GOOD: &str = "type: Mesh\nname: default\n";
const BAD: &str = "type: Mesh\nname: Default\n";
const WARNED: &str = "type: MeshTimeout\nmesh: default\nname: timeouts\n";

fn run(files: &[(&str, &str)], format: Format) -> (Outcome, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let options = Options {
        paths: vec![folder.path().to_owned()],
        format,
        ..Options::default()
    };
    (validate(&options, |_| Vec::new()), folder.path().to_owned())
}

#[test]
fn status_says_whether_there_are_errors() {
    for (text, status) in [(GOOD, 0), (WARNED, 0), (BAD, 1), ("a: [", 1), ("", 0)] {
        let (outcome, _) = run(&[("a.yaml", text)], Format::Human);
        assert_eq!(outcome.status, status, "{}", outcome.stdout);
        assert_eq!(outcome.stderr, "");
    }
}

#[test]
fn a_clean_run_says_what_it_looked_at() {
    let (outcome, _) = run(&[("a.yaml", GOOD), ("b.yaml", "")], Format::Human);
    assert_eq!(outcome.stdout, "2 files, 1 resource, no findings\n");
}

#[test]
fn nothing_at_all_is_a_warning() {
    let (outcome, _) = run(&[], Format::Human);
    assert!(outcome.stdout.contains("MG0009"), "{}", outcome.stdout);
    assert_eq!(outcome.status, 0);
}

#[test]
fn a_path_that_is_not_there_ends_with_2() {
    let options = Options {
        paths: vec![PathBuf::from("not-there")],
        ..Options::default()
    };
    let outcome = validate(&options, |_| Vec::new());
    assert_eq!(outcome.status, 2);
    assert!(
        outcome.stderr.contains("not-there cannot be read"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn files_come_in_order_and_lines_from_top_to_bottom() {
    let two = format!("{BAD}---\n{BAD}");
    let (outcome, folder) = run(&[("b.yaml", BAD), ("a.yaml", &two)], Format::Json);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&outcome.stdout).expect("JSON");
    let place = |finding: &serde_json::Value| {
        let file = finding["file"].as_str().unwrap_or_default();
        let name = Path::new(file)
            .strip_prefix(&folder)
            .expect("in the folder");
        format!("{}:{}:{}", name.display(), finding["line"], finding["code"])
    };
    let places: Vec<_> = findings.iter().map(place).collect();
    assert_eq!(
        places,
        [
            "a.yaml:2:\"MG0104\"",
            "a.yaml:5:\"MG0104\"",
            "a.yaml:5:\"MG0201\"",
            "b.yaml:2:\"MG0104\"",
            "b.yaml:2:\"MG0201\"",
        ]
    );
    let first = findings[0].as_object().expect("an object");
    let keys = [
        "code", "severity", "message", "file", "line", "column", "resource", "path", "help",
    ];
    assert!(keys.iter().all(|key| first.contains_key(*key)) && first.len() == keys.len());
    assert_eq!(first["resource"], "Mesh/Default");
    assert_eq!(first["path"], "name");
}
