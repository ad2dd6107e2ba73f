//! What policies say about routes: retries, rate limits, faults.

use std::collections::HashMap;

use ::policy::Tags;
use envoy_types::pb::envoy::config::core::v3::{
    HeaderValue as EnvoyHeader, HeaderValueOption, Metadata, RuntimeFractionalPercent,
    header_value_option::HeaderAppendAction,
};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::retry_policy::{
    RateLimitedRetryBackOff, ResetHeader as EnvoyResetHeader, ResetHeaderFormat, RetryBackOff,
    RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority,
};
use envoy_types::pb::envoy::config::route::v3::route_action::{
    HashPolicy, hash_policy, hash_policy::PolicySpecifier,
};
use envoy_types::pb::envoy::config::route::v3::{HeaderMatcher, RetryPolicy};
use envoy_types::pb::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, FaultRateLimit, fault_delay::FaultDelaySecifier, fault_rate_limit,
};
use envoy_types::pb::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::{
    FaultAbort, HttpFault, fault_abort::ErrorType,
};
use envoy_types::pb::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::retry::host::omit_host_metadata::v3::OmitHostMetadataConfig;
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use envoy_types::pb::envoy::r#type::matcher::v3::{
    RegexMatcher, StringMatcher, string_matcher::MatchPattern,
};
use envoy_types::pb::envoy::r#type::v3::{
    FractionalPercent, HttpStatus, TokenBucket, fractional_percent::DenominatorType,
};
use envoy_types::pb::google::protobuf::{Any, value::Kind};
use envoy_types::util::pack_any;

use super::{connection_manager, proto};
use crate::model::policy::{
    Cors, Fault, HashKey, Header, HeaderValue, RateLimit, ResetHeader, Retry, RoutePolicy,
};
use crate::model::{Listener, Port};

/// The filter that limits rates, which each connection manager has.
pub(super) const RATE_LIMIT: &str = "envoy.filters.http.local_ratelimit";

/// The filter that answers questions about other sites.
pub(super) const CORS: &str = "envoy.filters.http.cors";

/// What filters do differently for a route.
pub(super) fn per_filter(policy: &RoutePolicy) -> HashMap<String, Any> {
    let limit = policy.rate_limit.as_ref();
    let limit = limit.map(|limit| (RATE_LIMIT.to_owned(), pack_any(rate_limit(limit))));
    let faults = policy.faults.iter().enumerate();
    let faults = faults.map(|(index, f)| (fault_name(index), pack_any(fault(f))));
    let cors = policy.cors.iter();
    let cors = cors.map(|own| (CORS.to_owned(), pack_any(cors_policy(own))));
    limit.into_iter().chain(faults).chain(cors).collect()
}

/// Whether any route says what scripts of other sites may do.
pub(super) fn has_cors(port: &Port) -> bool {
    let hosts = port.listeners.iter().flat_map(|l| &l.virtual_hosts);
    let mut routes = hosts.flat_map(|host| &host.routes);
    routes.any(|route| route.policy.cors.is_some())
}

fn cors_policy(cors: &Cors) -> CorsPolicy {
    let always = RuntimeFractionalPercent {
        default_value: Some(percent(100.0)),
        ..RuntimeFractionalPercent::default()
    };
    let max_age = cors.max_age.map(|age| age.as_secs().to_string());
    CorsPolicy {
        allow_origin_string_match: cors.origins.iter().map(origin).collect(),
        allow_methods: cors.methods.join(","),
        allow_headers: cors.headers.join(","),
        expose_headers: cors.exposed.join(","),
        max_age: max_age.unwrap_or_default(),
        allow_credentials: cors.credentials.map(proto::boolean),
        filter_enabled: Some(always),
        forward_not_matching_preflights: Some(proto::boolean(cors.forwards_unmatched)),
        ..CorsPolicy::default()
    }
}

fn origin(value: &HeaderValue) -> StringMatcher {
    let regex = |regex: &str| {
        MatchPattern::SafeRegex(RegexMatcher {
            regex: regex.to_owned(),
            ..RegexMatcher::default()
        })
    };
    StringMatcher {
        match_pattern: Some(match value {
            HeaderValue::Exact(text) => MatchPattern::Exact(text.clone()),
            HeaderValue::Prefix(text) => MatchPattern::Prefix(text.clone()),
            HeaderValue::Regex(text) => regex(text),
            HeaderValue::Present => regex(".*"),
            HeaderValue::Absent => MatchPattern::Exact(String::new()),
        }),
        ..StringMatcher::default()
    }
}

