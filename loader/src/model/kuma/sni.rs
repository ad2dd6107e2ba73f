//! What a proxy asks for in mTLS (Kuma `pkg/xds/envoy/tls/sni.go` at 2.14.3).

use policy::Tags;

use super::SERVICE_TAG;
use crate::resources::Meta;

/// A DNS label has at most 63 characters, and the last one says that some are missing.
const MAX_NAME: usize = 62;

/// `<service>{<tag>=<value>,…,mesh=<mesh>}`: an endpoint of a service of `mesh` with these tags.
pub(super) fn of_tags(destination: &Tags, mesh: &str) -> String {
    let mut tags: Tags = destination
        .iter()
        .filter(|(name, _)| !matches!(*name, SERVICE_TAG | "kuma.io/mesh"))
        .collect();
    tags.insert("mesh", mesh);
    let tags: Vec<_> = tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let service = destination.get(SERVICE_TAG).unwrap_or_default();
    format!("{service}{{{}}}", tags.join(","))
}

/// A port of a `MeshService` (`SNIName` in `pkg/core/resources/apis/meshservice/api/v1alpha1/helpers.go`).
pub(super) fn of_mesh_service(meta: &Meta, port: u32) -> String {
    let label = |name| meta.labels.get(name).map(String::as_str);
    let namespace = label("k8s.kuma.io/namespace").filter(|namespace| !namespace.is_empty());
    let name = match (label("kuma.io/origin"), namespace) {
        (Some("global"), namespace) => {
            let name = label("kuma.io/display-name").unwrap_or(&meta.name);
            namespace.map_or_else(|| name.to_owned(), |n| format!("{name}.{n}"))
        }
        (Some("zone"), Some(namespace)) => format!("{}.{namespace}", meta.name),
        _ => meta.name.clone(),
    };
    of_resource(&name, &meta.mesh, port, "ms")
}

/// A port of a `MeshMultiZoneService`.
pub(super) fn of_multi_zone_service(meta: &Meta, port: u32) -> String {
    let name = meta.labels.get("kuma.io/display-name");
    of_resource(name.unwrap_or(&meta.name), &meta.mesh, port, "mzms")
}

/// A `MeshExternalService`, of which a zone egress is asked.
pub(super) fn of_external_service(meta: &Meta, port: u32) -> String {
    of_resource(&meta.name, &meta.mesh, port, "mes")
}

/// `a<hash>.<name>.<port>.<mesh>.<kind>`, in which names are cut to the length of a DNS label.
fn of_resource(name: &str, mesh: &str, port: u32, kind: &str) -> String {
    let hash = fnv_1a(format!("{name};{mesh};").as_bytes());
    let cut = |text: &str| match text.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}x", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    };
    format!("a{hash:x}.{}.{port}.{}.{kind}", cut(name), cut(mesh))
}

/// FNV-1a of 64 bits (RFC 9923 §2).
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Node, Value};

    /// Kuma's own examples (`pkg/xds/envoy/tls/sni_test.go` at 2.14.3).
    #[test]
    fn tags_are_sorted() {
        let tags = [
            (SERVICE_TAG, "backend"),
            ("version", "v1"),
            ("env", "prod"),
            ("region", "eu"),
            ("app", "backend-app"),
            ("kuma.io/mesh", "demo"),
        ];
        assert_eq!(
            of_tags(&tags.into_iter().collect(), "demo"),
            "backend{app=backend-app,env=prod,mesh=demo,region=eu,version=v1}"
        );
        let tags = [(SERVICE_TAG, "api-http")];
        assert_eq!(
            of_tags(&tags.into_iter().collect(), "mesh2"),
            "api-http{mesh=mesh2}"
        );
    }

    #[test]
    fn names_of_resources_are_hashed_and_cut() {
        for (name, mesh, port, kind, sni) in [
            (
                "backend",
                "demo",
                8080,
                "ms",
                "ae10a8071b8a8eeb8.backend.8080.demo.ms",
            ),
            (
                "backend",
                "demo",
                8080,
                "mzms",
                "ae10a8071b8a8eeb8.backend.8080.demo.mzms",
            ),
            (
                "example",
                "default",
                9090,
                "mes",
                "afce62f771ed74b78.example.9090.default.mes",
            ),
        ] {
            assert_eq!(of_resource(name, mesh, port, kind), sni);
        }
        let (name, mesh) = ("a".repeat(62) + "-qwe", "b".repeat(63));
        let sni = of_resource(&name, &mesh, 1, "ms");
        let (_, names) = sni.split_once('.').unwrap();
        assert_eq!(
            names,
            format!("{}x.1.{}x.ms", "a".repeat(62), "b".repeat(62))
        );
    }
    /// Kuma's table, in `../shared` next to the checkout, or where `MESHGATE_SHARED` says. Names without a mesh, and
    /// with tags beside those of a resource, are never asked for.
    #[test]
    fn names_are_those_of_kuma() {
        let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
            || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into(),
            std::path::PathBuf::from,
        );
        let file = shared.join("conformance/kuma/tables/sni.yaml");
        let Ok(text) = std::fs::read_to_string(&file) else {
            println!("skipped: {} is not there", file.display());
            return;
        };
        let (_, documents, _) = crate::source::read_text("sni.yaml", &text);
        let [document] = documents.as_slice() else {
            panic!("one document");
        };
        let rows = |table: &str| match &document.root.get(table).unwrap().value {
            Value::Sequence(rows) => rows.clone(),
            _ => panic!("{table} is no list"),
        };
        let mut count = 0;
        for row in rows("resource_to_sni") {
            let text = |field: &str| row.get(field).and_then(Node::text).unwrap_or_default();
            let kind = match text("type") {
                "MeshService" => "ms",
                "MeshExternalService" => "mes",
                _ => "mzms",
            };
            if row.get("additional").is_none() {
                let port = text("port").parse().unwrap();
                let sni = of_resource(text("name"), text("mesh"), port, kind);
                assert_eq!(sni, text("sni"));
                count += 1;
            }
        }
        for row in rows("tags_to_sni") {
            let Value::Mapping(tags) = &row.get("tags").unwrap().value else {
                panic!("tags");
            };
            let tags: Tags = tags
                .iter()
                .map(|(name, value)| (name.name.as_str(), value.text().unwrap()))
                .collect();
            if let Some(mesh) = tags.get("mesh") {
                let sni = row.get("sni").and_then(Node::text).unwrap();
                assert_eq!(of_tags(&tags, mesh), sni);
                count += 1;
            }
        }
        println!("{count} rows");
    }
}
