//! What Istio's own validators say: the same verdict, in the same words, with the same warnings.
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the test
//! is skipped.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshgate::diagnostic::{Code, Diagnostic, Severity};
use meshgate::{resources, source};
use serde::Deserialize;
use serde_json::{Value, json};

/// Rows that differ: a test, what it expects to be said, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "TestStrictValidateHTTPHeaderName",
    "header name cannot be empty",
    "of empty names the resource says so before it asks this function",
)];

/// Rows about a `null`, which their JSON has as `{}`.
const NULL: [&str; 3] = ["null_header_match", "nil_redirect", "uriRegexRewrite_nil"];

#[derive(Deserialize)]
struct File {
    cases: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    validator: String,
    test: String,
    accept: bool,
    errors: Vec<String>,
    warnings: Vec<String>,
    kind: Option<String>,
    metadata: Option<Value>,
    spec: Option<Value>,
    args: Option<Vec<Value>>,
}

#[test]
fn verdicts_are_those_of_istio() {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/istio/validation.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let file: File = serde_json::from_str(&text).expect("rows are JSON");
    let is_exception = |row: &&Row| {
        let mut exceptions = EXCEPTIONS.iter();
        exceptions.any(|(name, error, _)| row.test.contains(name) && row.errors == [*error])
    };
    let (exceptions, rows): (Vec<_>, Vec<_>) = file.cases.iter().partition(is_exception);
    let failures: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let failure = judge(row).err()?;
            Some(format!("{} {}\n{failure}", row.validator, row.test))
        })
        .collect();
    println!("{} rows, {} exceptions", rows.len(), exceptions.len());
    assert!(
        failures.is_empty(),
        "{} of {} rows differ:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
}

/// The resource of a row; many rows are parts of one.
fn document(row: &Row) -> Option<Value> {
    let resource = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": "row", "namespace": "ns"},
            "spec": spec,
        })
    };
    if let (Some(kind), Some(spec)) = (&row.kind, &row.spec) {
        let mut whole = resource(kind, spec.clone());
        if let Some(metadata) = &row.metadata {
            for (field, value) in metadata.as_object().into_iter().flatten() {
                whole["metadata"][field] = value.clone();
            }
        }
        return Some(whole);
    }
    let args = row.args.as_ref()?;
    let is_null = NULL.iter().any(|name| row.test.contains(name));
    let arg = args.first().cloned().unwrap_or_default();
    let arg = if is_null { null(arg) } else { arg };
    let gateway = |server: Value| resource("Gateway", json!({"servers": [server]}));
    let service = |spec: Value| {
        let mut whole = json!({"hosts": ["a.example.com"], "gateways": ["gw"]});
        for (field, value) in spec.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        resource("VirtualService", whole)
    };
    let route = json!([{"destination": {"host": "b"}}]);
    let http =
        |field: &str, value: Value| service(json!({"http": [{field: value, "route": route}]}));
    let alone = |field: &str, value: Value| service(json!({"http": [{field: value}]}));
    Some(match row.validator.as_str() {
        "validateServer" => gateway(arg),
        "validateServerPort" => {
            let bind = args.get(1).cloned().unwrap_or_default();
            gateway(json!({"port": arg, "bind": bind, "hosts": ["*"]}))
        }
        "validateTLSOptions" => gateway(json!({
            "port": {"number": 443, "protocol": "HTTPS", "name": "https"}, "hosts": ["*"], "tls": arg
        })),
        "ValidateHTTPHeaderNameOrJwtClaimRoute" => {
            let name = arg.as_str()?;
            http("match", json!([{"headers": {name: {"exact": "x"}}}]))
        }
        "ValidateStrictHTTPHeaderName" => {
            let to = json!({"claim": "a", "header": arg});
            let rule = json!({"issuer": "a", "jwksUri": "https://a", "outputClaimToHeaders": [to]});
            let mut whole = resource("RequestAuthentication", json!({"jwtRules": [rule]}));
            whole["apiVersion"] = json!("security.istio.io/v1");
            whole
        }
        "ValidateHTTPHeaderValue" => http("headers", json!({"request": {"set": {"x": arg}}})),
        "validateCORSPolicy" => http("corsPolicy", arg),
        "validateHTTPStatus" => http("fault", json!({"abort": {"httpStatus": arg}})),
        "validateHTTPFaultInjectionAbort" => http("fault", json!({"abort": arg})),
        "validateHTTPFaultInjectionDelay" => http("fault", json!({"delay": arg})),
        "ValidateHTTPRetry" => http("retries", arg),
        "validateHTTPRewrite" => http("rewrite", arg),
        "validateURIRegexRewrite" if is_null => {
            http("rewrite", json!({"authority": "a", "uriRegexRewrite": arg}))
        }
        "validateURIRegexRewrite" => http("rewrite", json!({"uriRegexRewrite": arg})),
        "validateHTTPRedirect" | "validateHTTPDirectResponse" if is_null => {
            http("redirect", json!(null))
        }
        "validateHTTPRedirect" => {
            let matches = args.get(1).cloned().unwrap_or_default();
            service(json!({"http": [{"redirect": arg, "match": matches}]}))
        }
        "validateHTTPDirectResponse" => alone("directResponse", body(arg, row)),
        "validateDestination" => http("mirror", arg),
        "validateRouteDestinations" => service(json!({"tcp": [{"route": arg}]})),
        "validateHTTPRoute" if args.get(1).is_some_and(|of| of["delegate"] == true) => {
            resource("VirtualService", json!({"http": [arg]}))
        }
        "validateHTTPRoute" => service(json!({"http": [arg]})),
        "ValidatePortName" => resource(
            "ServiceEntry",
            json!({"hosts": ["a.test"], "ports": [{"number": 80, "name": arg, "protocol": "HTTP"}]}),
        ),
        "validateExportTo" => {
            let mut whole = if arg["isServiceEntry"] == true {
                resource("ServiceEntry", json!({"hosts": ["a.test"]}))
            } else {
                resource("DestinationRule", json!({"host": "a.test"}))
            };
            if arg["isDestinationRuleWithSelector"] == true {
                whole["spec"]["workloadSelector"] = json!({"matchLabels": {"a": "b"}});
            }
            whole["spec"]["exportTo"] = arg["exportTo"].clone();
            whole["metadata"]["namespace"] = arg["namespace"].clone();
            whole
        }
        _ => return None,
    })
}

