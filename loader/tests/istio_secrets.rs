//! What Istio finds in Secrets: the same bytes, or the same words.
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the test
//! is skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshgate::model::istio::credentials::{Named, authorities, server_pair};
use meshgate::resources::kubernetes::Kubernetes;
use meshgate::{resources, source};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct File {
    secrets: Vec<Secret>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Secret {
    name: String,
    namespace: String,
    r#type: String,
    #[serde(rename = "data(plain, not base64)")]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Case {
    name: String,
    namespace: String,
    cert: String,
    key: String,
    staple: String,
    crl: String,
    ca_cert: String,
    ca_crl: String,
    expected_error: String,
    #[serde(rename = "expectedCAError")]
    expected_ca_error: String,
}

#[test]
fn secrets_of_every_form_are_read() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/istio/secret-extraction.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let file: File = serde_json::from_str(&text).expect("rows are JSON");
    let resources = read(&file.secrets);
    for case in &file.cases {
        let named = Named {
            namespace: &case.namespace,
            name: &case.name,
        };
        let pair = server_pair(&resources, named).map(|(_, pair)| {
            [
                Some(pair.certificate),
                Some(pair.key),
                pair.staple,
                pair.crl,
            ]
            .map(text_of)
        });
        let parts = [&case.cert, &case.key, &case.staple, &case.crl].map(String::clone);
        let expected = match case.expected_error.as_str() {
            "" => Ok(parts),
            error => Err(error.to_owned()),
        };
        assert_eq!(pair.map_err(|error| error.to_string()), expected, "{named}");
        let found = authorities(&resources, named)
            .map(|found| [Some(found.certificates), found.crl].map(text_of));
        let expected = match case.expected_ca_error.as_str() {
            "" => Ok([&case.ca_cert, &case.ca_crl].map(String::clone)),
            error => Err(error.to_owned()),
        };
        assert_eq!(
            found.map_err(|error| error.to_string()),
            expected,
            "{named}"
        );
    }
    println!("{} rows", file.cases.len());
}

fn text_of(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn read(secrets: &[Secret]) -> Kubernetes {
    let encode = |(key, value): (&String, &String)| (key.clone(), STANDARD.encode(value));
    let items: Vec<_> = secrets
        .iter()
        .map(|secret| {
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": secret.name, "namespace": secret.namespace},
                "type": secret.r#type,
                "data": secret.data.iter().map(encode).collect::<BTreeMap<_, _>>(),
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let (_, documents, _) = source::read_text("secrets.yaml", &list);
    resources::load(documents, true).0.kubernetes
}
