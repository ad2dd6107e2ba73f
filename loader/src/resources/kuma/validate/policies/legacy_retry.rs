//! `Retry`.

use crate::model::kuma::{GRPC_CONDITIONS, RETRY_CONDITIONS};
use crate::resources::kuma::mesh_retry::{BackOff, LegacyGrpcRetries, LegacyHttpRetries, Retry};
use crate::resources::kuma::policy::Duration;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::connection::{above_zero, connection, has_conf};
use super::{duration, refused_by_envoy};

impl Validate for Retry {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        if !has_conf(report, "has to be defined") {
            return;
        }
        let path = Path::of("conf");
        let conf = &self.conf;
        if conf.http.is_none() && conf.grpc.is_none() && conf.tcp.is_none() {
            report.violation(&path, "missing protocol [grpc|http|tcp] configuration");
        }
        if let Some(http) = &conf.http {
            requests(report, &path.field("http"), http);
        }
        if let Some(grpc) = &conf.grpc {
            calls(report, &path.field("grpc"), grpc);
        }
        if conf
            .tcp
            .as_ref()
            .is_some_and(|tcp| tcp.max_connect_attempts == 0)
        {
            let path = path.field("tcp").field("maxConnectAttempts");
            report.violation(&path, "has to be greater than 0");
        }
    }
}

fn requests(report: &mut Report<'_>, path: &Path, http: &LegacyHttpRetries) {
    if http.num_retries.is_none()
        && http.per_try_timeout.is_none()
        && http.back_off.is_none()
        && http.retriable_status_codes.is_empty()
        && http.retriable_methods.is_empty()
        && http.retry_on.is_empty()
    {
        report.violation(path, "field cannot be empty");
    }
    number(report, path, http.num_retries);
    let time = path.field("perTryTimeout");
    above_zero(report, &time, http.per_try_timeout.as_ref());
    back_off(report, &path.field("backOff"), http.back_off.as_ref());
    for (index, method) in http.retriable_methods.iter().enumerate() {
        if matches!(method.as_str(), "" | "NONE") {
            let path = path.field("retriableMethods").index(index);
            report.violation(&path, "field cannot be empty");
        }
    }
    for (index, word) in http.retry_on.iter().enumerate() {
        let path = path.field("retryOn").index(index);
        if !RETRY_CONDITIONS.iter().any(|(_, name, _)| name == word) {
            report.violation(&path, format!("unknown item '{word}'"));
        } else if word == "retriable_status_codes" && http.retriable_status_codes.is_empty() {
            report.violation(
                &path,
                "retriableStatusCodes cannot be empty when this option is specified",
            );
        }
    }
}

fn calls(report: &mut Report<'_>, path: &Path, grpc: &LegacyGrpcRetries) {
    if grpc.num_retries.is_none()
        && grpc.per_try_timeout.is_none()
        && grpc.back_off.is_none()
        && grpc.retry_on.is_empty()
    {
        report.violation(path, "field cannot be empty");
    }
    let words = path.field("retryOn");
    for (index, word) in grpc.retry_on.iter().enumerate() {
        let same: Vec<_> = (0..)
            .zip(&grpc.retry_on)
            .filter(|(_, other)| *other == word)
            .map(|(at, _): (usize, _)| at.to_string())
            .collect();
        if !GRPC_CONDITIONS.iter().any(|(_, name, _)| name == word) {
            report.violation(&words.index(index), format!("unknown item '{word}'"));
        } else if same.len() > 1 && same.first() == Some(&index.to_string()) {
            let same = same.join(", ");
            let text = format!("repeated value \"{word}\" at indexes [{same}]");
            report.violation(&words, text);
        }
    }
    number(report, path, grpc.num_retries);
    let time = path.field("perTryTimeout");
    above_zero(report, &time, grpc.per_try_timeout.as_ref());
    back_off(report, &path.field("backOff"), grpc.back_off.as_ref());
}

fn number(report: &mut Report<'_>, path: &Path, retries: Option<u32>) {
    if retries == Some(0) {
        let path = path.field("numRetries");
        report.violation(&path, "has to be greater than 0 when defined");
    }
}

fn back_off(report: &mut Report<'_>, path: &Path, conf: Option<&BackOff>) {
    let Some(conf) = conf else { return };
    let base = path.field("baseInterval");
    match &conf.base_interval {
        None => report.violation(&base, "has to be defined"),
        Some(Duration::Of(time)) if time.is_zero() => {
            report.violation(&base, "has to be greater than 0");
        }
        Some(Duration::Negative) => refused_by_envoy(report, &base, "has to be greater than 0"),
        base_interval => duration(report, &base, base_interval.as_ref(), true),
    }
    let longest = path.field("maxInterval");
    above_zero(report, &longest, conf.max_interval.as_ref());
}
