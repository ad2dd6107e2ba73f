//! What policies change: limits and times of listeners, routes and clusters.
//!
//! Whatever is absent is as the gateway has it without policies.

use std::time::Duration;

use super::upstream::Upstream;

use ::policy::Tags;

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

/// What holds for the endpoints of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterPolicy {
    /// How long it may take to connect.
    pub connect: Option<Duration>,
    /// HTTP.
    pub http: Option<UpstreamTimeouts>,
    /// How much at a time.
    pub limits: Limits,
    /// When an endpoint is left out.
    pub outliers: Option<Outliers>,
    /// The percentage of healthy endpoints below which all get requests.
    pub panic_threshold: Option<f64>,
    /// Whether requests fail then, in place of going to all.
    pub fails_on_panic: bool,
    /// How endpoints are probed.
    pub health_check: Option<HealthCheck>,
    /// Which endpoint a request gets; they take turns if absent.
    pub balancing: Option<Balancing>,
    /// After so many requests a connection is closed.
    pub requests_per_connection: Option<u32>,
    /// So many requests at a time on a connection of HTTP/2.
    pub streams_per_connection: Option<u32>,
    /// Probes of the kernel on silent connections.
    pub keepalive: Option<Keepalive>,
    /// How connections begin and stay.
    pub upstream: Upstream,
}

/// Which endpoint a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancing {
    /// They take turns.
    RoundRobin,
    /// That of two with fewer requests at work.
    LeastRequest,
    /// Any.
    Random,
    /// By hash, on a ring with so many places at least.
    RingHash(Option<u64>),
    /// By hash, in a table of this size.
    Maglev(Option<u64>),
}

/// Probes of the kernel on silent connections; the system's own numbers where one is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// How many are left unanswered.
    pub probes: Option<u32>,
    /// The silence before the first one.
    pub time: Option<Duration>,
    /// The time between them.
    pub interval: Option<Duration>,
}

/// How long connections and requests to endpoints may last; 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamTimeouts {
    /// A connection without requests.
    pub idle: Duration,
    /// A request with its response.
    pub max_stream: Option<Duration>,
    /// A connection.
    pub max_connection: Option<Duration>,
}

/// How much at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as what they limit")]
pub struct Limits {
    pub connections: Option<u32>,
    pub connection_pools: Option<u32>,
    pub pending_requests: Option<u32>,
    pub requests: Option<u32>,
    pub retries: Option<u32>,
}

/// When an endpoint is left out; Envoy's own numbers where one is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outliers {
    /// How often this is looked at.
    pub interval: Option<Duration>,
    /// For how long, times the number of times.
    pub base_ejection: Option<Duration>,
    /// How many at most.
    pub max_percent: Option<u32>,
    /// Whether failures to connect count apart.
    pub split_local: bool,
    /// After so many 5xx in a row.
    pub total: Option<Option<u32>>,
    /// After so many 502, 503, 504 in a row.
    pub gateway: Option<Option<u32>>,
    /// After so many failures to connect in a row.
    pub local: Option<Option<u32>>,
    /// With fewer successes than others.
    pub success_rate: Option<SuccessRate>,
    /// With too many failures.
    pub failures: Option<FailurePercentage>,
}

/// Fewer successes than others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SuccessRate {
    /// Among at least so many endpoints.
    pub hosts: Option<u32>,
    /// With at least so many requests each.
    pub requests: Option<u32>,
    /// By so many thousandths of a standard deviation.
    pub deviation: Option<u32>,
}

/// Too many failures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailurePercentage {
    /// Among at least so many endpoints.
    pub hosts: Option<u32>,
    /// With at least so many requests each.
    pub requests: Option<u32>,
    /// So many percent.
    pub threshold: Option<u32>,
}

/// A line for each request or connection.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Where it goes.
    pub target: LogTarget,
    /// Only for clients that ask for this server name in TLS; for all if absent.
    pub sni: Option<String>,
}

/// Where lines go, and what is in them.
#[derive(Clone, Debug, PartialEq)]
pub enum LogTarget {
    /// To the end of a file.
    File(String, Lines),
    /// To the TCP server at this `host:port`, which needs somebody beside Envoy who sends them.
    Tcp(String, Lines),
    /// To a collector.
    OpenTelemetry(OtelLog),
}

/// What is in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The format.
    pub format: LogFormat,
    /// Whether commands without a value leave nothing, and not `-`.
    pub omit_empty: bool,
}

/// Records for a collector, in Envoy's commands.
#[derive(Clone, Debug, PartialEq)]
pub struct OtelLog {
    /// The cluster of the collector.
    pub cluster: String,
    /// The `:authority` of the calls.
    pub authority: String,
    /// The record.
    pub body: AnyValue,
    /// What comes with each record.
    pub attributes: Vec<(String, String)>,
    /// What comes with all of them.
    pub resource: Vec<(String, String)>,
}

/// A value of OTLP (`opentelemetry/proto/common/v1/common.proto`).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "named as in the protocol")]
pub enum AnyValue {
    String(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Array(Vec<AnyValue>),
    List(Vec<(String, AnyValue)>),
}

/// What is in a line, in Envoy's commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A text, with the end of the line.
    Plain(String),
    /// The fields of a JSON object.
    Json(Vec<(String, String)>),
}

/// How endpoints are probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// With what.
    pub probe: Probe,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// After so many failures an endpoint gets no requests.
    pub unhealthy: u32,
    /// After so many successes it gets some again.
    pub healthy: u32,
    /// The first probe comes so much later at most.
    pub initial_jitter: Option<Duration>,
    /// Every probe comes so much later at most.
    pub interval_jitter: Option<Duration>,
    /// The same in percent of the interval.
    pub jitter_percent: u32,
    /// How often before the first request.
    pub no_traffic_interval: Option<Duration>,
    /// Whether a connection is used for more than one probe; Envoy does so if absent.
    pub reuses_connections: Option<bool>,
    /// Whether every failure is logged, and not only the first.
    pub logs_failures: bool,
    /// A file for changes of health.
    pub event_log: Option<String>,
}

/// What an endpoint is probed with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Envoy's checks")]
pub enum Probe {
    /// A request; headers as in [`RateLimit`], and 200 is expected if no status is given.
    Http {
        path: String,
        headers: Vec<(String, String, bool)>,
        statuses: Vec<u32>,
    },
    /// A call of gRPC's health service.
    Grpc { service: String, authority: String },
    /// A connection, with what is sent and what has to come back.
    Tcp {
        send: Option<Vec<u8>>,
        receive: Vec<Vec<u8>>,
    },
}