/// What is the same in requests that go to the same endpoint.
pub(super) fn hash_key(key: &HashKey) -> HashPolicy {
    let specifier = match key {
        HashKey::Header(name) => PolicySpecifier::Header(hash_policy::Header {
            header_name: name.clone(),
            ..hash_policy::Header::default()
        }),
        HashKey::Cookie {
            name,
            path,
            ttl,
            attributes,
        } => PolicySpecifier::Cookie(hash_policy::Cookie {
            name: name.clone(),
            path: path.clone(),
            ttl: ttl.map(proto::duration),
            attributes: attributes
                .iter()
                .map(|(name, value)| hash_policy::CookieAttribute {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect(),
        }),
        HashKey::Address => {
            PolicySpecifier::ConnectionProperties(hash_policy::ConnectionProperties {
                source_ip: true,
            })
        }
        HashKey::Query(name) => {
            PolicySpecifier::QueryParameter(hash_policy::QueryParameter { name: name.clone() })
        }
    };
    HashPolicy {
        policy_specifier: Some(specifier),
        terminal: true,
    }
}

/// As many fault filters as the route with the most of them needs. They do nothing where a route does not say.
pub(super) fn fault_filters(most: usize) -> impl Iterator<Item = HttpFilter> {
    (0..most).map(|index| connection_manager::http_filter(&fault_name(index), HttpFault::default()))
}

/// How many faults the route with the most of them has.
pub(super) fn most_faults(listeners: &[Listener]) -> usize {
    let hosts = listeners.iter().flat_map(|l| &l.virtual_hosts);
    let routes = hosts.flat_map(|host| &host.routes);
    let most = routes.map(|route| route.policy.faults.len()).max();
    most.unwrap_or(0)
}

fn fault_name(index: usize) -> String {
    match index {
        0 => "envoy.filters.http.fault".to_owned(),
        _ => format!("envoy.filters.http.fault.{index}"),
    }
}

pub(super) fn retry(retry: &Retry) -> RetryPolicy {
    let previous = retry
        .other_hosts
        .then(|| predicate("previous_hosts", pack_any(PreviousHostsPredicate {})));
    let tagged = retry.without_tags.iter().map(|tags| {
        let config = OmitHostMetadataConfig {
            metadata_match: Some(endpoint_metadata(tags)),
        };
        predicate("omit_host_metadata", pack_any(config))
    });
    RetryPolicy {
        retry_on: retry.on.join(","),
        num_retries: retry.attempts.map(proto::number),
        per_try_timeout: retry.per_try.map(proto::duration),
        retry_back_off: retry.back_off.as_ref().map(|back_off| RetryBackOff {
            base_interval: Some(proto::duration(back_off.base)),
            max_interval: back_off.max.map(proto::duration),
        }),
        rate_limited_retry_back_off: retry.rate_limited.as_ref().map(|(headers, max)| {
            RateLimitedRetryBackOff {
                reset_headers: headers.iter().map(reset_header).collect(),
                max_interval: max.map(proto::duration),
            }
        }),
        retriable_status_codes: retry.statuses.clone(),
        retriable_headers: retry.response_headers.iter().map(header).collect(),
        retriable_request_headers: retry.request_headers.iter().map(header).collect(),
        retry_host_predicate: previous.into_iter().chain(tagged).collect(),
        retry_priority: retry.other_priorities.map(|frequency| RetryPriority {
            name: "envoy.retry_priorities.previous_priorities".to_owned(),
            config_type: Some(retry_priority::ConfigType::TypedConfig(pack_any(
                PreviousPrioritiesConfig {
                    update_frequency: frequency,
                },
            ))),
        }),
        host_selection_retry_max_attempts: retry.host_attempts.unwrap_or_default(),
        ..RetryPolicy::default()
    }
}

fn predicate(name: &str, config: Any) -> RetryHostPredicate {
    RetryHostPredicate {
        name: format!("envoy.retry_host_predicates.{name}"),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(config)),
    }
}

/// Tags as endpoints have them in the namespace that load balancers look at.
fn endpoint_metadata(tags: &Tags) -> Metadata {
    let values = tags
        .iter()
        .map(|(k, v)| (k, Kind::StringValue(v.to_owned())));
    Metadata {
        filter_metadata: HashMap::from([("envoy.lb".to_owned(), proto::structure(values))]),
        ..Metadata::default()
    }
}

fn reset_header(header: &ResetHeader) -> EnvoyResetHeader {
    let format = if header.is_unix {
        ResetHeaderFormat::UnixTimestamp
    } else {
        ResetHeaderFormat::Seconds
    };
    EnvoyResetHeader {
        name: header.name.clone(),
        format: format.into(),
    }
}

fn header(header: &Header) -> HeaderMatcher {
    let matches = |pattern| {
        HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(pattern),
            ..StringMatcher::default()
        })
    };
    HeaderMatcher {
        name: header.name.clone(),
        header_match_specifier: Some(match &header.value {
            HeaderValue::Exact(value) => matches(MatchPattern::Exact(value.clone())),
            HeaderValue::Prefix(value) => matches(MatchPattern::Prefix(value.clone())),
            HeaderValue::Regex(regex) => matches(MatchPattern::SafeRegex(RegexMatcher {
                regex: regex.clone(),
                ..RegexMatcher::default()
            })),
            HeaderValue::Present => HeaderMatchSpecifier::PresentMatch(true),
            HeaderValue::Absent => HeaderMatchSpecifier::PresentMatch(false),
        }),
        ..HeaderMatcher::default()
    }
}

