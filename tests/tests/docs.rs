//! What the documents say: the commands work, the paths exist.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};
use system_tests::{checkout, envoy, meshgate};
use tempfile::TempDir;

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
        format!("{command} -- --mode validate")
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
            ensure!(checkout().join(path).exists(), "{document} names {path}");
        }
    }
    Ok(())
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
