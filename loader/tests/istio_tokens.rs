//! RequestAuthentication: what Istio's validator says (`ValidateRequestAuthentication` at 1.32), and what is said
//! about tokens beyond it.

use meshgate::diagnostic::{Diagnostic, Severity};
use meshgate::model::istio;
use meshgate::model::kuma::Input;
use meshgate::{check, resources, source};

const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fn authentication(spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: tokens}}\nspec: {{{spec}}}\n"
    )
}

/// A rule with keys and these fields.
fn rule(rest: &str) -> String {
    format!("jwtRules: [{{issuer: a.test, jwks: '{KEYS}', {rest}}}]")
}

/// What Istio's own validator says.
fn verdict(spec: &str) -> Vec<Diagnostic> {
    let (_, documents, mut findings) = source::read_text("row.yaml", &authentication(spec));
    findings.extend(resources::load(documents, true).1);
    findings
}

/// That it is refused with this text, or accepted if there is none.
fn refused(spec: &str, error: &str) {
    let findings = verdict(spec);
    let mut errors = findings.iter().filter(|f| f.severity == Severity::Error);
    if error.is_empty() {
        assert_eq!(errors.next().map(|f| &f.message), None, "{spec}");
    } else {
        let is_said = errors.any(|f| f.message.contains(error));
        assert!(is_said, "{spec}: {findings:#?}");
    }
}

#[test]
fn rules_are_judged_as_by_istio() {
    let uri = |uri: &str| format!("jwtRules: [{{issuer: foo.com, jwksUri: '{uri}'}}]");
    let claim = |to: &str| {
        format!(
            "jwtRules: [{{issuer: foo.com, jwksUri: 'https://foo.com', outputClaimToHeaders: [{to}]}}]"
        )
    };
    let header = "is not a valid header name";
    let both = "header and claim value must be non-empty string";
    for (spec, error) in [
        (String::new(), ""),
        (
            "jwtRules: [{}]".to_owned(),
            "issuer or jwksUri must be non-empty string",
        ),
        (
            "jwtRules: [{issuer: ''}]".to_owned(),
            "issuer or jwksUri must be non-empty string",
        ),
        (
            "jwtRules: [{jwksUri: 'https://foo.com/cert'}]".to_owned(),
            "",
        ),
        (uri("foo.com"), "URI scheme \"\" is not supported"),
        (uri("https://foo.com:not-a-number"), "invalid port"),
        (rule("audiences: [a, '']"), "audience must be non-empty"),
        (
            rule("fromHeaders: [{prefix: Bearer}]"),
            "location header name must be non-empty",
        ),
        (
            rule("fromParams: ['']"),
            "location query must be non-empty string",
        ),
        (
            rule("fromCookies: ['']"),
            "cookie name must be non-empty string",
        ),
        (
            rule(
                "fromHeaders: [{name: x-foo, prefix: 'Bearer '}], fromParams: [t], fromCookies: [t]",
            ),
            "",
        ),
        (
            "jwtRules: [{issuer: foo.com, jwks: foo}]".to_owned(),
            "jwks parse error",
        ),
        (claim("{}"), both),
        (claim("{claim: a}"), both),
        (claim("{header: a}"), both),
        (claim("{header: 'a b', claim: a}"), header),
        (claim("{header: ':authority', claim: a}"), header),
        (claim("{header: x-jwt_a, claim: a.b}"), ""),
        (rule("timeout: apple"), "bad Duration"),
        (rule("timeout: 0.5ms"), "duration must be greater than 1ms"),
        (rule("timeout: 2s"), ""),
        (rule("presence: MANDATORY"), "unknown value"),
    ] {
        refused(&spec, error);
    }
}

