//! The schemas of Kuma's newer kinds (`deployments/charts/kuma/crds` at 2.14.3), which Kuma applies to files as well
//! (`pkg/core/resources/model/rest/unmarshaller.go`): what the types do not say and no validator of Kuma looks at.
//!
//! A word that nobody knows is dangerous where it chooses a meaning: a rule that denies `prefix` would be read as one
//! that denies a single client. Kuma's validators by themselves, without the schema, let such words pass.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::report::Report;
use crate::source::{Node, Path, Value};

/// What a schema says about a value.
#[derive(Clone, Copy)]
enum Rule {
    /// It is there.
    Required,
    /// If it is there, it is one of these words.
    OneOf(&'static [&'static str]),
    /// If it is there, it is the name of a header, in lower case.
    Header,
    /// If it is there, the list has at least one element.
    NotEmpty,
    /// The list has no more elements than that.
    AtMost(usize),
    /// The number is not greater than that.
    UpTo(i64),
}

use Rule::{AtMost, Header, NotEmpty, OneOf, Required, UpTo};

const MATCH: Rule = OneOf(&["Exact", "Prefix"]);
const REWRITE: Rule = OneOf(&["ReplaceFullPath", "ReplacePrefixMatch"]);
const HEADER_MATCH: Rule = OneOf(&["Exact", "Present", "RegularExpression", "Absent", "Prefix"]);
const RESET: Rule = OneOf(&["Seconds", "UnixTimestamp"]);

/// Kind (all if empty), path from the specification (`a|b` for both, `[]` for each element), rule.
#[rustfmt::skip] // One row, one line.
const RULES: &[(&str, &str, Rule)] = &[
    ("", "targetRef.proxyTypes[]", OneOf(&["Sidecar", "Gateway"])),
    ("", "rules[].matches[].spiffeID.type", Required),
    ("", "rules[].matches[].spiffeID.type", MATCH),
    ("MeshAccessLog", "to|from|rules[].default.backends[].openTelemetry.attributes[].value", Required),
    ("MeshExternalService", "endpoints[].priority", UpTo(128)),
    ("MeshExternalService", "tls.verification.subjectAltNames[].value", Required),
    ("MeshFaultInjection", "to|from|rules[].default.http[].abort|delay|responseBandwidth.percentage", Required),
    ("MeshFaultInjection", "to|from|rules[].default.http[].delay.value", Required),
    ("MeshFaultInjection", "to|from|rules[].default", Required),
    ("MeshHTTPRoute", "to[].rules", Required),
    ("MeshHTTPRoute", "to[].rules[].default", Required),
    ("MeshHTTPRoute", "to[].rules[].matches", Required),
    ("MeshHTTPRoute", "to[].rules[].matches", NotEmpty),
    ("MeshHTTPRoute", "to[].rules[].matches[].headers[].name", Required),
    ("MeshHTTPRoute", "to[].rules[].matches[].headers[].name", Header),
    ("MeshHTTPRoute", "to[].rules[].default.filters[].requestHeaderModifier|responseHeaderModifier.set|add[].name|value", Required),
    ("MeshHTTPRoute", "to[].rules[].default.filters[].requestHeaderModifier|responseHeaderModifier.set|add[].name", Header),
    ("MeshHTTPRoute", "to[].rules[].default.filters[].requestRedirect|urlRewrite.path.type", Required),
    ("MeshHTTPRoute", "to[].rules[].default.filters[].requestRedirect|urlRewrite.path.type", REWRITE),
    ("MeshMultiZoneService", "ports[].port", Required),
    ("MeshRateLimit", "to|from|rules[].default.local.http.onRateLimit.headers.set|add", AtMost(16)),
    ("MeshRateLimit", "to|from|rules[].default.local.http.onRateLimit.headers.set|add[].name|value", Required),
    ("MeshRateLimit", "to|from|rules[].default.local.http.onRateLimit.headers.set|add[].name", Header),
    ("MeshRetry", "to[].default.http|grpc.rateLimitedBackOff.resetHeaders[].format", Required),
    ("MeshRetry", "to[].default.http|grpc.rateLimitedBackOff.resetHeaders[].format", RESET),
    ("MeshRetry", "to[].default.http|grpc.rateLimitedBackOff.resetHeaders[].name", Header),
    ("MeshRetry", "to[].default.http.retriableRequestHeaders|retriableResponseHeaders[].name", Required),
    ("MeshRetry", "to[].default.http.retriableRequestHeaders|retriableResponseHeaders[].name", Header),
    ("MeshRetry", "to[].default.http.retriableRequestHeaders|retriableResponseHeaders[].type", HEADER_MATCH),
    ("MeshService", "identities[].type|value", Required),
    ("MeshService", "ports[].port", Required),
    ("MeshService", "state", OneOf(&["Available", "Unavailable"])),
    ("MeshTCPRoute", "to", NotEmpty),
    ("MeshTrafficPermission", "from[].default.action", OneOf(&["Allow", "Deny", "AllowWithShadowDeny"])),
    ("MeshTrafficPermission", "rules[].default.allow|deny|allowWithShadowDeny[].spiffeID.type", Required),
    ("MeshTrafficPermission", "rules[].default.allow|deny|allowWithShadowDeny[].spiffeID.type", MATCH),
];

