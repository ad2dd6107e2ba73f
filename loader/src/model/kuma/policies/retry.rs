//! `Retry` and `MeshRetry`.

use ::policy::Tags;

use super::select::{Policies, To};
use crate::model::policy::{BackOff, Header, HeaderValue, ResetHeader, Retry};
use crate::resources::kuma::mesh_http_route::HeaderMatch;
use crate::resources::kuma::mesh_retry::{
    self as api, GrpcRetries, HttpRetries, LegacyGrpcRetries, LegacyHttpRetries, RateLimitedBackOff,
};
use crate::resources::kuma::policy::Duration;

/// What is tried again unless a policy says (Kuma `HttpRetryOnDefault` at 2.14.3).
const DEFAULT: [&str; 3] = ["gateway-error", "connect-failure", "refused-stream"];

/// Kuma's words, the newer and the older one, and Envoy's.
pub(crate) const CONDITIONS: [(&str, &str, &str); 10] = [
    ("5xx", "all_5xx", "5xx"),
    ("GatewayError", "gateway_error", "gateway-error"),
    ("Reset", "reset", "reset"),
    ("Retriable4xx", "retriable_4xx", "retriable-4xx"),
    ("ConnectFailure", "connect_failure", "connect-failure"),
    ("EnvoyRatelimited", "envoy_ratelimited", "envoy-ratelimited"),
    ("RefusedStream", "refused_stream", "refused-stream"),
    (
        "Http3PostConnectFailure",
        "http3_post_connect_failure",
        "http3-post-connect-failure",
    ),
    ("", "retriable_status_codes", STATUSES),
    ("", "retriable_headers", "retriable-headers"),
];

const STATUSES: &str = "retriable-status-codes";

/// What calls are tried again on unless a policy says (`GrpcRetryOnDefault`).
const GRPC_DEFAULT: [&str; 7] = [
    "cancelled",
    "connect-failure",
    "gateway-error",
    "refused-stream",
    "reset",
    "resource-exhausted",
    "unavailable",
];

/// Kuma's words for statuses of gRPC, the newer and the older one, and Envoy's.
pub(crate) const GRPC_CONDITIONS: [(&str, &str, &str); 5] = [
    // Kuma gives Envoy `canceled`, which means nothing to it.
    ("Canceled", "cancelled", "cancelled"),
    ("DeadlineExceeded", "deadline_exceeded", "deadline-exceeded"),
    ("Internal", "internal", "internal"),
    (
        "ResourceExhausted",
        "resource_exhausted",
        "resource-exhausted",
    ),
    ("Unavailable", "unavailable", "unavailable"),
];

/// The retries of a route; those for calls if it goes to services that speak gRPC, and there are any.
pub(super) fn route(
    policies: &Policies<'_>,
    route: To<'_>,
    to: &[&Tags],
    is_grpc: bool,
) -> Option<Retry> {
    let older = policies.connection_of_route(&policies.resources.retries, to);
    let older = older.map(|conf| match &conf.grpc {
        Some(grpc) if is_grpc => legacy_calls(grpc),
        _ => legacy(&conf.http.clone().unwrap_or_default()),
    });
    match policies.outbound(&policies.resources.mesh_retries, route) {
        Some(newer) => match newer.grpc {
            Some(grpc) if is_grpc => calls(&grpc),
            _ => newer.http.and_then(|conf| retry(&conf)).or(older),
        },
        None => older,
    }
}

/// How often a connection to any of these services is tried.
pub(super) fn connections(policies: &Policies<'_>, of: To<'_>, to: &[&Tags]) -> Option<u32> {
    let newer = policies.outbound(&policies.resources.mesh_retries, of);
    newer
        .and_then(|conf| conf.tcp?.max_connect_attempt)
        .or_else(|| {
            let older = policies.connection_of_route(&policies.resources.retries, to)?;
            Some(older.tcp.as_ref()?.max_connect_attempts)
        })
        .filter(|attempts| *attempts > 0)
}

fn calls(conf: &GrpcRetries) -> Option<Retry> {
    if conf.num_retries == Some(0) {
        return None;
    }
    let words = conf.retry_on.as_deref().unwrap_or_default();
    Some(Retry {
        on: grpc_conditions(words, |(newer, ..)| newer),
        attempts: conf.num_retries,
        per_try: conf.per_try_timeout.as_ref().and_then(Duration::get),
        back_off: conf.back_off.as_ref().and_then(back_off),
        rate_limited: conf.rate_limited_back_off.as_ref().map(rate_limited),
        ..Retry::default()
    })
}

fn legacy_calls(conf: &LegacyGrpcRetries) -> Retry {
    Retry {
        on: grpc_conditions(&conf.retry_on, |(_, older, _)| older),
        attempts: conf.num_retries,
        per_try: conf.per_try_timeout.as_ref().and_then(Duration::get),
        back_off: conf.back_off.as_ref().and_then(back_off),
        ..Retry::default()
    }
}

