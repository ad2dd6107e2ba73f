//! `MeshHTTPRoute` (Kuma `pkg/plugins/policies/meshhttproute/api/v1alpha1/validation.go` at 2.14.3, and the enums of
//! its CRD).

mod pitfalls;

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::decode::nearest;
use crate::resources::kuma::mesh_http_route::{
    BackendRef, Filter, HeaderModifier, Match, MeshHttpRoute, PathMatch, PathRewrite, Rule,
    TargetRef,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::target_ref::target_ref;
use super::{is_domain, is_ip};

const MATCHES: [&str; 3] = ["Exact", "PathPrefix", "RegularExpression"];
const FILTERS: [&str; 5] = [
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestRedirect",
    "URLRewrite",
    "RequestMirror",
];
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

impl Validate for MeshHttpRoute {
    fn validate(&self, report: &mut Report<'_>) {
        let mesh = TargetRef {
            kind: "Mesh".to_owned(),
            ..TargetRef::default()
        };
        if let Some(target) = &self.target_ref {
            let kinds = [
                "Mesh",
                "MeshGateway",
                "MeshSubset",
                "MeshService",
                "MeshServiceSubset",
                "Dataplane",
            ];
            target_ref(report, &Path::of("targetRef"), target, &kinds);
        }
        let is_gateway = self.target_ref.as_ref().unwrap_or(&mesh).kind == "MeshGateway";
        for (index, to) in self.to.iter().enumerate() {
            let path = Path::of("to").index(index);
            let kinds: &[&str] = if is_gateway {
                &["Mesh"]
            } else {
                &["MeshService", "MeshExternalService", "MeshMultiZoneService"]
            };
            let none = TargetRef::default();
            let target = to.target_ref.as_ref().unwrap_or(&none);
            target_ref(report, &path.field("targetRef"), target, kinds);
            for (index, entry) in to.rules.iter().enumerate() {
                rule(report, &path.field("rules").index(index), entry, is_gateway);
            }
            if !is_gateway && !to.hostnames.is_empty() {
                report.violation(&path.field("hostnames"), "must not be defined");
            }
        }
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        pitfalls::all(report, self);
    }
}

fn rule(report: &mut Report<'_>, path: &Path, rule: &Rule, is_gateway: bool) {
    for (index, entry) in rule.matches.iter().enumerate() {
        matches(report, &path.field("matches").index(index), entry);
    }
    let conf = path.field("default");
    let filters = rule.conf.filters.as_deref().unwrap_or_default();
    let only_prefixes = rule.matches.iter().all(|entry| {
        entry
            .path
            .as_ref()
            .is_some_and(|path| path.kind == "PathPrefix")
    });
    for (index, entry) in filters.iter().enumerate() {
        let path = conf.field("filters").index(index);
        filter(report, &path, entry, only_prefixes, is_gateway);
    }
    let path = conf.field("backendRefs");
    let backends = rule.conf.backend_refs.as_deref().unwrap_or_default();
    let redirects = filters
        .iter()
        .any(|filter| filter.kind == "RequestRedirect");
    if backends.is_empty() && is_gateway && !redirects {
        report.violation(&path, "must not be empty");
    }
    for (index, backend) in backends.iter().enumerate() {
        backend_ref(report, &path.index(index), backend);
    }
}

pub(super) fn backend_ref(report: &mut Report<'_>, path: &Path, backend: &BackendRef) {
    let kinds = [
        "MeshService",
        "MeshServiceSubset",
        "MeshExternalService",
        "MeshMultiZoneService",
    ];
    target_ref(report, path, &backend.target(), &kinds);
    if backend.kind == "MeshMultiZoneService" && backend.port.is_none() {
        report.violation(
            &path.field("port"),
            "must be defined with kind MeshMultiZoneService",
        );
    }
}

fn matches(report: &mut Report<'_>, path: &Path, entry: &Match) {
    if let Some(entry) = &entry.path {
        path_match(report, &path.field("path"), entry);
    }
    if let Some(method) = &entry.method {
        one_of(report, &path.field("method"), method, &METHODS);
    }
    let mut names = BTreeSet::new();
    for (index, query) in entry.query_params.iter().enumerate() {
        let path = path.field("queryParams").index(index);
        one_of(
            report,
            &path.field("type"),
            &query.kind,
            &["Exact", "RegularExpression"],
        );
        if !names.insert(&query.name) {
            let text = format!("multiple entries for name {}", query.name);
            report.violation(&path.field("name"), text);
        }
    }
    for (index, header) in entry.headers.iter().enumerate() {
        let path = path.field("headers").index(index);
        let kind = header.kind.as_deref().unwrap_or("Exact");
        let kinds = ["Exact", "Present", "RegularExpression", "Absent", "Prefix"];
        one_of(report, &path.field("type"), kind, &kinds);
        if matches!(kind, "Present" | "Absent") && !header.value.is_empty() {
            report.violation(&path.field("value"), "must not be defined");
        }
    }
}

fn path_match(report: &mut Report<'_>, path: &Path, entry: &PathMatch) {
    one_of(report, &path.field("type"), &entry.kind, &MATCHES);
    let place = path.field("value");
    let value = entry.value.as_str();
    let is_absolute = value.starts_with('/');
    match entry.kind.as_str() {
        "PathPrefix" if value == "/" => {}
        "PathPrefix" => {
            if value.ends_with('/') {
                report.advise(
                    &place,
                    "does not need a trailing slash because only a `/`-separated prefix or an entire path is matched",
                    format!("write `{}`", value.trim_end_matches('/')),
                );
            }
            if !is_absolute {
                report.violation(&place, "must be an absolute path");
            }
        }
        "Exact" if !is_absolute => report.violation(&place, "must be an absolute path"),
        _ => {}
    }
}

fn filter(
    report: &mut Report<'_>,
    path: &Path,
    filter: &Filter,
    only_prefixes: bool,
    is_gateway: bool,
) {
    one_of(report, &path.field("type"), &filter.kind, &FILTERS);
    let undefined =
        |report: &mut Report<'_>, field| report.violation(&path.field(field), "must be defined");
    match filter.kind.as_str() {
        "RequestHeaderModifier" => match &filter.request_header_modifier {
            None => undefined(report, "requestHeaderModifier"),
            Some(modifier) => headers(report, &path.field("requestHeaderModifier"), modifier),
        },
        "ResponseHeaderModifier" => match &filter.response_header_modifier {
            None => undefined(report, "responseHeaderModifier"),
            Some(modifier) => headers(report, &path.field("responseHeaderModifier"), modifier),
        },
        "RequestRedirect" => match &filter.request_redirect {
            None => undefined(report, "requestRedirect"),
            Some(redirect) => {
                let path = path.field("requestRedirect");
                rewrite(
                    report,
                    &path.field("path"),
                    redirect.path.as_ref(),
                    only_prefixes,
                );
                hostname(
                    report,
                    &path.field("hostname"),
                    redirect.hostname.as_deref(),
                );
            }
        },
        "URLRewrite" => match &filter.url_rewrite {
            None => undefined(report, "urlRewrite"),
            Some(url) => {
                let path = path.field("urlRewrite");
                rewrite(
                    report,
                    &path.field("path"),
                    url.path.as_ref(),
                    only_prefixes,
                );
                hostname(report, &path.field("hostname"), url.hostname.as_deref());
                if url.host_to_backend_hostname == Some(true) {
                    let path = path.field("hostToBackendHostname");
                    if !is_gateway {
                        report.violation(&path, "can only be set with MeshGateway");
                    }
                    if url.hostname.is_some() {
                        report.violation(&path, "cannot be set together with hostname");
                    }
                }
            }
        },
        "RequestMirror" => match &filter.request_mirror {
            None => undefined(report, "requestMirror"),
            Some(mirror) => target_ref(
                report,
                &path.join(&Path::of("requestMirror.backendRef")),
                &mirror.backend_ref.target(),
                &["MeshService", "MeshServiceSubset"],
            ),
        },
        _ => {}
    }
}

fn rewrite(
    report: &mut Report<'_>,
    path: &Path,
    rewrite: Option<&PathRewrite>,
    only_prefixes: bool,
) {
    if rewrite.is_some_and(|rewrite| rewrite.replace_prefix_match.is_some()) && !only_prefixes {
        report.violation(
            &path.field("replacePrefixMatch"),
            "can only appear if all matches match a path prefix",
        );
    }
}

/// `validatePreciseHostname`, with Kubernetes' text for names.
fn hostname(report: &mut Report<'_>, path: &Path, hostname: Option<&str>) {
    let Some(hostname) = hostname else {
        return;
    };
    if is_ip(hostname) {
        report.violation(path, "cannot be an IP address");
    } else if !is_domain(hostname) || hostname.len() > 253 {
        report.violation(
            path,
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
        );
    }
}

fn headers(report: &mut Report<'_>, path: &Path, modifier: &HeaderModifier) {
    if modifier.set.is_none() && modifier.add.is_none() && modifier.remove.is_none() {
        return report.violation(path, "must have at least one defined: set, add, remove");
    }
    let names = |headers: &Option<Vec<_>>| -> Vec<String> {
        let headers: &[crate::resources::kuma::mesh_http_route::Header] =
            headers.as_deref().unwrap_or_default();
        headers.iter().map(|header| header.name.clone()).collect()
    };
    let removed = modifier.remove.clone().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (field, names) in [
        ("set", names(&modifier.set)),
        ("add", names(&modifier.add)),
        ("remove", removed),
    ] {
        for (index, name) in names.into_iter().enumerate() {
            if !seen.insert(name) {
                let path = path.field(field).index(index).field("name");
                report.violation(&path, "duplicate header name");
            }
        }
    }
}

/// A word of an enum that Kuma's CRD has and its Go types do not check.
fn one_of(report: &mut Report<'_>, path: &Path, word: &str, words: &[&str]) {
    if words.contains(&word) {
        return;
    }
    let mut finding = Diagnostic::error(Code::UnknownValue, format!("unknown value \"{word}\""))
        .label(format!("one of {}", words.join(", ")));
    if let Some(near) = nearest(word, words.iter().copied()) {
        finding = finding.help(format!("write `{near}`"));
    }
    report.say(path, finding);
}