/// Names what breaks the schema of a kind, where nothing has been said yet.
pub(crate) fn check(kind: &str, report: &mut Report<'_>) {
    let mut found = Vec::new();
    for (of, pattern, rule) in RULES {
        if of.is_empty() || *of == kind {
            let pattern: Vec<_> = pattern.split('.').collect();
            search(report.node(), &pattern, &Path::root(), &mut |path, node| {
                if let Some((text, help)) = breach(*rule, node) {
                    found.push((path, text, help));
                }
            });
        }
    }
    for (path, text, help) in found {
        if !report.has_said(&path) {
            let finding = Diagnostic::error(Code::InvalidValue, text).help(help);
            report.beyond(&path, finding);
        }
    }
}

/// How a value breaks a rule, and what to write.
fn breach(rule: Rule, node: Option<&Node>) -> Option<(String, String)> {
    let node = node.filter(|node| !matches!(node.value, Value::Null));
    let text = node.and_then(Node::text);
    let items = match node.map(|node| &node.value) {
        Some(Value::Sequence(items)) => Some(items.len()),
        _ => None,
    };
    match rule {
        Required if node.is_none() => Some(("is required".to_owned(), "add it".to_owned())),
        OneOf(words) if text.is_some_and(|text| !words.contains(&text)) => Some((
            format!("should be one of [{}]", words.join(" ")),
            format!("one of {}", words.join(", ")),
        )),
        Header if text.is_some_and(|text| !is_header(text)) => Some((
            r"should match '^[a-z0-9!#$%&'*+\-.^_\x60|~]+$', with 256 characters at most"
                .to_owned(),
            "write the header's name, in lower case".to_owned(),
        )),
        NotEmpty if items == Some(0) => Some((
            "should have at least 1 items".to_owned(),
            "add an element, or leave the field out".to_owned(),
        )),
        AtMost(most) if items.is_some_and(|items| items > most) => Some((
            format!("should have at most {most} items"),
            "leave some out".to_owned(),
        )),
        UpTo(most) => {
            let number = text.and_then(|text| text.parse::<i64>().ok());
            number.filter(|number| *number > most).map(|_| {
                let text = format!("should be less than or equal to {most}");
                (text, format!("write {most} or less"))
            })
        }
        _ => None,
    }
}

fn is_header(name: &str) -> bool {
    let is_byte =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(is_byte)
}

/// Calls `found` for each place of `pattern`, also where only the last step is missing.
fn search<'n>(
    node: &'n Node,
    pattern: &[&str],
    path: &Path,
    found: &mut impl FnMut(Path, Option<&'n Node>),
) {
    let Some((first, rest)) = pattern.split_first() else {
        return;
    };
    if !matches!(node.value, Value::Mapping(_)) {
        return;
    }
    let (names, is_list) = match first.strip_suffix("[]") {
        Some(names) => (names, true),
        None => (*first, false),
    };
    for name in names.split('|') {
        let path = path.field(name);
        let mut step = |path: Path, value: Option<&'n Node>| match value {
            Some(value) if !rest.is_empty() => search(value, rest, &path, found),
            value if rest.is_empty() => found(path, value),
            _ => {}
        };
        match (node.get(name), is_list) {
            (Some(value), true) => {
                if let Value::Sequence(items) = &value.value {
                    for (index, item) in items.iter().enumerate() {
                        step(path.index(index), Some(item));
                    }
                }
            }
            (None, true) => {}
            (value, false) => step(path, value),
        }
    }
}