fn rate_limit(limit: &RateLimit) -> LocalRateLimit {
    let always = |key: &str| RuntimeFractionalPercent {
        default_value: Some(percent(100.0)),
        runtime_key: key.to_owned(),
    };
    let headers = limit.headers.iter().map(header_option);
    LocalRateLimit {
        stat_prefix: "rate_limit".to_owned(),
        status: limit.status.and_then(|status| {
            let code = i32::try_from(status).ok().filter(|status| *status > 0)?;
            Some(HttpStatus { code })
        }),
        token_bucket: Some(TokenBucket {
            max_tokens: limit.requests,
            tokens_per_fill: Some(proto::number(limit.requests)),
            fill_interval: Some(proto::duration(limit.interval)),
        }),
        filter_enabled: Some(always("local_rate_limit_enabled")),
        filter_enforced: Some(always("local_rate_limit_enforced")),
        response_headers_to_add: headers.collect(),
        ..LocalRateLimit::default()
    }
}

/// Name, value, and whether it comes beside one that is there.
pub(super) fn header_option((key, value, appends): &(String, String, bool)) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(EnvoyHeader {
            key: key.clone(),
            value: value.clone(),
            ..EnvoyHeader::default()
        }),
        append_action: if *appends {
            HeaderAppendAction::AppendIfExistsOrAdd.into()
        } else {
            HeaderAppendAction::OverwriteIfExistsOrAdd.into()
        },
        ..HeaderValueOption::default()
    }
}

fn fault(fault: &Fault) -> HttpFault {
    let grpc = fault.grpc_abort;
    let grpc = grpc.map(|(status, share)| (ErrorType::GrpcStatus(status), share));
    let http = fault.abort;
    let http = http.map(|(status, share)| (ErrorType::HttpStatus(status), share));
    let abort = http.or(grpc);
    HttpFault {
        abort: abort.map(|(error, share)| FaultAbort {
            percentage: Some(percent(share)),
            error_type: Some(error),
            ..FaultAbort::default()
        }),
        delay: fault.delay.map(|(duration, share)| FaultDelay {
            percentage: Some(percent(share)),
            fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(proto::duration(duration))),
        }),
        response_rate_limit: fault.bandwidth.map(|(limit, share)| FaultRateLimit {
            percentage: Some(percent(share)),
            limit_type: Some(fault_rate_limit::LimitType::FixedLimit(
                fault_rate_limit::FixedLimit { limit_kbps: limit },
            )),
        }),
        ..HttpFault::default()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage is between 0 and 100, and `as` ends at the bounds of u32"
)]
fn percent(share: f64) -> FractionalPercent {
    if share.fract() == 0.0 {
        return FractionalPercent {
            numerator: share as u32,
            denominator: DenominatorType::Hundred.into(),
        };
    }
    FractionalPercent {
        numerator: (share * 10_000.0).round() as u32,
        denominator: DenominatorType::Million.into(),
    }
}
