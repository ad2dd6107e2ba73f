//! Istio's own table of TLS settings (`TestBuildGatewayListenerTlsContext` at 1.32), which stands in the shared data;
//! without it the test is skipped. Names of secrets and files are compared, not how Envoy gets at them.

use std::fs;

use anyhow::{Context, ensure};
use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};
use serde_json::{Value, json};
use system_tests::{meshgate, shared};

use crate::gateway::{Setup, secret, split};
use crate::tls::{authority, with_authority};

/// Rows that cannot be compared, each with the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    (
        "no credential name no key no cert tls SIMPLE",
        "refused by Istio's own validation, which the table goes round",
    ),
    (
        "tls mode ISTIO_MUTUAL, with credentialName",
        "refused by Istio's own validation, which the table goes round",
    ),
];

#[test]
fn settings_are_those_of_istio() -> anyhow::Result<()> {
    let Some(file) = shared::find("conformance/istio/tls-context.json") else {
        return Ok(());
    };
    let table: Value = serde_json::from_slice(&fs::read(file)?)?;
    let cases = table["cases"].as_array().context("no cases")?;
    let mut failures = Vec::new();
    let mut compared = 0;
    for case in cases {
        let name = case["name"].as_str().context("no name")?;
        if EXCEPTIONS.iter().any(|(of, _)| *of == name) {
            continue;
        }
        compared += 1;
        if let Err(why) = compare(case) {
            failures.push(format!("{name}: {why:#}"));
        }
    }
    println!("{compared} of {} rows", cases.len());
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// A row as meshgate takes it: files that a credential overrides are left out, as Istio's own validation refuses both;
/// settings of the mesh stand at the server; files are in the folder; and a hash is one.
fn prepared(case: &Value) -> anyhow::Result<Value> {
    let hash = "ab".repeat(32);
    let text = case.to_string().replace("fedcba", &hash);
    let mut case: Value = serde_json::from_str(&text)?;
    let defaults = case["mesh"]["tlsDefaults"].clone();
    let server = &mut case["server"];
    server["port"]["number"] = json!(443);
    server["port"]["name"] = json!("port");
    let tls = server["tls"].as_object_mut().context("no settings")?;
    if tls.contains_key("credentialName") {
        for field in ["serverCertificate", "privateKey", "caCertificates"] {
            tls.remove(field);
        }
    }
    // Istio has no defaults of the mesh where the mesh itself is spoken to.
    let of_mesh = tls.get("mode") == Some(&json!("ISTIO_MUTUAL"));
    for field in ["cipherSuites", "ecdhCurves"] {
        if !of_mesh && !defaults[field].is_null() && !tls.contains_key(field) {
            tls.insert(field.to_owned(), defaults[field].clone());
        }
    }
    Ok(case)
}

/// Fields that name files.
const FILES: [&str; 4] = ["serverCertificate", "privateKey", "caCertificates", "caCrl"];

/// Puts every file that is named into the folder.
fn move_files(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(file) if FILES.contains(&name.as_str()) => {
                        *value = json!(format!("{{dir}}/{}", last(file)));
                    }
                    _ => move_files(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(move_files),
        _ => {}
    }
}

/// The name of a file without its folders.
fn last(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Files of the names that the table has.
fn write_files(setup: &Setup) -> anyhow::Result<()> {
    for number in ["", "2"] {
        let (key, chain) = split(&meshgate::certificate("example.com", "ecdsa")?)?;
        let folder = setup.folder();
        fs::write(folder.join(format!("server-cert{number}.crt")), chain)?;
        fs::write(folder.join(format!("private-key{number}.key")), key)?;
    }
    let key = KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own = params.self_signed(&key)?;
    fs::write(setup.folder().join("ca-cert.crt"), own.pem())?;
    let revoked = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2036, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let revoked = revoked.signed_by(&Issuer::new(params, key))?;
    fs::write(setup.folder().join("crl.pem"), revoked.pem()?)?;
    Ok(())
}

fn compare(case: &Value) -> anyhow::Result<()> {
    let mut case = prepared(case)?;
    let expected = case["result"].take();
    let server = &mut case["server"];
    move_files(server);
    let resource = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": { "name": "edge" },
        "spec": { "selector": { "app": "edge" }, "servers": [server] },
    });
    let destination = json!([{ "destination": { "host": "web" } }]);
    let hosts = case["server"]["hosts"].clone();
    let routes = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": { "name": "web" },
        "spec": { "hosts": hosts, "gateways": ["edge"],
            "http": [{ "route": destination }], "tcp": [{ "route": destination }] },
    });
    let (ours, ..) = authority("client")?;
    let mut setup = Setup::new(&resource.to_string())?.with(&routes.to_string());
    write_files(&setup)?;
    for name in ["ingress-sds-resource-name", "ingress-sds-resource-name2"] {
        setup = setup.with(&with_authority(
            &secret("default", name, "example.com")?,
            &ours,
        ));
    }
    let output = setup.bootstrap(&[])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if expected.is_null() {
        let is_nothing = !output.status.success() && said.contains("nothing to serve");
        ensure!(is_nothing, "{said}");
        return Ok(());
    }
    ensure!(output.status.success(), "{said}");
    let made: Value = serde_json::from_slice(&fs::read(setup.folder().join("bootstrap.json"))?)?;
    let chain = &made["static_resources"]["listeners"][0]["filter_chains"][0];
    let context = &chain["transport_socket"]["typed_config"];
    let (own, istio) = (facts(context), facts(&camel_to_snake(&expected)));
    ensure!(own == istio, "{own:#}\nis not\n{istio:#}");
    Ok(())
}

