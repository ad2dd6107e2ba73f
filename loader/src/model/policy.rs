//! What policies change: limits and times of listeners, routes and clusters.
//!
//! Whatever is absent is as the gateway has it without policies.

mod access_log;
mod cluster;

use std::time::Duration;

use ::policy::Tags;

pub use access_log::{AccessLog, AnyValue, Lines, LogFormat, LogTarget, OtelLog};
pub use cluster::{
    Balancing, ClusterPolicy, FailurePercentage, HealthCheck, Keepalive, Limits, Outliers, Probe,
    SuccessRate, UpstreamTimeouts,
};

/// What holds for the connections and requests of a listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenerPolicy {
    /// How long a connection may be without requests.
    pub idle: Option<Duration>,
    /// How long a request's headers may take.
    pub request_headers: Option<Duration>,
    /// How long a request may be without data.
    pub stream_idle: Option<Duration>,
    /// How long a request may take to arrive.
    pub request: Option<Duration>,
    /// How often a connection to an endpoint is tried; the first attempt counts.
    pub connect_attempts: Option<u32>,
    /// Where a line for each request goes.
    pub access_logs: Vec<AccessLog>,
    /// Whether gRPC-Web becomes gRPC.
    pub grpc_web: bool,
}

/// What holds for the requests of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutePolicy {
    /// How long the response may take; 0 is no limit.
    pub timeout: Option<Duration>,
    /// How long a request may be without data; 0 is no limit.
    pub idle: Option<Duration>,
    /// What is tried again.
    pub retry: Option<Retry>,
    /// How many requests are let through.
    pub rate_limit: Option<RateLimit>,
    /// What goes wrong on purpose.
    pub faults: Vec<Fault>,
    /// What scripts of other sites may do.
    pub cors: Option<Cors>,
    /// Requests with the same of these go to the same endpoint; the first that a request has counts.
    pub hash_keys: Vec<HashKey>,
}

/// What scripts of other sites may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cors {
    /// Which sites.
    pub origins: Vec<HeaderValue>,
    /// With which methods.
    pub methods: Vec<String>,
    /// With which headers of requests.
    pub headers: Vec<String>,
    /// Which headers of responses they see.
    pub exposed: Vec<String>,
    /// How long browsers may remember the answer.
    pub max_age: Option<Duration>,
    /// Whether with cookies.
    pub credentials: Option<bool>,
    /// Whether the backend answers the questions of other sites.
    pub forwards_unmatched: bool,
}

/// What is the same in requests that go to the same endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum HashKey {
    /// A header.
    Header(String),
    /// A cookie; it is made with this path and lifetime if that is given, and with these attributes.
    #[expect(missing_docs, reason = "of the cookie")]
    Cookie {
        name: String,
        path: String,
        ttl: Option<Duration>,
        attributes: Vec<(String, String)>,
    },
    /// The address of the client.
    Address,
    /// A parameter of the query.
    Query(String),
}

/// When and how often a request is tried again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    /// Envoy's `retry_on`.
    pub on: Vec<&'static str>,
    /// Without the first attempt; 1 if absent.
    pub attempts: Option<u32>,
    /// How long an attempt may take.
    pub per_try: Option<Duration>,
    /// How long to wait.
    pub back_off: Option<BackOff>,
    /// How long to wait if the backend says so: in these headers, and at most so long.
    pub rate_limited: Option<(Vec<ResetHeader>, Option<Duration>)>,
    /// Statuses that are tried again.
    pub statuses: Vec<u32>,
    /// Responses with any of these are tried again.
    pub response_headers: Vec<Header>,
    /// Only requests with any of these are tried again.
    pub request_headers: Vec<Header>,
    /// Whether endpoints that have been tried are left out.
    pub other_hosts: bool,
    /// Endpoints with these tags are left out.
    pub without_tags: Vec<Tags>,
    /// Whether priorities that have been tried are left out, computed anew after so many attempts.
    pub other_priorities: Option<i32>,
    /// How often another endpoint is looked for.
    pub host_attempts: Option<i64>,
}

/// How long to wait before an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct BackOff {
    /// Before the first one; grows from there.
    pub base: Duration,
    /// At most.
    pub max: Option<Duration>,
}

/// A header with a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ResetHeader {
    /// The header.
    pub name: String,
    /// Whether the time counts from 1970, and not from now.
    pub is_unix: bool,
}

/// Messages by a header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// This one.
    Exact(String),
    /// One that begins like this.
    Prefix(String),
    /// One that the whole RE2 expression matches.
    Regex(String),
    /// Any.
    Present,
    /// None: the header is not there.
    Absent,
}

/// So many requests in a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateLimit {
    /// How many.
    pub requests: u32,
    /// In which time.
    pub interval: Duration,
    /// The status beyond it; 429 if absent.
    pub status: Option<u32>,
    /// Headers of that answer: name, value, whether it comes beside one that is there.
    pub headers: Vec<(String, String, bool)>,
}

/// What goes wrong with some requests; shares are in percent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// The status that they are answered with, and their share.
    pub abort: Option<(u32, f64)>,
    /// gRPC's status that they are answered with, and their share.
    pub grpc_abort: Option<(u32, f64)>,
    /// How long they wait, and their share.
    pub delay: Option<(Duration, f64)>,
    /// The speed of their responses in KiB/s, and their share.
    pub bandwidth: Option<(u64, f64)>,
}