#[test]
fn targets_are_judged_as_by_istio() {
    let gateway = "group: gateway.networking.k8s.io, kind: Gateway";
    for (spec, error) in [
        (
            "selector: {matchLabels: {'': a}}".to_owned(),
            "empty key is not supported",
        ),
        (
            "selector: {matchLabels: {a: '*'}}".to_owned(),
            "wildcard is not supported",
        ),
        (format!("targetRef: {{{gateway}, name: a}}"), ""),
        (
            format!("targetRefs: [{{{gateway}}}]"),
            "targetRef name must be set",
        ),
        (
            format!("targetRef: {{{gateway}, name: a, namespace: b}}"),
            "cross namespace referencing is not supported",
        ),
        (
            "targetRef: {group: wrong, kind: Gateway, name: a}".to_owned(),
            "targetRef must be to one of",
        ),
        (
            "targetRef: {group: gateway.networking.k8s.io, kind: Wrong, name: a}".to_owned(),
            "targetRef must be to one of",
        ),
        ("targetRef: {kind: Service, name: a}".to_owned(), ""),
        (
            format!("selector: {{matchLabels: {{a: b}}}}, targetRef: {{{gateway}, name: a}}"),
            "only one of targetRefs or workloadSelector can be set",
        ),
    ] {
        refused(&spec, error);
    }
}

#[test]
fn istio_warns_of_private_keys_and_empty_selectors() {
    let private = KEYS.replace("\"kid\"", "\"d\":\"AQAB\",\"kid\"");
    for (spec, warning) in [
        (
            format!("jwtRules: [{{issuer: a.test, jwks: '{private}'}}]"),
            "key at index 0 contains private key material",
        ),
        (
            "selector: {matchLabels: {}}".to_owned(),
            "workload selector specified without labels",
        ),
    ] {
        let findings = verdict(&spec);
        let [finding] = findings.as_slice() else {
            panic!("{findings:#?}");
        };
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains(warning), "{}", finding.message);
    }
}

