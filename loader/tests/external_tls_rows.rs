//! Kuma's own table of the TLS with what is outside of the mesh: the same context for the same settings.
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the test
//! is skipped. `docs/divergences.md` has the reasons of the two differences: where Kuma has no CA it asks for none, which
//! is the mode `SkipCA` here, and versions before TLS 1.2 come with ciphers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta_cmd::get_cargo_bin;
use meshgate::certs::{KeyType, Role, self_signed};
use meshgate::source::{self, Node, Value as Yaml};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

#[test]
fn contexts_are_those_of_kuma() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/kuma/tables/external-upstream-tls.yaml");
    let Ok(text) = fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let (_, documents, findings) = source::read_text("rows.yaml", &text);
    assert!(findings.is_empty(), "{findings:?}");
    let rows = json_of(&documents[0].root);
    let rows = rows.as_array().expect("a list");
    for row in rows {
        let socket = &row["expectedCluster"]["transportSocketMatches"][0]["transportSocket"];
        let expected = snake_case(&socket["typedConfig"]);
        assert_eq!(context(&row["endpoints"]), expected, "{}", row["desc"]);
    }
    println!("{} rows", rows.len());
}

/// The context that meshgate makes, with the table's words in the place of certificates.
fn context(endpoints: &Value) -> Value {
    let own = self_signed(Role::Client, KeyType::Ecdsa, &["client.test".to_owned()]).unwrap();
    let pems = [
        ("clientcert", &own.certificate),
        ("clientkey", &own.key),
        ("cacert", &own.certificate),
    ];
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("row.yaml"), resources(endpoints, &pems)).unwrap();
    let output = Command::new(get_cargo_bin("meshgate"))
        .args(["bootstrap", "row.yaml", "--format", "json"])
        .env("MESHGATE_WORK_DIR", dir.path().join("work"))
        .current_dir(&dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let clusters = made["static_resources"]["clusters"].as_array().unwrap();
    let sockets = clusters
        .iter()
        .find_map(|c| c.get("transport_socket_matches"));
    let mut context = sockets.expect("TLS")[0]["transport_socket"]["typed_config"].clone();
    let fields = context.as_object_mut().unwrap();
    // Envoy's default, which is there whatever is in it.
    fields.retain(|_, value| *value != json!({}));
    let Some(common) = fields.get_mut("common_tls_context") else {
        return context;
    };
    if let Some(params) = common["tls_params"].as_object_mut() {
        params.remove("cipher_suites");
    }
    for (word, field) in [
        ("clientcert", "/tls_certificates/0/certificate_chain"),
        ("clientkey", "/tls_certificates/0/private_key"),
        ("cacert", "/validation_context/trusted_ca"),
    ] {
        let Some(source) = common.pointer_mut(field) else {
            continue;
        };
        let (_, pem) = pems.iter().find(|(name, _)| *name == word).unwrap();
        let given = source["inline_string"].as_str().unwrap();
        let lines = |pem: &str| pem.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(given), lines(pem), "{word}");
        *source = json!({ "inline_bytes": STANDARD.encode(word) });
    }
    common
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    context
}

/// A `MeshExternalService` with the settings of the row's first endpoint: they are those of all.
fn resources(endpoints: &Value, pems: &[(&str, &String)]) -> String {
    let first = &endpoints[0];
    let text = |field: &str| first[field].as_str();
    let is = |field: &str| text(field) == Some("true");
    let inline = |field: &str| {
        let word = text(field)?;
        let (_, pem) = pems.iter().find(|(name, _)| *name == word)?;
        Some(json!({ "inline": STANDARD.encode(pem) }))
    };
    let mode = match (text("CaCert"), is("SkipHostnameVerification")) {
        (None, _) => "SkipCA",
        (_, true) => "SkipSAN",
        (_, false) => "Secured",
    };
    let version = |field: &str| text(field).map(|v| v.replace("TLSv", "TLS").replace('_', ""));
    let addresses = endpoints.as_array().unwrap().iter().map(|endpoint| {
        let port: u16 = endpoint["port"].as_str().unwrap().parse().unwrap();
        json!({ "address": endpoint["target"], "port": port })
    });
    let mut service = json!({
        "type": "MeshExternalService",
        "mesh": "default",
        "name": "row",
        "spec": {
            "match": { "port": 80, "protocol": "tcp" },
            "endpoints": addresses.collect::<Vec<_>>(),
            "tls": {
                "enabled": is("TLSEnabled"),
                "allowRenegotiation": is("AllowRenegotiation"),
                "version": { "min": version("MinTlsVersion"), "max": version("MaxTlsVersion") },
                "verification": {
                    "mode": mode,
                    "serverName": text("ServerName"),
                    "caCert": inline("CaCert"),
                    "clientCert": inline("ClientCert"),
                    "clientKey": inline("ClientKey"),
                },
            },
        },
    });
    without_nulls(&mut service);
    format!("{service}\n---\n{DATAPLANE}")
}

const DATAPLANE: &str = "
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {kuma.io/service: web}}]
  outbound:
  - {port: 9001, backendRef: {kind: MeshExternalService, name: row}}
";

fn without_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

/// Scalars stay text, but `true`.
fn json_of(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Scalar { text, .. } => Value::String(text.clone()),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (key.name.clone(), json_of(value)));
            Value::Object(entries.collect())
        }
    }
}

/// The JSON of Envoy's documentation in place of protobuf's.
fn snake_case(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(snake_case).collect(),
        Value::Object(fields) => {
            let renamed = fields.iter().map(|(name, value)| {
                let mut snake = String::new();
                for letter in name.chars() {
                    if letter.is_ascii_uppercase() {
                        snake.push('_');
                    }
                    snake.push(letter.to_ascii_lowercase());
                }
                (snake, snake_case(value))
            });
            Value::Object(renamed.collect::<Map<_, _>>())
        }
        Value::String(text) if text == "true" => Value::Bool(true),
        other => other.clone(),
    }
}
