//! `validateHTTPRoute`.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::http_route::{HttpMatch, HttpRoute};
use crate::resources::istio::virtual_service::Destination;
use crate::resources::report::Report;
use crate::source::Path;

use super::headers::{self, authority_twice};
use super::virtual_service::{deprecated, gateway_names};
use super::{
    connections, cors, duration, fault, labels, names, port, redirect, regex_match, retry,
    string_match,
};

/// What is wrong with a route; of a delegate if the VirtualService has no hosts.
pub(super) fn check(report: &mut Report<'_>, path: &Path, route: &HttpRoute, is_delegate: bool) {
    conflicts(report, path, route, is_delegate);
    for (index, entry) in route.matches.iter().enumerate() {
        matches(report, &path.field("match").index(index), entry);
    }
    if let Some(changes) = &route.headers {
        headers::changes(report, &path.field("headers"), changes);
    }
    if let Some(policy) = &route.cors_policy {
        cors::check(report, &path.field("corsPolicy"), policy);
    }
    if let Some(injection) = &route.fault {
        fault::check(report, &path.field("fault"), injection);
    }
    mirrors(report, path, route);
    if let Some(target) = &route.redirect {
        redirect::check(report, &path.field("redirect"), target, &route.matches);
    }
    if let Some(response) = &route.direct_response {
        redirect::direct_response(report, &path.field("directResponse"), response);
    }
    if let Some(policy) = &route.retries {
        retry::check(report, &path.field("retries"), policy);
    }
    if let Some(rewrite) = &route.rewrite {
        redirect::rewrite(report, &path.field("rewrite"), rewrite);
    }
    doubled_slash(report, path, route);
    authority_twice(report, path, route);
    destinations(report, path, route);
    duration(report, &path.field("timeout"), route.timeout.as_ref());
}

/// A path of which more is cut than is put in its place: prefixes are compared and replaced as text (istio/istio#8076).
fn doubled_slash(report: &mut Report<'_>, path: &Path, route: &HttpRoute) {
    let rewrite = route.rewrite.as_ref().map_or("", |rewrite| &rewrite.uri);
    let prefixes = || {
        let paths = route.matches.iter().filter_map(|entry| entry.uri.as_ref());
        paths.filter_map(|uri| uri.prefix.as_deref())
    };
    let is_cut = |prefix: &&str| {
        let with_slash = format!("{prefix}/");
        !prefix.ends_with('/') && !prefixes().any(|other| other == with_slash)
    };
    if rewrite.ends_with('/')
        && let Some(prefix) = prefixes().find(is_cut)
    {
        let text =
            format!("`{prefix}/a` becomes `{rewrite}/a`: only the text of the prefix is replaced");
        let finding = Diagnostic::warning(Code::DoubtfulSetting, text);
        let help =
            format!("write a match for `prefix: {prefix}/` before that for `prefix: {prefix}`");
        report.beyond(&path.field("rewrite").field("uri"), finding.help(help));
    }
}

/// `validateHTTPRouteConflict`.
fn conflicts(report: &mut Report<'_>, path: &Path, route: &HttpRoute, is_delegate: bool) {
    if route.delegate.is_some() && !is_delegate {
        let others = [
            (route.redirect.is_some(), "redirect"),
            (!route.route.is_empty(), "route"),
        ];
        for (_, field) in others.into_iter().filter(|(is_given, _)| *is_given) {
            let text = format!("root HTTP route {} must not specify {field}", route.name);
            let help = "remove it, or `delegate`: the delegate says where requests go";
            report.advise(&path.field(field), text, help);
        }
        return;
    }
    if route.delegate.is_some() {
        let text = "delegate HTTP route cannot contain delegate";
        report.violation(&path.field("delegate"), text);
    }
    let (first, others) = if route.redirect.is_some() {
        ("redirect", ["route", "fault", "rewrite", "direct_response"])
    } else if route.direct_response.is_some() {
        ("direct_response", ["route", "fault", "rewrite", ""])
    } else {
        if route.route.is_empty() {
            report.violation(path, "HTTP route, redirect or direct_response is required");
        }
        ("", [""; 4])
    };
    for other in others {
        let (is_given, field, noun) = match other {
            "route" => (!route.route.is_empty(), "route", "HTTP route"),
            "fault" => (route.fault.is_some(), "fault", "HTTP route"),
            "rewrite" => (route.rewrite.is_some(), "rewrite", "HTTP route rule"),
            "direct_response" => (
                route.direct_response.is_some(),
                "directResponse",
                "HTTP route rule",
            ),
            _ => continue,
        };
        if is_given {
            let text = format!("{noun} cannot contain both {other} and {first}");
            report.violation(&path.field(field), text);
        }
    }
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        let text = "HTTP route cannot contain both mirror and mirrors";
        report.advise(
            &path.field("mirror"),
            text,
            "write it as an entry of `mirrors`",
        );
    }
}

