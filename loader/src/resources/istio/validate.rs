//! Istio's own rules for each resource, in its words (`pkg/config/validation` at 1.32).

mod authorization_policy;
mod connections;
mod cors;
mod destination_rule;
mod export_to;
mod fault;
mod gateway;
mod headers;
mod help;
mod http_route;
mod locality;
mod names;
mod overlap;
mod redirect;
mod request_authentication;
mod retry;
mod server_tls;
mod service_entry;
mod tls_effects;
mod traffic_policy;
mod unreachable;
mod virtual_service;
mod workload_entry;

pub(crate) use fault::grpc_status;
pub(crate) use headers::claim;
pub(crate) use help::help;
pub(crate) use server_tls::{CIPHERS, is_cipher};

use std::collections::BTreeMap;
use std::time::Duration as StdDuration;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Duration;
use crate::resources::re2::re2;
use crate::resources::report::Report;
use crate::source::Path;

use super::http_route::StringMatch;

/// Says what Istio warns of.
fn warn(report: &mut Report<'_>, path: &Path, code: Code, text: impl Into<String>) {
    let mut finding = Diagnostic::warning(code, text);
    finding.help = help(&finding.message).map(str::to_owned);
    report.say(path, finding);
}

/// Fields of which only one can be given: Istio takes one of them by chance, where its CRDs have not been asked.
fn only_one(report: &mut Report<'_>, path: &Path, fields: &[&str]) {
    let text = format!("only one of {} can be given", fields.join(", "));
    let finding = Diagnostic::error(Code::DoubtfulSetting, text);
    report.beyond(path, finding.help("remove the others"));
}

/// `ValidatePort`.
fn port(report: &mut Report<'_>, path: &Path, number: u32) {
    if !(1..=65535).contains(&number) {
        let text = format!("port number {number} must be in the range 1..65535");
        report.violation(path, text);
    }
}

/// `ValidateDuration`, and what `jsonpb` takes for a duration.
fn duration(report: &mut Report<'_>, path: &Path, duration: Option<&Duration>) {
    match duration {
        Some(Duration::Malformed(text)) => {
            let text = format!("bad Duration: `{text}` is none of Go");
            report.advise(
                path,
                text,
                "write a number with a unit: `500ms`, `30s`, `1h30m`",
            );
        }
        Some(Duration::Of(time)) if *time < StdDuration::from_millis(1) => {
            report.violation(path, "duration must be greater than 1ms");
        }
        Some(Duration::Of(time)) if time.subsec_nanos() % 1_000_000 != 0 => {
            report.violation(path, "only durations to ms precision are supported");
        }
        None | Some(Duration::Of(_)) => {}
        Some(Duration::Negative) => report.violation(path, "duration must be greater than 1ms"),
    }
}

/// A duration that only the decoder of Istio looks at.
fn unchecked_duration(report: &mut Report<'_>, path: &Path, time: Option<&Duration>) {
    if matches!(time, Some(Duration::Malformed(_))) || !report.is_resource_only() {
        duration(report, path, time);
    }
}

/// `ValidatePercent`.
fn percent(report: &mut Report<'_>, path: &Path, value: i32) {
    if !(0..=100).contains(&value) {
        report.violation(path, format!("percentage {value} is not in range 0..100"));
    }
}

/// `labels.Instance.Validate`.
fn labels(report: &mut Report<'_>, path: &Path, labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        let path = path.key(key);
        if !names::is_label_key(key) {
            report.violation(&path, format!("invalid tag key: {key:?}"));
        }
        if !(value.is_empty() || names::is_qualified(value)) {
            report.violation(&path, format!("invalid tag value: {value:?}"));
        }
    }
}

/// Labels of a selector; whether they are right.
fn selector(report: &mut Report<'_>, path: &Path, labels: &BTreeMap<String, String>) -> bool {
    let mut is_right = true;
    for (key, value) in labels {
        let said = format!("\"{key}={value}\"");
        if key.is_empty() {
            is_right = false;
            let text = format!("empty key is not supported in selector: {said}");
            report.violation(&path.key(key), text);
        }
        if key.contains('*') || value.contains('*') {
            is_right = false;
            let text = format!("wildcard is not supported in selector: {said}");
            report.violation(&path.key(key), text);
        }
    }
    is_right
}

/// `validateStringMatch`; `place` is what Istio calls the field.
fn string_match(report: &mut Report<'_>, path: &Path, place: &str, text: &StringMatch) {
    if text.prefix.as_deref() == Some("") {
        let text = format!("{place:?}: prefix string match should not be empty");
        report.violation(&path.field("prefix"), text);
    }
    regex_match(report, path, place, text);
}

/// `validateStringMatchRegexp`, and that one of the three is given.
fn regex_match(report: &mut Report<'_>, path: &Path, place: &str, text: &StringMatch) {
    let given = [&text.exact, &text.prefix, &text.regex];
    if given.iter().filter(|one| one.is_some()).count() > 1 {
        only_one(report, path, &["exact", "prefix", "regex"]);
    }
    match text.regex.as_deref() {
        None => {}
        Some("") => {
            let text = format!("{place:?}: regex string match should not be empty");
            report.violation(&path.field("regex"), text);
        }
        Some(expression) => regex(report, &path.field("regex"), place, expression),
    }
}

/// `validateStringRegexp`.
fn regex(report: &mut Report<'_>, path: &Path, place: &str, expression: &str) {
    if expression.len() > 1024 {
        let text = format!("{place:?}: regex is too large, max length allowed is 1024");
        report.violation(path, text);
    } else if let Err(why) = re2(expression) {
        let text = format!(
            "{place:?}: error parsing regexp: {why}; Istio uses RE2 style regex-based match \
             (https://github.com/google/re2/wiki/Syntax)"
        );
        report.advise(path, text, "RE2 has no look-around and no backreferences");
    }
}
