//! The users' own documents: what they copied from Kuma's pages loads, and what is broken there is refused with a
//! reason.
//!
//! They are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the tests are
//! skipped.

use std::fs;
use std::path::PathBuf;

use meshgate::diagnostic::{Code, Diagnostic, Severity};
use meshgate::{resources, source};

fn shared(below: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// The resources in a page: from `apiVersion:` or `type:` up to the next one, an empty line or a shell's line.
fn examples(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        let is_type = line.starts_with("type: ") && !line.contains('/');
        if line.starts_with("apiVersion: ") || is_type {
            found.push(String::new());
            is_open = true;
        } else if line.is_empty() || matches!(line, "EOF" | ")") {
            is_open = false;
        }
        if let (true, Some(last)) = (is_open, found.last_mut()) {
            last.push_str(line);
            last.push('\n');
        }
    }
    found
}

fn errors(yaml: &str) -> (source::Sources, Vec<Diagnostic>) {
    let (sources, documents, mut findings) = source::read_text("seed.yaml", yaml);
    findings.extend(resources::load(documents, false).1);
    findings.retain(|finding| finding.severity == Severity::Error);
    (sources, findings)
}

#[test]
fn examples_of_the_seeds_load() {
    for (seed, count) in [
        ("000_48decd1b980ed353.txt", 8),
        ("001_f997b7a5cd33ab9a.txt", 8),
    ] {
        let Some(path) = shared(&format!("reference/seeds/{seed}")) else {
            return;
        };
        let page = fs::read_to_string(path).expect("a text");
        let examples = examples(&page);
        assert!(examples.len() >= count - 1, "{} examples", examples.len());
        for example in &examples {
            let (sources, errors) = errors(example);
            // The line below `match:` lost its indentation on the page.
            let is_broken = example.contains("    - match:\n    kuma.io/service");
            let is_served = !example.contains("$(kumactl");
            match errors.as_slice() {
                [] => assert!(is_served && !is_broken, "{example}"),
                [error] if is_broken => {
                    assert_eq!(error.code, Code::Syntax);
                    let span = error.span.expect("a place");
                    assert!((8..=9).contains(&sources.line_column(span).0), "{error:?}");
                }
                // The first example of a page stops before `conf`, which Kuma refuses too.
                [error] if error.message == "conf: cannot be empty" => {
                    assert!(!example.contains("conf:"), "{example}");
                }
                [error] => {
                    assert!(!is_served, "{example}{error:?}");
                    assert_eq!(error.code, Code::ShellInSecret, "{error:?}");
                }
                more => panic!("{example}{more:?}"),
            }
        }
    }
}

#[test]
fn listener_inputs_of_kuma_load_without_an_error() {
    let Some(folder) = shared("conformance/kuma/gateway/inputs") else {
        return;
    };
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("gw-listener") {
            count += 1;
            let (_, errors) = errors(&fs::read_to_string(&path).expect("a text"));
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }
    assert!(count >= 7, "{count} inputs");
}

/// Kuma's page on `MeshExternalService`: its resources load, each by itself; fragments are none.
#[test]
fn external_services_of_the_seeds_load() {
    let Some(folder) = shared("conformance/seeds") else {
        return;
    };
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("kuma-external-service") && !name.contains("fragment") {
            count += 1;
            let (_, errors) = errors(&fs::read_to_string(&path).expect("a text"));
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }
    assert!(count >= 10, "{count} seeds");
}
