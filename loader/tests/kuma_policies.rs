//! Policies as Kuma's own validators judge them (`pkg/plugins/policies/*/api/v1alpha1/validator.go` and
//! `pkg/core/resources/apis/mesh/*_validator.go` at 2.14.3), and its schemas: accepted, or refused at the same field in
//! the same words.

use meshgate::diagnostic::{Diagnostic, Severity};
use meshgate::{resources, source};

/// Where an error is said to be, what it says, and the line that it points to.
type Said = (String, String, usize);

fn errors(yaml: &str, resource_only: bool) -> Vec<Said> {
    let (sources, documents, mut findings) = source::read_text("row.yaml", yaml);
    findings.extend(resources::load(documents, resource_only).1);
    let own = findings.iter().filter(|f| f.severity == Severity::Error);
    own.map(|f: &Diagnostic| {
        let text = f.message.strip_prefix(&format!("{}: ", f.path));
        let text = text.unwrap_or(&f.message).to_owned();
        let line = f.span.map_or(0, |span| sources.line_column(span).0);
        (f.path.clone(), text, line)
    })
    .collect()
}

/// Compares the errors about each document of a file with those that are written below it.
fn judge(rows: &str, resource_only: bool) {
    let mut count = 0;
    let mut differences = Vec::new();
    for row in rows.split("---\n") {
        count += 1;
        let said = errors(row, resource_only);
        let mut found: Vec<_> = said
            .iter()
            .map(|(path, text, _)| format!("{path}: {text}"))
            .collect();
        let mut expected: Vec<_> = row
            .lines()
            .filter_map(|line| line.strip_prefix("#! "))
            .collect();
        found.sort();
        expected.sort_unstable();
        if found != expected {
            differences.push(format!("{row}got {found:#?}\n"));
        }
    }
    assert!(count > 5, "only {count} rows");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn validators_judge_as_on_kuma() {
    judge(include_str!("testdata/policies/validators.yaml"), true);
}

#[test]
fn schemas_are_applied_as_on_kuma() {
    judge(include_str!("testdata/policies/schemas.yaml"), false);
}

fn to(kind: &str, conf: &str) -> String {
    format!(
        "type: {kind}\nmesh: default\nname: row\nspec: {{to: [{{targetRef: {{kind: Mesh}}, default: {{{conf}}}}}]}}\n"
    )
}

fn older(kind: &str, conf: &str) -> String {
    let any = "[{match: {kuma.io/service: '*'}}]";
    format!(
        "type: {kind}\nmesh: default\nname: row\nsources: {any}\ndestinations: {any}\nconf: {{{conf}}}\n"
    )
}

#[test]
fn what_envoy_refuses_is_refused_when_it_would_be_served() {
    for (yaml, path) in [
        (
            to(
                "MeshFaultInjection",
                "http: [{abort: {httpStatus: 100, percentage: 1}}]",
            ),
            "spec.to[0].default.http.abort[0].httpStatus",
        ),
        (
            to(
                "MeshFaultInjection",
                "http: [{responseBandwidth: {limit: Mbps, percentage: 1}}]",
            ),
            "spec.to[0].default.http.responseBandwidth[0].limit",
        ),
        (
            to("MeshRetry", "http: {perTryTimeout: 0s}"),
            "spec.to[0].default.conf.http.perTryTimeout",
        ),
        (
            to(
                "MeshRateLimit",
                "local: {http: {onRateLimit: {status: 600}}}",
            ),
            "spec.to[0].default.local.http.onRateLimit.status",
        ),
        (
            older("Timeout", "connectTimeout: 0s"),
            "conf.connectTimeout",
        ),
        (
            older("RateLimit", "http: {requests: 1, interval: 1ms}"),
            "conf.http.interval",
        ),
    ] {
        assert!(errors(&yaml, true).is_empty(), "{yaml}");
        let said = errors(&yaml, false);
        let paths: Vec<_> = said.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(paths, [path], "{yaml}");
    }
}

/// Kuma's paths leave fields out, add some, or misspell them; the line is the true one.
#[test]
fn findings_lead_to_the_line_also_where_kuma_has_another_path() {
    let permission = "type: MeshTrafficPermission\nmesh: default\nname: row\nspec:\n  rules:\n  - default:\n      allow:\n      - spiffeID:\n          type: Exact\n          value: nobody\n";
    let retry = "type: MeshRetry\nmesh: default\nname: row\nspec:\n  to:\n  - targetRef: {kind: Mesh}\n    default:\n      tcp:\n        maxConnectAttempt: 0\n";
    let fault = "type: MeshFaultInjection\nmesh: default\nname: row\nspec:\n  to:\n  - targetRef: {kind: Mesh}\n    default:\n      http:\n      - delay: {value: -1s, percentage: 1}\n";
    let route = "type: MeshGatewayRoute\nmesh: default\nname: row\nselectors: [{match: {kuma.io/service: a}}]\nconf:\n  http:\n    rules:\n    - matches:\n      - path:\n          match: PREFIX\n          value: here\n      backends: [{destination: {kuma.io/service: a}}]\n";
    let mesh = "type: Mesh\nname: default\nmtls:\n  enabledBackend: ca\n  backends:\n  - name: ca\n    type: builtin\n    dpCert:\n      rotation:\n        expiration: soon\n";
    let logs = "type: Mesh\nname: default\nlogging:\n  backends:\n  - name: a\n    type: tcp\n    conf:\n      address: here\n";
    for (yaml, path, line) in [
        (permission, "spec.rules[0].allow[0].spiffeID", 8),
        (retry, "spec.to[0].default.conf.tcp.maxConnectAttempt", 9),
        (fault, "spec.to[0].default.http.delay[0].value", 9),
        (route, "conf.http.rules[0].matches[0].value", 11),
        (mesh, "mtls.dpcert.rotation.expiration", 10),
        (logs, "logging.backends[0].config.address", 8),
    ] {
        let said = errors(yaml, true);
        let found: Vec<_> = said
            .iter()
            .map(|(path, _, line)| (path.as_str(), *line))
            .collect();
        assert_eq!(found, [(path, line)]);
    }
}
