//! What policies change about the connections to the endpoints of a cluster, and when an endpoint is left out.

use std::time::Duration;

use crate::model::upstream::Upstream;

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
    /// A request; headers as in [`RateLimit`](super::RateLimit), and 200 is expected if no status is given.
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
