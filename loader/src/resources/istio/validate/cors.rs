//! `validateCORSPolicy`.

use crate::resources::Duration;
use crate::resources::istio::http_route::CorsPolicy;
use crate::resources::report::Report;
use crate::source::Path;

use super::headers::is_token;
use super::{duration, regex_match};

const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*",
];

pub(super) fn check(report: &mut Report<'_>, path: &Path, policy: &CorsPolicy) {
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        let path = path.field("allowOrigins").index(index);
        let given = [&origin.exact, &origin.prefix, &origin.regex];
        if given.into_iter().flatten().all(String::is_empty) {
            let text = "'' is not a valid match type for CORS allow origins";
            report.advise(&path, text, "write one of `exact`, `prefix` and `regex`");
        }
        regex_match(report, &path, "corsPolicy.allowOrigins", origin);
    }
    for (index, method) in policy.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let text = format!("{method:?} is not a supported HTTP method");
            report.violation(&path.field("allowMethods").index(index), text);
        }
    }
    for (field, names) in [
        ("allowHeaders", &policy.allow_headers),
        ("exposeHeaders", &policy.expose_headers),
    ] {
        for (index, name) in names.iter().enumerate() {
            let path = path.field(field).index(index);
            if name.is_empty() {
                report.violation(&path, "header name cannot be empty");
            } else if !is_token(name) {
                let text = format!("header name {name} is not a valid header name");
                report.violation(&path, text);
            }
        }
    }
    let path = path.field("maxAge");
    duration(report, &path, policy.max_age.as_ref());
    let age = policy.max_age.as_ref().and_then(Duration::get);
    if age.is_some_and(|age| age.subsec_nanos() > 0) {
        let text = "max_age duration is accurate only to seconds precision";
        report.violation(&path, text);
    }
}
