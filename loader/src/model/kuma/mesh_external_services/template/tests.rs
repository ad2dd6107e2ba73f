use std::path::{Path as File, PathBuf};

use super::*;
use crate::source::{self, Node, Value};

/// Kuma's own cases, in the words of their table.
#[test]
fn templates_give_what_kuma_gives() {
    let none: &[(&str, &str)] = &[];
    for (template, name, labels, expected) in [
        ("{{ .Name }}.mesh", "backend", none, Ok("backend.mesh")),
        (
            "{{ .Name }}.{{ .Namespace }}.mesh",
            "backend",
            &[("k8s.kuma.io/namespace", "my-ns")],
            Ok("backend.my-ns.mesh"),
        ),
        (
            "{{ .Name }}.{{ .Zone }}.mesh",
            "backend",
            &[("kuma.io/zone", "zone-1")],
            Ok("backend.zone-1.mesh"),
        ),
        (
            "{{ .Name }}.{{ .Zone }}.mesh",
            "backend",
            none,
            Ok("backend.local.mesh"),
        ),
        (
            "{{ .Name }}.mesh",
            "backend.my-ns",
            none,
            Ok("backend.my-ns.mesh"),
        ),
        (
            "{{ .DisplayName }}.mesh",
            "backend.my-ns",
            &[("kuma.io/display-name", "backend")],
            Ok("backend.mesh"),
        ),
        (
            "{{ label \"app\" }}.mesh",
            "backend",
            &[("app", "my-app")],
            Ok("my-app.mesh"),
        ),
        (
            "{{ label \"missing\" }}.mesh",
            "backend",
            none,
            Err("pre evaluation of template with parameters failed"),
        ),
        (
            "{{ .Name[0 }}.mesh",
            "backend",
            none,
            Err("failed compiling gotemplate"),
        ),
        (
            "{{ .Name | upper }}.mesh",
            "backend",
            none,
            Err("failed compiling gotemplate"),
        ),
        ("{{ .Name", "backend", none, Err("unclosed action")),
        (
            ".{{ .Name }}.mesh",
            "backend",
            none,
            Err("is not a valid DNS name"),
        ),
        (
            "{{ .Name }}.Mesh",
            "Backend",
            none,
            Err("is not a valid DNS name"),
        ),
        (
            "{{ .Name }}..mesh",
            "backend",
            none,
            Err("is not a valid DNS name"),
        ),
        ("{{ .Mesh }}", "backend", none, Ok("default")),
    ] {
        let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
        let facts = Facts {
            name,
            mesh: "default",
            labels: &labels.collect(),
            local_zone: "local",
        };
        match (evaluate(template, &facts), expected) {
            (Ok(made), Ok(expected)) => assert_eq!(made, expected, "{template}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{template}: {why}"),
            (made, _) => panic!("{template}: {made:?}"),
        }
    }
}

/// The table that Kuma's tests were made into: in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names
/// another); without it the test is skipped.
#[test]
fn templates_of_the_conformance_table() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || File::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let table = shared.join("conformance/kuma/tables/hostname-generator-template.yaml");
    if !table.exists() {
        eprintln!("skipped: {} does not exist", table.display());
        return;
    }
    let (_, documents, findings) = source::read(&[table]);
    assert!(findings.is_empty());
    let Some(Value::Sequence(rows)) = documents.first().map(|document| &document.root.value) else {
        panic!("the table is no list");
    };
    assert!(rows.len() >= 12);
    for row in rows {
        let text = |name: &str| row.get(name).and_then(Node::text);
        let labels = match row.get("labels").map(|labels| &labels.value) {
            Some(Value::Mapping(entries)) => entries
                .iter()
                .map(|(key, value)| (key.name.clone(), value.text().unwrap().to_owned()))
                .collect(),
            _ => BTreeMap::new(),
        };
        let facts = Facts {
            name: text("k8sName").or(text("name")).unwrap(),
            mesh: text("mesh").unwrap(),
            labels: &labels,
            local_zone: text("localZone").unwrap_or_default(),
        };
        let what = text("desc").unwrap();
        match evaluate(text("template").unwrap(), &facts) {
            Ok(made) => assert_eq!(Some(&*made), text("expected"), "{what}"),
            // Kuma's text goes on with that of Go.
            Err(why) => {
                let expected = text("errorContains").unwrap().trim_end_matches(" error");
                assert!(why.contains(expected), "{what}: {why}");
            }
        }
    }
}
