//! AuthorizationPolicy: what Istio's validator says (`ValidateAuthorizationPolicy` at 1.32), and what is not served.

use meshgate::diagnostic::{Diagnostic, Severity};
use meshgate::model::kuma::Input;
use meshgate::{check, resources, source};

fn policy(spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: access}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn policies_are_judged_as_by_istio() {
    for (spec, error) in [
        ("", ""),
        ("rules: [{}]", ""),
        ("action: DENY", "DENY action without `rules`"),
        ("action: DENY, rules: [{}]", ""),
        (
            "action: CUSTOM, provider: {name: a}",
            "CUSTOM action without `rules`",
        ),
        (
            "action: CUSTOM, rules: [{}]",
            "`provider.name` must not be empty",
        ),
        (
            "rules: [{}], provider: {name: a}",
            "`provider` must not be with non CUSTOM action",
        ),
        ("rules: [null]", "`rule` must not be nil, found at rule 0"),
        ("rules: [{from: [{}]}]", "`from.source` must not be nil"),
        (
            "rules: [{from: [{source: {}}]}]",
            "`from.source` must not be empty",
        ),
        (
            "rules: [{from: [{source: {requestPrincipals: ['']}}]}]",
            "empty value not allowed, found in RequestPrincipals",
        ),
        (
            "rules: [{from: [{source: {ipBlocks: [1.2.3.0/24, 1.2.3.4, '::1']}}]}]",
            "",
        ),
        (
            "rules: [{from: [{source: {ipBlocks: [a/8]}}]}]",
            "bad CIDR range (a/8)",
        ),
        (
            "rules: [{from: [{source: {notRemoteIpBlocks: [1.2.3.4/33]}}]}]",
            "bad CIDR range",
        ),
        (
            "rules: [{from: [{source: {ipBlocks: ['']}}]}]",
            "bad IP address",
        ),
        ("rules: [{to: [{}]}]", "`to.operation` must not be nil"),
        (
            "rules: [{to: [{operation: {}}]}]",
            "`to.operation` must not be empty",
        ),
        ("rules: [{to: [{operation: {ports: ['80']}}]}]", ""),
        ("rules: [{to: [{operation: {ports: ['x']}}]}]", "bad port x"),
        (
            "rules: [{to: [{operation: {notHosts: ['']}}]}]",
            "empty value not allowed, found in NotHosts",
        ),
        (
            "rules: [{when: [{values: [a]}]}]",
            "`key` must not be empty",
        ),
        (
            "rules: [{when: [{key: source.ip}]}]",
            "at least one of `values` or `notValues` must be set",
        ),
        (
            "rules: [{when: [{key: source.ip, values: [a]}]}]",
            "bad IP address (a)",
        ),
        (
            "rules: [{when: [{key: 'request.headers[a]', values: ['']}]}]",
            "empty value not allowed",
        ),
        (
            "selector: {matchLabels: {'': a}}",
            "empty key is not supported",
        ),
    ] {
        let (_, documents, mut findings) = source::read_text("row.yaml", &policy(spec));
        findings.extend(resources::load(documents, true).1);
        let mut errors = findings.iter().filter(|f| f.severity == Severity::Error);
        if error.is_empty() {
            assert_eq!(errors.next().map(|f| &f.message), None, "{spec}");
        } else {
            let is_said = errors.any(|f| f.message.contains(error));
            assert!(is_said, "{spec}: {findings:#?}");
        }
    }
}

const GATEWAY: &str = "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.test]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [a.test]
  gateways: [edge]
  http: [{directResponse: {status: 200}}]
";

/// A gateway's port for connections.
const CONNECTIONS: &str = "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: tcp}
spec:
  selector: {app: edge}
  servers: [{port: {number: 27017, name: mongo, protocol: MONGO}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mongo}
spec:
  hosts: ['*']
  gateways: [tcp]
  tcp: [{route: [{destination: {host: mongo.test, port: {number: 27017}}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mongo}
spec: {hosts: [mongo.test], ports: [{number: 27017, name: mongo, protocol: MONGO}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
";

fn findings(text: &str) -> Vec<Diagnostic> {
    let (sources, documents, mut findings) = source::read_text("input.yaml", text);
    let (resources, more) = resources::load(documents, false);
    findings.extend(more);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    findings.extend(check::all(input));
    findings
}

#[test]
fn what_is_not_served_is_named() {
    let source = |field: &str| format!("rules: [{{from: [{{source: {{{field}: [a]}}}}]}}]");
    let when = |key: &str| format!("rules: [{{when: [{{key: '{key}', values: [a]}}]}}]");
    let error = Severity::Error;
    for (spec, severity, text) in [
        (source("principals"), error, "certificates of clients"),
        (source("notNamespaces"), error, "certificates of clients"),
        (source("serviceAccounts"), error, "certificates of clients"),
        (source("trustDomains"), error, "certificates of clients"),
        (
            when("source.principal"),
            error,
            "source.principal is not served",
        ),
        (
            when("destination.labels[a]"),
            error,
            "destination.labels[a] is not served",
        ),
        (
            when("request.headers"),
            error,
            "request.headers is not served",
        ),
        (when("request.auth.claims[a][]"), error, "is not served"),
        (
            when("experimental.envoy.filters.a[b]"),
            error,
            "is not served",
        ),
        (
            "rules: [{to: [{operation: {paths: ['/a/{*}']}}]}]".to_owned(),
            error,
            "templates of paths are not served",
        ),
        (
            "action: CUSTOM, provider: {name: a}, rules: [{}]".to_owned(),
            error,
            "nobody is asked",
        ),
        (
            "action: AUDIT, rules: [{}]".to_owned(),
            Severity::Warning,
            "nothing is written down",
        ),
        (
            source("requestPrincipals"),
            Severity::Warning,
            "no RequestAuthentication verifies tokens",
        ),
        (
            when("request.auth.claims[a]"),
            Severity::Warning,
            "no RequestAuthentication verifies tokens",
        ),
        (
            "selector: {matchLabels: {app: b}}".to_owned(),
            Severity::Warning,
            "no gateway is selected",
        ),
        (
            "targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: a}".to_owned(),
            error,
            "none of the Gateway API",
        ),
    ] {
        let all = findings(&format!("{GATEWAY}{}", policy(&spec)));
        let found = all.iter().find(|f| f.message.contains(text));
        let found = found.unwrap_or_else(|| panic!("{spec}: {all:#?}"));
        assert_eq!(found.severity, severity, "{spec}");
    }
    let all = findings(&format!("{GATEWAY}{CONNECTIONS}{}", policy("rules: [{}]")));
    let found = all
        .iter()
        .find(|f| f.message.contains("not served for connections"));
    assert_eq!(found.map(|f| f.severity), Some(error), "{all:#?}");
    let served = findings(&format!("{GATEWAY}{}", policy("rules: [{}]")));
    assert!(served.is_empty(), "{served:#?}");
    let tried = policy("rules: [{}]").replace(
        "name: access",
        "name: access, annotations: {istio.io/dry-run: 'true'}",
    );
    let all = findings(&format!("{GATEWAY}{tried}"));
    assert!(
        all.iter().any(|f| f.message.contains("dry-run")),
        "{all:#?}"
    );
}