type Condition = (&'static str, &'static str, &'static str);

fn grpc_conditions(words: &[String], word: fn(Condition) -> &'static str) -> Vec<&'static str> {
    let conditions = GRPC_CONDITIONS
        .into_iter()
        .filter(|condition| words.iter().any(|other| other == word(*condition)));
    let on: Vec<_> = conditions.map(|(.., envoy)| envoy).collect();
    if on.is_empty() {
        return GRPC_DEFAULT.to_vec();
    }
    on
}

fn rate_limited(conf: &RateLimitedBackOff) -> (Vec<ResetHeader>, Option<std::time::Duration>) {
    let headers = conf.reset_headers.iter().flatten();
    let headers = headers.map(|header| ResetHeader {
        name: header.name.clone(),
        is_unix: header.format == "UnixTimestamp",
    });
    let max = conf.max_interval.as_ref().and_then(Duration::get);
    (headers.collect(), max)
}

fn retry(conf: &HttpRetries) -> Option<Retry> {
    // None at all is the wish not to retry.
    if conf.num_retries == Some(0) {
        return None;
    }
    let words = conf.retry_on.as_deref().unwrap_or_default();
    let mut on: Vec<_> = CONDITIONS
        .iter()
        .filter(|(word, ..)| words.iter().any(|other| other == word))
        .map(|(.., envoy)| *envoy)
        .collect();
    if on.is_empty() {
        on = DEFAULT.to_vec();
    }
    let statuses: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if !statuses.is_empty() {
        on.push(STATUSES);
    }
    let methods = words
        .iter()
        .filter_map(|word| word.strip_prefix("HttpMethod"));
    let headers = conf.retriable_request_headers.iter().flatten().map(header);
    let hosts = conf.host_selection.as_deref().unwrap_or_default();
    Some(Retry {
        on,
        attempts: conf.num_retries,
        per_try: conf.per_try_timeout.as_ref().and_then(Duration::get),
        back_off: conf.back_off.as_ref().and_then(back_off),
        rate_limited: conf.rate_limited_back_off.as_ref().map(rate_limited),
        statuses,
        response_headers: conf
            .retriable_response_headers
            .iter()
            .flatten()
            .map(header)
            .collect(),
        request_headers: methods.map(method).chain(headers).collect(),
        other_hosts: hosts
            .iter()
            .any(|host| host.predicate == "OmitPreviousHosts"),
        without_tags: hosts
            .iter()
            .filter(|host| host.predicate == "OmitHostsWithTags")
            .map(|host| host.tags.clone())
            .collect(),
        other_priorities: hosts
            .iter()
            .find(|host| host.predicate == "OmitPreviousPriorities")
            .map(|host| host.update_frequency),
        host_attempts: conf.host_selection_max_attempts,
    })
}

fn legacy(conf: &LegacyHttpRetries) -> Retry {
    let mut on: Vec<_> = CONDITIONS
        .iter()
        .filter(|(_, word, _)| conf.retry_on.iter().any(|other| other == word))
        .map(|(.., envoy)| *envoy)
        .collect();
    if on.is_empty() {
        on = DEFAULT.to_vec();
    }
    if !conf.retriable_status_codes.is_empty() && !on.contains(&STATUSES) {
        on.push(STATUSES);
    }
    Retry {
        on,
        attempts: conf.num_retries,
        per_try: conf.per_try_timeout.as_ref().and_then(Duration::get),
        back_off: conf.back_off.as_ref().and_then(back_off),
        statuses: conf.retriable_status_codes.clone(),
        request_headers: conf
            .retriable_methods
            .iter()
            .map(|name| method(name))
            .collect(),
        ..Retry::default()
    }
}

/// Envoy needs the first interval; without one there is nothing to set.
fn back_off(conf: &api::BackOff) -> Option<BackOff> {
    Some(BackOff {
        base: conf.base_interval.as_ref()?.get()?,
        max: conf.max_interval.as_ref().and_then(Duration::get),
    })
}

fn method(name: &str) -> Header {
    Header {
        name: ":method".to_owned(),
        value: HeaderValue::Exact(name.to_uppercase()),
    }
}

fn header(header: &HeaderMatch) -> Header {
    let value = header.value.clone();
    Header {
        name: header.name.clone(),
        value: match header.kind.as_deref().unwrap_or("Exact") {
            "Prefix" => HeaderValue::Prefix(value),
            "RegularExpression" => HeaderValue::Regex(value),
            "Present" => HeaderValue::Present,
            "Absent" => HeaderValue::Absent,
            _ => HeaderValue::Exact(value),
        },
    }
}
