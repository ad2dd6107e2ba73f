//! What the documents say: the commands work, the paths exist.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};
use system_tests::compatibility::rows;
use system_tests::{checkout, envoy, meshgate};
use tempfile::TempDir;
use walkdir::WalkDir;

/// Each line of a code block that calls `meshgate` does what it says, where `resources` is an example.
#[test]
fn commands() -> anyhow::Result<()> {
    for (document, example) in [
        ("README.md", "envoy-configs/kuma-gateway"),
        (
            "envoy-configs/kuma-gateway/README.md",
            "envoy-configs/kuma-gateway",
        ),
        (
            "envoy-configs/cross-mesh/README.md",
            "envoy-configs/cross-mesh",
        ),
        (
            "envoy-configs/istio-gateway/README.md",
            "envoy-configs/istio-gateway",
        ),
    ] {
        let text = fs::read_to_string(checkout().join(document))?;
        let commands: Vec<_> = code_lines(&text)
            .filter(|line| line.starts_with("meshgate "))
            .collect();
        ensure!(!commands.is_empty(), "{document} has no commands");
        let folder = TempDir::new()?;
        let resources = checkout().canonicalize()?.join(example).join("resources");
        std::os::unix::fs::symlink(resources, folder.path().join("resources"))?;
        for command in commands {
            shell(command, folder.path()).with_context(|| format!("{document}: {command}"))?;
        }
    }
    Ok(())
}

fn shell(command: &str, folder: &Path) -> anyhow::Result<()> {
    let command = command.split(" #").next().unwrap_or_default().trim_end();
    // Envoy reads the whole configuration, and does not stay.
    let command = if command.starts_with("meshgate run ") {
        let status = if command.contains(" --status ") {
            ""
        } else {
            "--status 127.0.0.1:0"
        };
        format!("{command} {status} -- --mode validate")
    } else {
        command.to_owned()
    };
    let own = meshgate::binary().parent().context("no folder")?;
    let path = env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", own.display()))
        .env("MESHGATE_WORK_DIR", folder.join("work"))
        .env("MESHGATE_ENVOY", envoy::binary(envoy::NEWEST)?)
        .output()?;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The lines in fenced code blocks.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").skip(1).step_by(2).flat_map(str::lines)
}

/// Every file and folder of the project that a document names in backticks or links to is there.
#[test]
fn paths() -> anyhow::Result<()> {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/divergences.md",
    ] {
        let text = fs::read_to_string(checkout().join(document))?;
        for path in text
            .split(['`', '(', ')', ' ', '\n'])
            .filter(|word| is_path(word))
        {
            let path = path.trim_end_matches([',', '.']);
            let (file, section) = path.split_once('#').unwrap_or((path, ""));
            let file = checkout().join(file);
            ensure!(file.exists(), "{document} names {path}");
            if !section.is_empty() {
                let named = fs::read_to_string(file)?;
                let mut headings = named.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|line| anchor(line) == section);
                ensure!(is_there, "{document} names {path}");
            }
        }
    }
    Ok(())
}

/// What links to a heading end in.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words.replace(' ', "-")
}

/// Whether a word is a path from the root of the checkout: patterns and places to fill in are none.
fn is_path(word: &str) -> bool {
    let folders = [
        "filters/",
        "loader/",
        "tests/",
        "envoy-configs/",
        "scripts/",
        "docs/",
    ];
    folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['<', '*', '{', '…'])
}

/// The table of Envoys has a row for each test that runs on all of them, and no other.
#[test]
fn compatibility() -> anyhow::Result<()> {
    let document = fs::read_to_string(checkout().join("docs/compatibility.md"))?;
    let columns = format!("| | {} |\n", envoy::VERSIONS.join(" | "));
    ensure!(
        document.contains(&columns),
        "the Envoys are others: make test-matrix"
    );
    let mut tests = BTreeSet::new();
    for file in ["fixture.rs", "end_to_end", "istio"] {
        let folder = checkout().join("tests/tests").join(file);
        for entry in WalkDir::new(&folder) {
            let entry = entry?;
            let path = entry.path();
            if path.extension() == Some("rs".as_ref()) {
                // Folders are modules too.
                let modules = path.strip_prefix(&folder)?.with_extension("");
                let modules = modules.iter().filter_map(OsStr::to_str);
                let program = (file == "istio").then_some(file);
                let modules = program.into_iter().chain(modules);
                let prefix: String = modules.flat_map(|module| [module, "::"]).collect();
                let text = fs::read_to_string(path)?;
                tests.extend(on_each_envoy(&text).map(|test| format!("{prefix}{test}")));
            }
        }
    }
    let tests: BTreeSet<_> = tests.iter().map(String::as_str).collect();
    let rows = rows(&document);
    ensure!(
        tests == rows,
        "make test-matrix: without a row {:?}, without a test {:?}",
        &tests - &rows,
        &rows - &tests
    );
    Ok(())
}

/// The tests that a source file has on each Envoy.
fn on_each_envoy(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("\non_each_envoy! {").skip(1);
    blocks.flat_map(|block| {
        block
            .split('}')
            .next()
            .unwrap_or_default()
            .split_whitespace()
    })
}