/// A gateway with a route that asks for a claim.
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
  http: [{match: [{headers: {'@request.auth.claims.group': {exact: a}}}], route: [{destination: {host: web.test}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec: {hosts: [web.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
";

/// The routes that are left, and all findings.
fn served(text: &str) -> (usize, Vec<Diagnostic>) {
    let (sources, documents, mut findings) = source::read_text("input.yaml", text);
    let (resources, more) = resources::load(documents, false);
    findings.extend(more);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    findings.extend(check::all(input));
    let workloads = istio::workloads(&resources);
    let proxy = istio::gateway(input, &workloads[0], &mut Vec::new()).expect("a gateway");
    let listeners = proxy.ports.iter().flat_map(|port| &port.listeners);
    let hosts = listeners.flat_map(|listener| &listener.virtual_hosts);
    (hosts.map(|host| host.routes.len()).sum(), findings)
}

/// Everything that is said: an error about a route is not followed by words about hosts without routes.
fn codes(findings: &[Diagnostic]) -> Vec<String> {
    findings.iter().map(|f| f.code.to_string()).collect()
}

#[test]
fn claims_are_known_where_tokens_are_verified() {
    let own = "selector: {matchLabels: {app: edge}}, ";
    let namespaced = |namespace: &str, spec: &str| {
        authentication(spec).replace(
            "name: tokens",
            &format!("name: tokens, namespace: {namespace}"),
        )
    };
    let target = "targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: edge}, ";
    for (more, routes, said) in [
        (String::new(), 0, &["MG0690"][..]),
        (authentication(&rule("")), 1, &[]),
        (authentication(&format!("{own}{}", rule(""))), 1, &[]),
        (namespaced("istio-system", &rule("")), 1, &[]),
        (namespaced("other", &rule("")), 0, &["MG0690", "MG0691"]),
        // Without rules nothing is verified.
        (authentication(own), 0, &["MG0690"]),
        (
            authentication(&format!(
                "selector: {{matchLabels: {{app: b}}}}, {}",
                rule("")
            )),
            0,
            &["MG0690", "MG0691"],
        ),
        (
            authentication(&format!("{target}{}", rule(""))),
            0,
            &["MG0690", "MG0691"],
        ),
    ] {
        let (left, findings) = served(&format!("{GATEWAY}{more}"));
        assert_eq!(
            (left, codes(&findings)),
            (routes, said.iter().map(ToString::to_string).collect()),
            "{more}: {findings:#?}"
        );
        for finding in &findings {
            assert!(
                finding.help.is_some(),
                "{} says nothing to do",
                finding.message
            );
            assert!(finding.span.is_some(), "{} is nowhere", finding.message);
        }
    }
    let (_, findings) = served(GATEWAY);
    assert!(findings[0].message.ends_with("[IST0149]"), "{findings:#?}");
}

#[test]
fn gateways_of_the_gateway_api_are_attached_by_name() {
    let target = |name: &str| {
        format!(
            "targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {name}}}], {}",
            rule("")
        )
    };
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: edge, labels: {app: edge, gateway.networking.k8s.io/gateway-name: api}}\n";
    for (spec, routes) in [(target("api"), 1), (target("other"), 0), (rule(""), 1)] {
        let (left, _) = served(&format!("{GATEWAY}{pod}{}", authentication(&spec)));
        assert_eq!(left, routes, "{spec}");
    }
}

#[test]
fn what_would_let_requests_in_or_keep_all_out_is_said() {
    let exchange = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}]}";
    for (spec, code, severity, text) in [
        (
            "jwtRules: [{issuer: a.test}]".to_owned(),
            "MG0692",
            Severity::Error,
            "jwks or jwksUri is missing",
        ),
        (
            format!("jwtRules: [{{issuer: a.test, jwks: '{exchange}'}}]"),
            "MG0693",
            Severity::Error,
            "the curve \"X25519\" is not known",
        ),
        (
            "jwtRules: [{issuer: a.test, jwks: '{\"keys\": []}'}]".to_owned(),
            "MG0693",
            Severity::Error,
            "there is none",
        ),
        (
            "jwtRules: [{issuer: a.test, jwksUri: 'http://keys.test/'}]".to_owned(),
            "MG0694",
            Severity::Warning,
            "keys.test is asked for keys without TLS",
        ),
        (
            rule("outputClaimToHeaders: [{header: Host, claim: a}]"),
            "MG0695",
            Severity::Error,
            "would choose the host",
        ),
        (
            rule("outputPayloadToHeader: ':authority'"),
            "MG0695",
            Severity::Error,
            "not a valid header name",
        ),
        (
            rule("fromHeaders: [{name: 'a b'}]"),
            "MG0695",
            Severity::Error,
            "not a valid header name",
        ),
        (
            rule("outputPayloadToHeader: Authorization"),
            "MG0695",
            Severity::Error,
            "tokens are read from this header",
        ),
        (
            rule("fromHeaders: [{name: X-A}], outputClaimToHeaders: [{header: x-a, claim: a}]"),
            "MG0695",
            Severity::Error,
            "tokens are read from this header",
        ),
        (
            format!(
                "jwtRules: [{{issuer: a.test, jwks: '{KEYS}'}}, {{issuer: b.test, jwks: '{KEYS}', presence: REQUIRED}}]"
            ),
            "MG0402",
            Severity::Error,
            "not served beside other rules",
        ),
        (
            rule("jwksUri: 'https://keys.test/'"),
            "",
            Severity::Warning,
            "not used, as `jwks` is given",
        ),
    ] {
        let (_, findings) = served(&format!("{GATEWAY}{}", authentication(&spec)));
        let found = findings.iter().find(|f| f.message.contains(text));
        let found = found.unwrap_or_else(|| panic!("{text} of {findings:#?}"));
        assert_eq!(found.severity, severity, "{spec}");
        assert!(found.help.is_some(), "{text}: nothing to do");
        if !code.is_empty() {
            assert_eq!(found.code.to_string(), code, "{spec}");
        }
    }
}

#[test]
fn ways_to_claims_have_names() {
    let text = GATEWAY.replace("claims.group", "claims.group..id");
    let (routes, findings) = served(&format!("{text}{}", authentication(&rule(""))));
    assert_eq!((routes, codes(&findings)), (0, vec!["MG0696".to_owned()]));
}