/// The same with the `null` that its `{}` stands for: the value itself, or that of a header.
fn null(mut arg: Value) -> Value {
    let Some(header) = arg.pointer_mut("/match/0/headers/header") else {
        return Value::Null;
    };
    *header = Value::Null;
    arg
}

/// The answer itself, or one as large as a row says in words.
fn body(arg: Value, row: &Row) -> Value {
    let Some(words) = arg.as_str() else {
        return arg;
    };
    let size = words.split(' ').find_map(|word| word.parse().ok());
    let text = "a".repeat(size.expect("a size"));
    if row.test.contains("bytes_body") {
        json!({"status": 200, "body": {"bytes": STANDARD.encode(text)}})
    } else {
        json!({"status": 200, "body": {"string": text}})
    }
}

fn judge(row: &Row) -> Result<(), String> {
    let document = document(row).ok_or("nothing to validate")?.to_string();
    let (_, documents, mut findings) = source::read_text("row.yaml", &document);
    let (_, more) = resources::load(documents, true);
    findings.extend(more);
    // Istio drops unknown fields in silence.
    findings.retain(|finding| finding.code != Code::UnknownField);
    let of = |severity| {
        findings
            .iter()
            .filter(move |finding| finding.severity == severity)
    };
    let errors: Vec<_> = of(Severity::Error).collect();
    let warnings: Vec<_> = of(Severity::Warning).collect();
    let said = || {
        findings
            .iter()
            .map(|f| format!("  {}: {}", f.path, f.message))
            .collect::<Vec<_>>()
            .join("\n")
    };
    if row.accept != errors.is_empty() {
        let wanted = if row.accept { "accepted" } else { "refused" };
        return Err(format!(
            "{wanted} by Istio\n{}\ngot\n{}\n{document}",
            row.errors.join("\n"),
            said()
        ));
    }
    let missing = [
        missing(&row.errors, &errors),
        missing(&row.warnings, &warnings),
    ]
    .concat();
    let is_more = row.accept && warnings.len() > row.warnings.len();
    if missing.is_empty() && !is_more {
        Ok(())
    } else {
        Err(format!(
            "missing\n{}\ngot\n{}\n{document}",
            missing.join("\n"),
            said()
        ))
    }
}

/// The texts that no finding has.
fn missing(texts: &[String], findings: &[&Diagnostic]) -> Vec<String> {
    let is_said = |text: &&String| {
        let text = recognisable(text);
        findings
            .iter()
            .any(|finding| recognisable(&finding.message).contains(&text))
    };
    texts
        .iter()
        .filter(|text| !is_said(text))
        .cloned()
        .collect()
}

/// A text without what Go prints by chance, or in words of its own.
fn recognisable(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.replace("has errors:", "has errors");
    let ends = [
        "error parsing regexp:",
        "port name must be set:",
        "unix domain socket:",
        "or whitespace after",
        "set multiple times:",
    ];
    let cut = ends
        .iter()
        .filter_map(|end| text.find(end).map(|at| at + end.len()))
        .min();
    text.get(..cut.unwrap_or(text.len()))
        .unwrap_or_default()
        .to_owned()
}
