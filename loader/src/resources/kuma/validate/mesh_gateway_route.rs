//! `MeshGatewayRoute` (Kuma `pkg/core/resources/apis/mesh/gateway_route_validator.go` at 2.14.3).
//!
//! Paths are Kuma's own: they spell fields as the schema does, and leave `path` out of `matches[0].path.value`.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_gateway_route::{
    Backend, Filter, Header, HeaderFilter, HeaderMatchKind, Match, MeshGatewayRoute, Method,
    PathMatchKind, QueryMatchKind, Rule,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::envoy::{
    self,
    Change::{Other, SetInRequest},
};
use super::{port, tags};

impl Validate for MeshGatewayRoute {
    fn validate(&self, report: &mut Report<'_>) {
        tags::selectors(report, &self.selectors, false);
        let path = Path::of("conf");
        let conf = self.conf.clone().unwrap_or_default();
        if conf.http.is_none() && conf.tcp.is_none() {
            report.violation(&path, "cannot be empty");
        }
        let Some(http) = &conf.http else {
            return;
        };
        let path = path.field("http").field("rules");
        if http.rules.is_empty() {
            return report.violation(&path, "cannot be empty");
        }
        for (index, entry) in http.rules.iter().enumerate() {
            rule(report, &path.index(index), entry);
        }
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        let http = self.conf.as_ref().and_then(|conf| conf.http.as_ref());
        let rules = http.map_or(&[][..], |http| &http.rules);
        for (index, rule) in rules.iter().enumerate() {
            let path = Path::of("conf.http.rules").index(index);
            for (index, entry) in rule.matches.iter().enumerate() {
                match_pitfalls(report, &path.field("matches").index(index), entry);
            }
            for (index, entry) in rule.filters.iter().enumerate() {
                filter_pitfalls(report, &path.field("filters").index(index), entry);
            }
        }
    }
}

fn match_pitfalls(report: &mut Report<'_>, path: &Path, entry: &Match) {
    if let Some(entry) = &entry.path
        && entry.kind == PathMatchKind::Regex
    {
        envoy::regex(report, &path.field("path").field("value"), &entry.value);
    }
    for (index, header) in entry.headers.iter().enumerate() {
        let path = path.field("headers").index(index);
        envoy::header_name(report, &path.field("name"), &header.name);
        if header.kind == HeaderMatchKind::Regex {
            envoy::regex(report, &path.field("value"), &header.value);
        }
    }
    for (index, query) in entry.query_parameters.iter().enumerate() {
        if query.kind == QueryMatchKind::Regex {
            let path = path.field("queryParameters").index(index);
            envoy::regex(report, &path.field("value"), &query.value);
        }
    }
}

fn filter_pitfalls(report: &mut Report<'_>, path: &Path, filter: &Filter) {
    let mut changes = |field: &str, filter: &HeaderFilter, set| {
        let path = path.field(field);
        let headers = [("set", &filter.set, set), ("add", &filter.add, Other)];
        for (field, headers, change) in headers {
            for (index, header) in headers.iter().enumerate() {
                let path = path.field(field).index(index);
                envoy::changed_header(report, &path.field("name"), &header.name, change);
                envoy::header_value(report, &path.field("value"), &header.value);
            }
        }
        for (index, name) in filter.remove.iter().enumerate() {
            envoy::changed_header(report, &path.field("remove").index(index), name, Other);
        }
    };
    if let Some(filter) = &filter.request_header {
        changes("requestHeader", filter, SetInRequest);
    }
    if let Some(filter) = &filter.response_header {
        changes("responseHeader", filter, Other);
    }
    if let Some(redirect) = &filter.redirect
        && !matches!(redirect.status_code, 301 | 302 | 303 | 307 | 308)
    {
        let message = format!(
            "redirect status code {} is not supported",
            redirect.status_code
        );
        report.say(
            &path.field("redirect").field("statusCode"),
            Diagnostic::error(Code::UnusableRule, message).help("use 301, 302, 303, 307 or 308"),
        );
    }
}

fn rule(report: &mut Report<'_>, path: &Path, rule: &Rule) {
    if rule.matches.is_empty() {
        return report.violation(&path.field("matches"), "cannot be empty");
    }
    for (index, entry) in rule.matches.iter().enumerate() {
        matches(report, &path.field("matches").index(index), entry);
    }
    let has_prefix = rule.matches.iter().any(|entry| {
        entry
            .path
            .as_ref()
            .is_some_and(|p| p.kind == PathMatchKind::Prefix)
    });
    let to_backend = |filter: &Filter| {
        filter
            .rewrite
            .as_ref()
            .is_some_and(|rewrite| rewrite.host_to_backend_hostname)
    };
    let rewrites_host = rule.filters.iter().any(to_backend);
    // Kuma counts the filters without those.
    let filters: Vec<_> = rule
        .filters
        .iter()
        .filter(|filter| !to_backend(filter))
        .collect();
    for (index, entry) in filters.iter().enumerate() {
        filter(
            report,
            &path.field("filters").index(index),
            entry,
            has_prefix,
            rewrites_host,
        );
    }
    let redirects = filters.iter().any(|filter| filter.redirect.is_some());
    if redirects && rule.filters.len() != 1 {
        let text = "redirects cannot be used with other filters";
        return report.violation(&path.field("filters"), text);
    }
    let path = path.field("backends");
    match (redirects, rule.backends.is_empty()) {
        (false, true) => report.violation(&path, "cannot be empty"),
        (true, false) => report.violation(&path, "must be empty when using redirect filters"),
        _ => {}
    }
    for (index, entry) in rule.backends.iter().enumerate() {
        backend(report, &path.index(index), Some(entry));
    }
}

