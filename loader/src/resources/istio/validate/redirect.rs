//! Requests that are sent elsewhere, answered here or rewritten.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diagnostic::Code;
use crate::resources::istio::http_route::{
    HttpDirectResponse, HttpMatch, HttpRedirect, HttpRewrite,
};
use crate::resources::report::Report;
use crate::source::Path;

use super::fault::http_status;
use super::{only_one, port, regex, warn};

/// `validateHTTPRedirect`, which ends at the first mistake.
pub(super) fn check(
    report: &mut Report<'_>,
    path: &Path,
    to: &HttpRedirect,
    matches: &[HttpMatch],
) {
    if !to.uri.is_empty() && !to.prefix_rewrite.is_empty() {
        let text = "redirect may only specify one of uri or prefix_rewrite";
        return report.violation(path, text);
    }
    let mut paths = matches.iter().filter_map(|entry| entry.uri.as_ref());
    if !to.prefix_rewrite.is_empty() && paths.any(|uri| uri.prefix.is_none()) {
        let text = "redirect prefix_rewrite requires all URI matches to use prefix match type";
        return report.violation(&path.field("prefixRewrite"), text);
    }
    if to.port.is_some() && to.derive_port.is_some() {
        only_one(report, path, &["port", "derivePort"]);
    }
    let texts = [&to.uri, &to.prefix_rewrite, &to.authority, &to.scheme];
    let has_port = to.port.is_some() || to.derive_port.is_some();
    if !has_port && texts.iter().all(|text| text.is_empty()) {
        let text = "redirect must specify URI, authority, scheme, or port";
        return report.violation(path, text);
    }
    if to.redirect_code != 0 && !(300..=399).contains(&to.redirect_code) {
        let text = format!(
            "{} is not a valid redirect code, must be 3xx",
            to.redirect_code
        );
        let help = "write 301, 302, 303, 307 or 308";
        return report.advise(&path.field("redirectCode"), text, help);
    }
    if !matches!(to.scheme.as_str(), "" | "http" | "https") {
        let text = r#"invalid redirect scheme, must be "http" or "https""#;
        return report.violation(&path.field("scheme"), text);
    }
    if let Some(number) = to.port.filter(|number| *number > 0) {
        port(report, &path.field("port"), number);
    }
}

/// `validateHTTPDirectResponse`.
pub(super) fn direct_response(report: &mut Report<'_>, path: &Path, to: &HttpDirectResponse) {
    const MANY: usize = 100 << 10;
    const MOST: usize = 1 << 20;
    if let Some(body) = &to.body {
        let path = path.field("body");
        if body.string.is_some() && body.bytes.is_some() {
            only_one(report, &path, &["string", "bytes"]);
        }
        let bytes = body.bytes.as_ref().map(|text| STANDARD.decode(text));
        let size = match (&body.string, bytes) {
            (Some(text), _) => text.len(),
            (None, Some(Ok(bytes))) => bytes.len(),
            (None, Some(Err(_))) => {
                let text = "illegal base64 data";
                report.advise(&path.field("bytes"), text, "encode it with `base64 -w0`");
                0
            }
            (None, None) => 0,
        };
        let text = "large direct_responses may impact control plane performance";
        if size > MOST {
            report.violation(&path, format!("{text}, must be less than 1MB"));
        } else if size > MANY {
            warn(report, &path, Code::DoubtfulSetting, text);
        }
    }
    http_status(report, &path.field("status"), to.status.into());
}

/// `validateHTTPRewrite`.
pub(super) fn rewrite(report: &mut Report<'_>, path: &Path, to: &HttpRewrite) {
    let pattern = to.uri_regex_rewrite.as_ref();
    if !to.uri.is_empty() && pattern.is_some() {
        let text = "rewrite may only contain one of URI or UriRegexRewrite";
        return report.violation(path, text);
    }
    if to.uri.is_empty() && pattern.is_none() && to.authority.is_empty() {
        return report.violation(
            path,
            "rewrite must specify at least one of URI, UriRegexRewrite, or authority. Only one of URI or \
             UriRegexRewrite may be specified",
        );
    }
    let Some(pattern) = pattern else {
        return;
    };
    let path = path.field("uriRegexRewrite");
    if pattern.pattern.is_empty() || pattern.rewrite.is_empty() {
        let text = "UriRegexRewrite has errors: UriRegexRewrite requires both Rewrite and Match fields to be specified";
        report.violation(&path, text);
    } else {
        let place = "HTTPRewrite.UriRegexRewrite.Match";
        regex(report, &path.field("match"), place, &pattern.pattern);
    }
}
