//! The ready Envoy configurations of the filters: Envoy takes them, and they say what the code says.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use policy::telemetry::{OUTBOUND_STATS_TAGS, STATS_TAGS};
use system_tests::wasm_host::module;

/// Configuration, and the module in it.
const CONFIGS: [(&str, &str); 5] = [
    ("host-match", "host_match"),
    ("listener-tags", "listener_tags"),
    ("cross-mesh", "cross_mesh"),
    ("external-access", "external_access"),
    ("gateway", "gateway"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn path(config: &str) -> PathBuf {
    let folder = root().join("envoy-configs/filters");
    folder.join(config).with_extension("yaml")
}

fn envoy() -> Option<PathBuf> {
    let pinned = root().join(".envoy/1.40.0/envoy");
    let on_path = env::var_os("PATH").into_iter();
    let on_path = on_path.flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    env::var_os("MESHGATE_ENVOY")
        .map(PathBuf::from)
        .into_iter()
        .chain(on_path.map(|folder| folder.join("envoy")))
        .chain([pinned])
        .find(|path| path.is_file())
}

#[test]
fn envoy_takes_them() {
    let Some(envoy) = envoy() else {
        println!("skipped: no Envoy in $MESHGATE_ENVOY, PATH or .envoy/1.40.0");
        return;
    };
    for (config, _) in CONFIGS {
        let output = Command::new(&envoy)
            .current_dir(root())
            .args(["--mode", "validate", "--log-level", "error", "-c"])
            .arg(path(config))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{config}: {text}");
    }
}

#[test]
fn they_allow_what_the_filter_uses_and_nothing_else() {
    for (config, filter) in CONFIGS {
        let text = fs::read_to_string(path(config)).unwrap();
        let lines = text
            .lines()
            .filter_map(|line| line.trim().strip_suffix(": {}"));
        let allowed: BTreeSet<&str> = lines.collect();
        let module = module(filter);
        let imports = module.imports().map(|import| import.name());
        let exports = module.exports().map(|export| export.name());
        let callbacks = exports.filter(|name| name.starts_with("proxy_on_"));
        let used: BTreeSet<&str> = imports.chain(callbacks).collect();
        assert_eq!(allowed, used, "{config}");
    }
}

#[test]
fn they_label_the_counters_as_the_loader_does() {
    for (config, _) in CONFIGS {
        let text = fs::read_to_string(path(config)).unwrap();
        for tag in STATS_TAGS {
            let entry = format!("- tag_name: {}\n      regex: '{}'\n", tag.name, tag.regex);
            let needed = config != "listener-tags" || tag.name == "listener";
            assert_eq!(text.contains(&entry), needed, "{config}: {}", tag.name);
        }
        for tag in OUTBOUND_STATS_TAGS {
            let entry = format!("- tag_name: {}\n      regex: '{}'\n", tag.name, tag.regex);
            let needed = matches!(config, "cross-mesh" | "external-access");
            assert_eq!(text.contains(&entry), needed, "{config}: {}", tag.name);
        }
    }
}
