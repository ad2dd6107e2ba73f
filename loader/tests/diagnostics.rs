//! What users see: each `<sentence>.in.yaml` in `testdata/diagnostics` gives the `.out.txt` next to it.
//!
//! `UPDATE=1 cargo test -p meshgate --test diagnostics` rewrites the outputs and `docs/diagnostics.md`.

use std::fs;
use std::path::{Path, PathBuf};

use meshgate::diagnostic::{self, render};
use meshgate::{resources, source};

fn root(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

#[test]
fn findings_are_as_written_down() {
    let folder = root("tests/testdata/diagnostics");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".in.yaml"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    let mut stale = Vec::new();
    for input in inputs {
        let text = fs::read_to_string(&input).expect("a text");
        let output = PathBuf::from(input.to_string_lossy().replace(".in.yaml", ".out.txt"));
        if !is_current(&output, &findings(&text)) {
            stale.push(output.display().to_string());
        }
    }
    assert!(
        stale.is_empty(),
        "differs from {stale:#?}; UPDATE=1 rewrites"
    );
}

#[test]
fn the_reference_of_codes_is_current() {
    assert!(
        is_current(&root("../docs/diagnostics.md"), &diagnostic::reference()),
        "docs/diagnostics.md is stale; UPDATE=1 rewrites it"
    );
}

fn findings(text: &str) -> String {
    let (sources, documents, mut findings) = source::read_text("input.yaml", text);
    let (resources, more) = resources::load(documents, false);
    findings.extend(more);
    render::sort(&mut findings);
    let human = render::human(&sources, &findings, false);
    let summary = render::summary(&findings, sources.files().len(), resources.total);
    format!("{human}{summary}\n")
}

fn is_current(path: &Path, text: &str) -> bool {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).expect("the output can be written");
    }
    fs::read_to_string(path).is_ok_and(|old| old.replace("\r\n", "\n") == text)
}
