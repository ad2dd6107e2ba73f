//! The examples that users copy: each is what meshgate makes of its resources.
//!
//! `UPDATE=1` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta_cmd::get_cargo_bin;
use tempfile::TempDir;

/// Where the examples have the files of identities, in the place of `$MESHGATE_WORK_DIR`.
const WORK: &str = "/var/lib/meshgate";

/// The examples with several proxies, and the Dataplanes of those with the ports of their admin interfaces, which are
/// those of the READMEs.
const SEVERAL: [(&str, &[(&str, &str)]); 2] = [
    (
        "cross-mesh",
        &[
            ("backend-1", "127.0.0.1:9911"),
            ("api-1", "127.0.0.1:9912"),
            ("web-1", "127.0.0.1:9913"),
            ("guest-1", "127.0.0.1:9914"),
        ],
    ),
    (
        "external-service",
        &[("web-1", "127.0.0.1:9911"), ("jobs-1", "127.0.0.1:9912")],
    ),
];

#[test]
fn each_example_has_the_configuration_of_its_resources() {
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        assert!(example.join("README.md").exists(), "{}", example.display());
        let name = example.file_name().unwrap_or_default();
        match SEVERAL.iter().find(|(several, _)| name == *several) {
            None => compare(&example, &[], "envoy.yaml"),
            Some((_, dataplanes)) => {
                for (dataplane, admin) in *dataplanes {
                    let args = ["--dataplane", dataplane, "--admin", admin];
                    compare(&example, &args, &format!("envoy/{dataplane}.yaml"));
                }
                if example.join("egress").is_dir() {
                    let args = [
                        "egress",
                        "--dataplane",
                        "egress",
                        "--admin",
                        "127.0.0.1:9913",
                    ];
                    compare(&example, &args, "envoy/egress.yaml");
                }
            }
        }
    }
}

fn compare(example: &Path, args: &[&str], file: &str) {
    let work = TempDir::new().unwrap();
    let output = Command::new(get_cargo_bin("meshgate"))
        .args(["bootstrap", "resources", "--wasm", "gateway.wasm"])
        .args(args)
        .env("MESHGATE_WORK_DIR", work.path())
        .current_dir(example)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", example.display());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let made = String::from_utf8(output.stdout).unwrap();
    let made = made.replace(work.path().to_str().unwrap(), WORK);
    let file = example.join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let is_fresh = fs::read_to_string(&file).is_ok_and(|old| old == made);
    assert!(
        is_fresh,
        "{} is stale, UPDATE=1 rewrites it",
        file.display()
    );
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