fn matches(report: &mut Report<'_>, path: &Path, entry: &Match) {
    let is_empty = entry.path.is_none()
        && entry.method == Method::None
        && entry.headers.is_empty()
        && entry.query_parameters.is_empty();
    if is_empty {
        report.violation(path, "cannot be empty");
    }
    if let Some(entry) = &entry.path {
        let place = path.field("path").field("value");
        let text = match entry.kind {
            PathMatchKind::Regex if entry.value.is_empty() => "cannot be empty",
            PathMatchKind::Exact | PathMatchKind::Prefix if !entry.value.starts_with('/') => {
                "must be an absolute path"
            }
            _ => "",
        };
        if !text.is_empty() {
            // Kuma's own paths leave `path` out.
            let name = path.field("value");
            report.calling(&place, &name, |report| report.violation(&place, text));
        }
    }
    for (index, header) in entry.headers.iter().enumerate() {
        let path = path.field("headers").index(index);
        not_empty(report, &path.field("name"), &header.name);
        match header.kind {
            HeaderMatchKind::Absent | HeaderMatchKind::Present => {
                if !header.value.is_empty() {
                    report.violation(&path.field("value"), "cannot be set");
                }
            }
            _ => not_empty(report, &path.field("value"), &header.value),
        }
    }
    for (index, query) in entry.query_parameters.iter().enumerate() {
        let name = path.field("query_parameters").index(index);
        let path = path.field("queryParameters").index(index);
        report.calling(&path, &name, |report| {
            not_empty(report, &path.field("name"), &query.name);
            not_empty(report, &path.field("value"), &query.value);
        });
    }
}

fn filter(
    report: &mut Report<'_>,
    path: &Path,
    filter: &Filter,
    has_prefix: bool,
    rewrites_host: bool,
) {
    if let Some(filter) = &filter.request_header {
        let name = path.field("request_header");
        let path = path.field("requestHeader");
        report.calling(&path, &name, |report| {
            header_filter(report, &path, filter, rewrites_host);
        });
    }
    if let Some(redirect) = &filter.redirect {
        let path = path.field("redirect");
        if redirect.port > 0 {
            port(report, &path.field("port"), redirect.port);
        }
        if !(300..=308).contains(&redirect.status_code) {
            report.violation(
                &path.field("status_code"),
                "must be in the range [300, 308]",
            );
        }
    }
    if let Some(mirror) = &filter.mirror {
        let path = path.field("mirror");
        if !(0.0..=100.0).contains(&mirror.percentage.unwrap_or_default()) {
            let text = "has to be in [0.0 - 100.0] range";
            report.violation(&path.field("percentage"), text);
        }
        backend(report, &path.field("backend"), mirror.backend.as_ref());
    }
    let replaces_prefix = filter
        .rewrite
        .as_ref()
        .is_some_and(|rewrite| rewrite.replace_prefix_match.is_some());
    if replaces_prefix && !has_prefix {
        report.violation(
            &path.field("rewrite").field("replacePrefixMatch"),
            "cannot be used without a match on path prefix",
        );
    }
}

fn header_filter(report: &mut Report<'_>, path: &Path, filter: &HeaderFilter, rewrites_host: bool) {
    if filter.set.is_empty() && filter.add.is_empty() && filter.remove.is_empty() {
        report.violation(path, "cannot be empty");
    }
    let mut headers = |field: &str, headers: &[Header]| {
        for (index, header) in headers.iter().enumerate() {
            let path = path.field(field).index(index);
            match header.name.as_str() {
                name @ (":authority" | "Host" | "host") if rewrites_host => {
                    let text = format!(
                        "cannot modify '{name}' header, when route has set 'rewrite.host_to_backend_hostname' option"
                    );
                    report.violation(&path, text);
                }
                name => not_empty(report, &path.field("name"), name),
            }
            not_empty(report, &path.field("value"), &header.value);
        }
    };
    headers("set", &filter.set);
    headers("add", &filter.add);
    for (index, name) in filter.remove.iter().enumerate() {
        not_empty(report, &path.field("remove").index(index), name);
    }
}

fn backend(report: &mut Report<'_>, path: &Path, backend: Option<&Backend>) {
    match backend {
        None => report.violation(path, "cannot be empty"),
        Some(backend) => tags::required(report, path, &backend.destination),
    }
}

fn not_empty(report: &mut Report<'_>, path: &Path, value: &str) {
    if value.is_empty() {
        report.violation(path, "cannot be empty");
    }
}
