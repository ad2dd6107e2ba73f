//! `MeshRetry` and `Retry`.

use crate::model::kuma::{GRPC_CONDITIONS, RETRY_CONDITIONS};
use crate::resources::kuma::mesh_retry::{
    BackOff, GrpcRetries, MeshRetries, MeshRetry, RateLimitedBackOff, Retry,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, connection, duration, for_one_service, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
        "MeshHTTPRoute",
    ],
    is_inbound: false,
};

const METHODS: [&str; 9] = [
    "Connect", "Delete", "Get", "Head", "Options", "Patch", "Post", "Put", "Trace",
];

impl Validate for MeshRetry {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        for_one_service(report, self, |_| "the retries");
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshRetries, _: &str) {
    if conf.tcp.is_none() && conf.http.is_none() && conf.grpc.is_none() {
        report.violation(
            path,
            "at least one of the 'tcp', 'http', 'grpc' must be specified",
        );
    }
    if let Some(tcp) = &conf.tcp {
        let path = path.field("tcp");
        match tcp.max_connect_attempt {
            None => report.violation(&path, "must not be empty"),
            Some(0) => report.violation(&path.field("maxConnectAttempt"), "must be greater than 0"),
            Some(_) => {}
        }
    }
    if let Some(grpc) = &conf.grpc {
        calls(report, &path.field("grpc"), grpc);
    }
    let Some(http) = &conf.http else { return };
    let path = path.field("http");
    duration(
        report,
        &path.field("perTryTimeout"),
        http.per_try_timeout.as_ref(),
        true,
    );
    back_off(report, &path.field("backOff"), http.back_off.as_ref());
    rate_limited(report, &path, http.rate_limited_back_off.as_ref());
    for (index, word) in http.retry_on.iter().flatten().enumerate() {
        let is_condition =
            RETRY_CONDITIONS.iter().any(|(name, ..)| name == word) && !word.is_empty();
        let method = word.strip_prefix("HttpMethod");
        let is_method = method.is_some_and(|method| METHODS.contains(&method));
        let is_status = word
            .parse::<u16>()
            .is_ok_and(|status| (100..600).contains(&status));
        if !is_condition && !is_method && !is_status {
            report.violation(
                &path.field("retryOn").index(index),
                format!("unknown item '{word}'"),
            );
        }
    }
}

fn calls(report: &mut Report<'_>, path: &Path, grpc: &GrpcRetries) {
    duration(
        report,
        &path.field("perTryTimeout"),
        grpc.per_try_timeout.as_ref(),
        false,
    );
    back_off(report, &path.field("backOff"), grpc.back_off.as_ref());
    rate_limited(report, path, grpc.rate_limited_back_off.as_ref());
    for (index, word) in grpc.retry_on.iter().flatten().enumerate() {
        if !GRPC_CONDITIONS.iter().any(|(name, ..)| name == word) {
            report.violation(
                &path.field("retryOn").index(index),
                format!("unknown item '{word}'"),
            );
        }
    }
}

fn rate_limited(report: &mut Report<'_>, path: &Path, conf: Option<&RateLimitedBackOff>) {
    let Some(limited) = conf else { return };
    let path = path.field("rateLimitedBackOff");
    duration(
        report,
        &path.field("maxInterval"),
        limited.max_interval.as_ref(),
        true,
    );
    if limited.reset_headers.as_ref().is_none_or(Vec::is_empty) {
        report.violation(&path.field("resetHeaders"), "must be defined");
    }
}

fn back_off(report: &mut Report<'_>, path: &Path, conf: Option<&BackOff>) {
    let Some(conf) = conf else { return };
    duration(
        report,
        &path.field("baseInterval"),
        conf.base_interval.as_ref(),
        true,
    );
    duration(
        report,
        &path.field("maxInterval"),
        conf.max_interval.as_ref(),
        true,
    );
}

impl Validate for Retry {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        let calls = self.conf.grpc.iter().flat_map(|grpc| &grpc.retry_on);
        for (index, word) in calls.enumerate() {
            if !GRPC_CONDITIONS.iter().any(|(_, name, _)| name == word) {
                let path = Path::of("conf.grpc.retryOn").index(index);
                report.violation(&path, format!("unknown item '{word}'"));
            }
        }
        let Some(http) = &self.conf.http else { return };
        let path = Path::of("conf.http");
        duration(
            report,
            &path.field("perTryTimeout"),
            http.per_try_timeout.as_ref(),
            true,
        );
        back_off(report, &path.field("backOff"), http.back_off.as_ref());
        for (index, word) in http.retry_on.iter().enumerate() {
            if !RETRY_CONDITIONS.iter().any(|(_, name, _)| name == word) {
                report.violation(
                    &path.field("retryOn").index(index),
                    format!("unknown item '{word}'"),
                );
            }
        }
    }
}
