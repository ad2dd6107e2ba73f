//! `MeshRetry`.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{GRPC_CONDITIONS, RETRY_CONDITIONS};
use crate::resources::kuma::mesh_retry::{
    BackOff, GrpcRetries, HostSelection, HttpRetries, MeshRetries, MeshRetry, RateLimitedBackOff,
};
use crate::resources::kuma::policy::Duration;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{
    Gateways, Shape, TOP_OR_ROUTES, duration, for_one_service, policy, positive_for_envoy,
};

const SHAPE: Shape = Shape {
    top: &TOP_OR_ROUTES,
    to_of_gateway: &["Mesh", "MeshExternalService"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
        "MeshHTTPRoute",
    ],
    from: &[],
    gateways: Gateways::All,
    is_never_empty: false,
    mixes_rules_and_to: false,
    has_strict_matches: false,
};

const METHODS: [&str; 9] = [
    "Connect", "Delete", "Get", "Head", "Options", "Patch", "Post", "Put", "Trace",
];

impl Validate for MeshRetry {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, |report, place, entry, _| {
            // Kuma's own paths have a `conf` there.
            let name = place.field("conf");
            report.calling(place, &name, |report| conf(report, place, entry));
        });
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        for_one_service(report, self, |_| "the retries");
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshRetries) {
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
    if let Some(http) = &conf.http {
        requests(report, &path.field("http"), http);
    }
    if let Some(grpc) = &conf.grpc {
        calls(report, &path.field("grpc"), grpc);
    }
}

fn requests(report: &mut Report<'_>, path: &Path, http: &HttpRetries) {
    if http.num_retries.is_none()
        && http.per_try_timeout.is_none()
        && http.back_off.is_none()
        && http.retry_on.is_none()
        && http.retriable_request_headers.is_none()
        && http.retriable_response_headers.is_none()
        && http.rate_limited_back_off.is_none()
        && http.host_selection.is_none()
    {
        report.violation(path, "must not be empty");
    }
    let time = path.field("perTryTimeout");
    positive_for_envoy(report, &time, http.per_try_timeout.as_ref());
    back_off(report, &path.field("backOff"), http.back_off.as_ref());
    rate_limited(report, path, http.rate_limited_back_off.as_ref());
    for (index, word) in http.retry_on.iter().flatten().enumerate() {
        let is_condition =
            RETRY_CONDITIONS.iter().any(|(name, ..)| name == word) && !word.is_empty();
        let method = word.strip_prefix("HttpMethod");
        let is_method = method.is_some_and(|method| METHODS.contains(&method));
        let is_status = word.parse().is_ok_and(is_known_status);
        if !is_condition && !is_method && !is_status {
            unknown(report, &path.field("retryOn").index(index), word);
        }
    }
    let path = path.field("hostSelection");
    let mut has_priorities = false;
    for (index, predicate) in http.host_selection.iter().flatten().enumerate() {
        hosts(report, &path.index(index), predicate, has_priorities);
        has_priorities |= predicate.predicate == "OmitPreviousPriorities";
    }
}

/// Whether Go's `http.StatusText` knows it.
fn is_known_status(status: u16) -> bool {
    matches!(
        status,
        100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429
            | 431 | 451 | 500..=508 | 510 | 511
    )
}

fn hosts(report: &mut Report<'_>, path: &Path, selection: &HostSelection, is_second: bool) {
    match selection.predicate.as_str() {
        "OmitHostsWithTags" if selection.tags.is_empty() => {
            report.violation(&path.field("tags"), "must be defined");
        }
        "OmitPreviousPriorities" => {
            if is_second {
                let text = "OmitPreviousPriorities must only be specified once";
                report.violation(&path.field("predicate"), text);
            }
            if selection.update_frequency <= 0 {
                let path = path.field("updateFrequency");
                report.violation(&path, "must be defined and greater than zero");
            }
        }
        "OmitHostsWithTags" | "OmitPreviousHosts" => {}
        other => {
            let text = format!("unknown predicate type '{other}'");
            report.violation(&path.field("predicate"), text);
        }
    }
}

fn calls(report: &mut Report<'_>, path: &Path, grpc: &GrpcRetries) {
    if grpc.num_retries.is_none()
        && grpc.per_try_timeout.is_none()
        && grpc.back_off.is_none()
        && grpc.retry_on.is_none()
        && grpc.rate_limited_back_off.is_none()
    {
        report.violation(path, "must not be empty");
    }
    let time = path.field("perTryTimeout");
    positive_for_envoy(report, &time, grpc.per_try_timeout.as_ref());
    back_off(report, &path.field("backOff"), grpc.back_off.as_ref());
    rate_limited(report, path, grpc.rate_limited_back_off.as_ref());
    for (index, word) in grpc.retry_on.iter().flatten().enumerate() {
        if !GRPC_CONDITIONS.iter().any(|(name, ..)| name == word) {
            unknown(report, &path.field("retryOn").index(index), word);
        }
    }
}

fn unknown(report: &mut Report<'_>, path: &Path, word: &str) {
    report.violation(path, format!("unknown item '{word}'"));
}

fn rate_limited(report: &mut Report<'_>, path: &Path, conf: Option<&RateLimitedBackOff>) {
    let Some(limited) = conf else { return };
    let path = path.field("rateLimitedBackOff");
    let time = path.field("maxInterval");
    match &limited.max_interval {
        Some(Duration::Of(longest)) if !longest.is_zero() => {}
        Some(Duration::Of(_) | Duration::Negative) => {
            report.violation(&time, "must be defined and greater than zero");
        }
        longest => duration(report, &time, longest.as_ref(), true),
    }
    let path = path.field("resetHeaders");
    let Some(headers) = &limited.reset_headers else {
        return report.violation(&path, "must be defined");
    };
    if headers.is_empty() {
        let finding = Diagnostic::error(Code::InvalidValue, "must not be empty");
        report.beyond(&path, finding);
    }
    for (index, header) in headers.iter().enumerate() {
        if header.name.is_empty() {
            report.violation(&path.index(index).field("name"), "must be defined");
        }
    }
}

fn back_off(report: &mut Report<'_>, path: &Path, conf: Option<&BackOff>) {
    let Some(conf) = conf else { return };
    if conf.base_interval.is_none() && conf.max_interval.is_none() {
        report.violation(path, "must not be empty");
    }
    for (field, time) in [
        ("baseInterval", &conf.base_interval),
        ("maxInterval", &conf.max_interval),
    ] {
        positive_for_envoy(report, &path.field(field), time.as_ref());
    }
}
