//! The examples that users copy: each is what meshgate makes of its resources.
//!
//! `UPDATE=1` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta_cmd::get_cargo_bin;

#[test]
fn each_example_has_the_configuration_of_its_resources() {
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        assert!(example.join("README.md").exists(), "{}", example.display());
        let output = Command::new(get_cargo_bin("meshgate"))
            .args(["bootstrap", "resources", "--wasm", "gateway.wasm"])
            .current_dir(&example)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", example.display());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let file = example.join("envoy.yaml");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &output.stdout).unwrap();
        }
        let is_fresh = fs::read(&file).is_ok_and(|old| old == output.stdout);
        assert!(
            is_fresh,
            "{} is stale, UPDATE=1 rewrites it",
            file.display()
        );
    }
}

/// The folders of `envoy-configs` that hold resources.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-configs");
    let entries = fs::read_dir(folder).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    folders
        .filter(|path| path.join("resources").is_dir())
        .collect()
}