/// What is compared of a context of either kind.
fn facts(context: &Value) -> Value {
    let common = &context["common_tls_context"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let secrets = list(&common["tls_certificate_sds_secret_configs"]);
    let named = secrets.iter().filter_map(|secret| secret["name"].as_str());
    let files = list(&common["tls_certificates"]);
    let files = files.iter().map(|files| {
        let name = |field: &str| {
            let file = files[field]["filename"].as_str();
            last(file.unwrap_or_default()).to_owned()
        };
        format!(
            "file-cert:{}~{}",
            name("certificate_chain"),
            name("private_key")
        )
    });
    // Istio's agent calls a workload's own certificate `default`.
    let named = named.map(|name| match name {
        "identity_cert:secret:cluster.local" => "default".to_owned(),
        _ => name.replace("kubernetes://default/", "kubernetes://"),
    });
    let certificates: Vec<String> = files.chain(named).collect();
    let combined = &common["combined_validation_context"];
    let (expected, has_authority) = if combined.is_null() {
        let own = &common["validation_context"];
        (own, !own["trusted_ca"].is_null())
    } else {
        (&combined["default_validation_context"], true)
    };
    // Where no certificate is asked for Istio compares nothing with these names.
    let subjects = if has_authority {
        names(expected)
    } else {
        Vec::new()
    };
    let settings = &common["tls_params"];
    let minimum = settings["tls_minimum_protocol_version"]
        .as_str()
        .unwrap_or("TLSv1_2");
    json!({
        "alpn": common["alpn_protocols"],
        "certificates": certificates,
        "required": context["require_client_certificate"] == true,
        "authority": has_authority,
        "names": subjects,
        "crl": expected["crl"]["filename"].as_str().map(last),
        "spki": list(&expected["verify_certificate_spki"]),
        "hashes": list(&expected["verify_certificate_hash"]),
        "ciphers": list(&settings["cipher_suites"]),
        "curves": list(&settings["ecdh_curves"]),
        "minimum": minimum,
        "maximum": settings["tls_maximum_protocol_version"],
    })
}

/// Names that are expected, whatever their type.
fn names(expected: &Value) -> Vec<String> {
    let list = |field: &str| expected[field].as_array().cloned().unwrap_or_default();
    let typed = list("match_typed_subject_alt_names");
    let exact = |matcher: &Value| matcher["exact"].as_str().map(str::to_owned);
    let mut names: Vec<_> = typed.iter().filter_map(|m| exact(&m["matcher"])).collect();
    names.extend(list("match_subject_alt_names").iter().filter_map(exact));
    names.dedup();
    names
}

fn camel_to_snake(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let mut name = String::new();
                for c in key.chars() {
                    if c.is_ascii_uppercase() {
                        name.push('_');
                    }
                    name.push(c.to_ascii_lowercase());
                }
                (name, camel_to_snake(value))
            })
            .collect(),
        Value::Array(items) => items.iter().map(camel_to_snake).collect(),
        other => other.clone(),
    }
}