/// `validateHTTPRouteMatchRequest`.
fn matches(report: &mut Report<'_>, path: &Path, entry: &HttpMatch) {
    let without = entry.without_headers.keys();
    let without = without.map(|name| path.field("withoutHeaders").key(name));
    let parameters = entry.query_params.keys();
    let parameters = parameters.map(|name| path.field("queryParams").key(name));
    let maybe_null = [path.clone()].into_iter().chain(without).chain(parameters);
    let null: Vec<_> = maybe_null.filter(|path| report.is_null(path)).collect();
    for path in null {
        let text = "a match may not be null: it takes every request";
        let finding = Diagnostic::error(Code::DoubtfulSetting, text);
        report.beyond(&path, finding.help("write what it asks for, or `{}`"));
    }
    for (name, text) in &entry.headers {
        let path = path.field("headers").key(name);
        if report.is_null(&path) {
            let help = "write `{}` for a header that only has to be there";
            report.advise(&path, format!("header match {name} cannot be null"), help);
        }
        headers::match_name(report, &path, name);
        string_match(report, &path, "headers", text);
    }
    for (name, text) in &entry.without_headers {
        let path = path.field("withoutHeaders").key(name);
        headers::match_name(report, &path, name);
        // `*` asks for presence.
        if text.regex.as_deref() != Some("*") {
            string_match(report, &path, "withoutHeaders", text);
        }
    }
    // An empty prefix is every path.
    if let Some(text) = &entry.uri {
        regex_match(report, &path.field("uri"), "uri", text);
    }
    for (field, text) in [
        ("scheme", &entry.scheme),
        ("method", &entry.method),
        ("authority", &entry.authority),
    ] {
        if let Some(text) = text {
            string_match(report, &path.field(field), field, text);
        }
    }
    for (name, text) in &entry.query_params {
        let path = path.field("queryParams").key(name);
        string_match(report, &path, "queryParams", text);
    }
    if entry.port != 0 {
        port(report, &path.field("port"), entry.port);
    }
    labels(report, &path.field("sourceLabels"), &entry.source_labels);
    report.errors_only(|report| {
        gateway_names(report, &path.field("gateways"), &entry.gateways);
    });
    if !entry.source_namespace.is_empty() && !names::is_label(&entry.source_namespace) {
        let text = format!(
            "sourceNamespace match {} is invalid",
            entry.source_namespace
        );
        report.violation(&path.field("sourceNamespace"), text);
    }
}

fn mirrors(report: &mut Report<'_>, path: &Path, route: &HttpRoute) {
    if let Some(percent) = route.mirror_percent {
        let path = path.field("mirrorPercent");
        if percent > 100 {
            let text = format!("mirror_percent must have a max value of 100 (it has {percent})");
            report.violation(&path, text);
        }
        let text = r#"using deprecated setting "mirrorPercent", use "mirrorPercentage" instead"#;
        deprecated(report, &path, text);
    }
    if let Some(percentage) = &route.mirror_percentage {
        let path = path.field("mirrorPercentage").field("value");
        percentage_of(report, &path, "mirror_percentage", percentage.value);
    }
    if let Some(mirror) = &route.mirror {
        connections::destination(report, &path.field("mirror"), mirror);
    }
    for (index, mirror) in route.mirrors.iter().enumerate() {
        let path = path.field("mirrors").index(index);
        let Some(destination) = &mirror.destination else {
            report.violation(&path, "destination is required for mirrors");
            continue;
        };
        connections::destination(report, &path.field("destination"), destination);
        if let Some(percentage) = &mirror.percentage {
            let path = path.field("percentage").field("value");
            percentage_of(report, &path, "mirror percentage", percentage.value);
        }
    }
}

fn percentage_of(report: &mut Report<'_>, path: &Path, noun: &str, value: f64) {
    if value > 100.0 {
        let text = format!("{noun} must have a max value of 100 (it has {value:.6})");
        report.violation(path, text);
    }
    if value < 0.0 {
        let text = format!("{noun} must have a min value of 0 (it has {value:.6})");
        report.violation(path, text);
    }
}

/// `validateHTTPRouteDestinations`.
fn destinations(report: &mut Report<'_>, path: &Path, route: &HttpRoute) {
    let path = path.field("route");
    for (index, entry) in route.route.iter().enumerate() {
        let path = path.index(index);
        if let Some(changes) = &entry.headers {
            headers::changes(report, &path.field("headers"), changes);
        }
        let to: Option<&Destination> = entry.destination.as_ref();
        connections::weighted(report, &path, to, entry.weight);
    }
    let weights: Vec<_> = route.route.iter().map(|entry| entry.weight).collect();
    connections::total(report, &path, &weights);
}
