//! What Kuma accepts in a route and Envoy refuses, with the whole configuration.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::re2::re2;
use crate::resources::report::Report;
use crate::source::Path;

/// Names an expression that RE2 does not take.
pub(super) fn regex(report: &mut Report<'_>, path: &Path, expression: &str) {
    if let Err(why) = re2(expression) {
        let message = format!("not a regular expression of RE2: {why}");
        report.say(
            path,
            Diagnostic::error(Code::InvalidRegex, message)
                .help("Envoy's expressions are RE2's: no look-around and no backreferences"),
        );
    }
}

/// Names a header that Envoy does not look at.
pub(super) fn header_name(report: &mut Report<'_>, path: &Path, name: &str) {
    if name.is_empty() || !name.strip_prefix(':').unwrap_or(name).bytes().all(is_token) {
        let message = "no header has such a name";
        report.say(path, Diagnostic::error(Code::UnusableHeader, message));
    }
}

/// What is done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// In a request: the host can be set.
    SetInRequest,
    /// In a request or response, in another way.
    Other,
}

/// Names a header that Envoy does not change.
pub(super) fn changed_header(report: &mut Report<'_>, path: &Path, name: &str, change: Change) {
    let is_host = ["host", ":authority"]
        .iter()
        .any(|h| name.eq_ignore_ascii_case(h));
    if is_host && change == Change::SetInRequest {
        return;
    }
    if is_host || name.starts_with(':') {
        let message = format!("Envoy does not change `{name}` like this");
        report.say(
            path,
            Diagnostic::error(Code::UnusableHeader, message)
                .help("`set` of a request's `host` is a rewrite of the host"),
        );
    } else {
        header_name(report, path, name);
    }
}

/// Names a value that Envoy takes for a broken format command or for several headers.
pub(super) fn header_value(report: &mut Report<'_>, path: &Path, value: &str) {
    let message = if value.chars().any(char::is_control) {
        "a value has no control characters"
    } else if value.bytes().filter(|&byte| byte == b'%').count() % 2 == 1 {
        "`%` begins a command of Envoy that does not end: write `%%` for the character"
    } else {
        return;
    };
    report.say(path, Diagnostic::error(Code::UnusableHeader, message));
}

/// `token` of RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
