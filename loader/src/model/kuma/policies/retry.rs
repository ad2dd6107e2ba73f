//! `Retry` and `MeshRetry`.

use ::policy::Tags;

use super::select::{Policies, To};
use crate::model::policy::{BackOff, Header, HeaderValue, ResetHeader, Retry};
use crate::resources::kuma::mesh_http_route::HeaderMatch;
use crate::resources::kuma::mesh_retry::{self as api, HttpRetries, LegacyHttpRetries};
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

pub(super) fn route(policies: &Policies<'_>, route: To<'_>, to: &[&Tags]) -> Option<Retry> {
    let older = policies.connection_of_route(&policies.resources.retries, to);
    let older = older.map(|conf| legacy(&conf.http.clone().unwrap_or_default()));
    match policies.outbound(&policies.resources.mesh_retries, route) {
        Some(newer) => newer.http.and_then(|conf| retry(&conf)).or(older),
        None => older,
    }
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
    let limited = conf.rate_limited_back_off.as_ref();
    Some(Retry {
        on,
        attempts: conf.num_retries,
        per_try: conf.per_try_timeout.as_ref().and_then(Duration::get),
        back_off: conf.back_off.as_ref().and_then(back_off),
        rate_limited: limited.map(|limited| {
            let headers = limited
                .reset_headers
                .iter()
                .flatten()
                .map(|header| ResetHeader {
                    name: header.name.clone(),
                    is_unix: header.format == "UnixTimestamp",
                });
            let max = limited.max_interval.as_ref().and_then(Duration::get);
            (headers.collect(), max)
        }),
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
