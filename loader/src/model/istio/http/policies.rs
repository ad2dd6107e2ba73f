//! Times, retries, faults and CORS of an entry.

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::matches;
use crate::model::istio::ports::Maker;
use crate::model::policy::{BackOff, Cors, Fault, HashKey, HeaderValue, Retry, RoutePolicy};
use crate::resources::istio::grpc_status;
use crate::resources::istio::http_route::{
    CorsPolicy, HttpFaultInjection, HttpRetry, HttpRoute, Percent, UnmatchedPreflights,
};
use crate::resources::istio::virtual_service::VirtualService;
use crate::resources::{Duration as GoDuration, Resource};
use crate::source::Path;

/// What is tried again where nothing is said (`core/route/retry/retry.go` at 1.32).
const DEFAULT: [&str; 5] = [
    "connect-failure",
    "refused-stream",
    "unavailable",
    "cancelled",
    "retriable-status-codes",
];

/// All conditions that Envoy knows.
const CONDITIONS: [&str; 18] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
    "data-loss",
    "unknown",
];

/// What holds for the requests of an entry.
pub(super) fn of(
    maker: &mut Maker<'_, '_>,
    service: &Resource<VirtualService>,
    entry: &HttpRoute,
    path: &Path,
    hash_keys: Vec<HashKey>,
) -> RoutePolicy {
    let timeout = entry.timeout.as_ref().and_then(GoDuration::get);
    let fault = entry.fault.as_ref().map(|fault| {
        let path = path.field("fault");
        self::fault(service, fault, &path, maker.findings)
    });
    RoutePolicy {
        // Without one there is no limit, which is not Envoy's own 15 s.
        timeout: Some(timeout.unwrap_or(Duration::ZERO)),
        idle: None,
        retry: retry(entry.retries.as_ref(), hash_keys.is_empty()),
        rate_limit: None,
        faults: fault.into_iter().collect(),
        cors: entry.cors_policy.as_ref().map(cors),
        hash_keys,
    }
}

/// Where the endpoint follows from the request, another one is not looked for.
fn retry(own: Option<&HttpRetry>, other_hosts: bool) -> Option<Retry> {
    let default = Retry {
        on: DEFAULT.to_vec(),
        attempts: Some(2),
        other_hosts,
        host_attempts: other_hosts.then_some(5),
        ..Retry::default()
    };
    let Some(own) = own else {
        return Some(default);
    };
    let attempts = u32::try_from(own.attempts).ok()?;
    if attempts == 0 {
        return None;
    }
    let words: Vec<_> = own.retry_on.split(',').map(str::trim).collect();
    let statuses: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let mut on: Vec<_> = words
        .iter()
        .filter_map(|word| CONDITIONS.into_iter().find(|known| known == word))
        .collect();
    if !statuses.is_empty() && !on.contains(&"retriable-status-codes") {
        on.push("retriable-status-codes");
    }
    let other_hosts = own.retry_ignore_previous_hosts.unwrap_or(other_hosts);
    Some(Retry {
        on: if on.is_empty() { default.on } else { on },
        statuses,
        attempts: Some(attempts),
        per_try: own.per_try_timeout.as_ref().and_then(GoDuration::get),
        back_off: own
            .backoff
            .as_ref()
            .and_then(GoDuration::get)
            .map(|base| BackOff { base, max: None }),
        other_priorities: (own.retry_remote_localities == Some(true)).then_some(2),
        other_hosts,
        host_attempts: other_hosts.then_some(5),
        ..Retry::default()
    })
}

fn fault(
    service: &Resource<VirtualService>,
    fault: &HttpFaultInjection,
    path: &Path,
    findings: &mut Vec<Diagnostic>,
) -> Fault {
    let share = |percentage: Option<Percent>| percentage.map_or(0.0, |percent| percent.value);
    let mut made = Fault::default();
    if let Some(abort) = &fault.abort {
        let share = share(abort.percentage);
        let status = abort.http_status.and_then(|s| u32::try_from(s).ok());
        made.abort = status.map(|status| (status, share));
        let grpc = abort.grpc_status.as_deref().and_then(grpc_status);
        made.grpc_abort = grpc.map(|status| (status, share));
        if made.abort.is_none() && made.grpc_abort.is_none() {
            let message = "abort: only httpStatus and grpcStatus are served, as on Istio";
            let path = path.field("abort");
            findings.push(service.warning(Code::NotServedField, &path, message));
        }
    }
    if let Some(delay) = &fault.delay {
        let share = match delay.percentage {
            None if delay.percent > 0 => f64::from(delay.percent),
            percentage => share(percentage),
        };
        let time = delay.fixed_delay.as_ref().and_then(GoDuration::get);
        made.delay = time.map(|time| (time, share));
        if made.delay.is_none() {
            let message = "delay: only fixedDelay is served, as on Istio";
            let path = path.field("delay");
            findings.push(service.warning(Code::NotServedField, &path, message));
        }
    }
    made
}

fn cors(cors: &CorsPolicy) -> Cors {
    let older = cors
        .allow_origin
        .iter()
        .map(|origin| match origin.as_str() {
            "*" => HeaderValue::Present,
            origin => HeaderValue::Exact(origin.to_owned()),
        });
    let origins = cors.allow_origins.iter().map(matches::origin);
    Cors {
        origins: older.chain(origins).collect(),
        methods: cors.allow_methods.clone(),
        headers: cors.allow_headers.clone(),
        exposed: cors.expose_headers.clone(),
        max_age: cors.max_age.as_ref().and_then(GoDuration::get),
        credentials: cors.allow_credentials,
        forwards_unmatched: cors.unmatched_preflights != UnmatchedPreflights::Ignore,
    }
}
