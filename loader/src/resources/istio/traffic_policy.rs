//! `TrafficPolicy` of a DestinationRule: load balancing, limits, ejection and TLS towards a service.

use std::collections::BTreeMap;

use serde::Deserialize;

pub use super::client_tls::{ClientTls, ClientTlsMode};
use super::virtual_service::PortSelector;
use crate::resources::Duration;

/// `TrafficPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// Which endpoint a request gets.
    pub load_balancer: Option<LoadBalancer>,
    /// Limits.
    pub connection_pool: Option<ConnectionPool>,
    /// Which endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the service.
    pub tls: Option<ClientTls>,
    /// What holds for one port instead; what an entry leaves out is Envoy's default, not the policy's.
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Connections through a proxy's CONNECT.
    pub tunnel: Option<Tunnel>,
    /// A header in front of each connection.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How many retries there may be.
    pub retry_budget: Option<RetryBudget>,
}

/// `TrafficPolicy.PortTrafficPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PortTrafficPolicy {
    /// Which port; required.
    pub port: Option<PortSelector>,
    /// As in [`TrafficPolicy`].
    pub load_balancer: Option<LoadBalancer>,
    /// As in [`TrafficPolicy`].
    pub connection_pool: Option<ConnectionPool>,
    /// As in [`TrafficPolicy`].
    pub outlier_detection: Option<OutlierDetection>,
    /// As in [`TrafficPolicy`].
    pub tls: Option<ClientTls>,
}

/// `TrafficPolicy.TunnelSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Tunnel {
    /// `CONNECT` or `POST`.
    pub protocol: String,
    /// Where the tunnel ends.
    pub target_host: String,
    /// Its port.
    pub target_port: u32,
}

/// `TrafficPolicy.ProxyProtocol`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyProtocol {
    /// Which form of it.
    pub version: ProxyProtocolVersion,
}

/// `TrafficPolicy.ProxyProtocol.VERSION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ProxyProtocolVersion {
    /// Text.
    #[default]
    #[serde(rename = "V1", alias = "0")]
    V1,
    /// Binary.
    #[serde(rename = "V2", alias = "1")]
    V2,
}

/// `TrafficPolicy.RetryBudget`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RetryBudget {
    /// Of the requests at work; 20 if absent.
    pub percent: Option<f64>,
    /// As many are always allowed.
    pub min_retry_concurrency: u32,
    /// Over which time.
    pub budget_interval: Option<Duration>,
}

/// `LoadBalancerSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LoadBalancer {
    /// One of the simple ways; not with `consistent_hash`.
    pub simple: Option<SimpleLb>,
    /// Same value, same endpoint.
    pub consistent_hash: Option<ConsistentHash>,
    /// Near and far endpoints.
    pub locality_lb_setting: Option<LocalityLb>,
    /// Endpoints of the same zone.
    pub zone_aware_lb_setting: Option<ZoneAwareLb>,
    /// How long new endpoints get less, the older form.
    pub warmup_duration_secs: Option<Duration>,
    /// How new endpoints get less.
    pub warmup: Option<Warmup>,
}

/// `LoadBalancerSettings.SimpleLB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SimpleLb {
    /// As `LEAST_REQUEST`.
    #[default]
    #[serde(rename = "UNSPECIFIED", alias = "0")]
    Unspecified,
    /// As `LEAST_REQUEST`, the older word.
    #[serde(rename = "LEAST_CONN", alias = "1")]
    LeastConn,
    /// By chance.
    #[serde(rename = "RANDOM", alias = "2")]
    Random,
    /// The address that the client asked for.
    #[serde(rename = "PASSTHROUGH", alias = "3")]
    Passthrough,
    /// In turn.
    #[serde(rename = "ROUND_ROBIN", alias = "4")]
    RoundRobin,
    /// The one with the least to do.
    #[serde(rename = "LEAST_REQUEST", alias = "5")]
    LeastRequest,
}

/// `LoadBalancerSettings.ConsistentHashLB`: one key, one algorithm.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ConsistentHash {
    /// The key is this header.
    pub http_header_name: Option<String>,
    /// The key is this cookie.
    pub http_cookie: Option<HttpCookie>,
    /// The key is the client's address.
    pub use_source_ip: Option<bool>,
    /// The key is this parameter.
    pub http_query_parameter_name: Option<String>,
    /// The ring.
    pub ring_hash: Option<RingHash>,
    /// The table.
    pub maglev: Option<Maglev>,
    /// The ring's size, the older form.
    pub minimum_ring_size: u64,
}

/// `LoadBalancerSettings.ConsistentHashLB.RingHash`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RingHash {
    /// Places on the ring; 1024 if 0.
    pub minimum_ring_size: u64,
}

/// `LoadBalancerSettings.ConsistentHashLB.MagLev`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Maglev {
    /// A prime number; 65537 if 0.
    pub table_size: u64,
}

/// `LoadBalancerSettings.ConsistentHashLB.HTTPCookie`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpCookie {
    /// The name.
    pub name: String,
    /// The path of the cookie that is made.
    pub path: String,
    /// How long it lives; none is made if absent.
    pub ttl: Option<Duration>,
    /// Other attributes of it.
    pub attributes: Vec<CookieAttribute>,
}

/// `LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CookieAttribute {
    /// The name.
    pub name: String,
    /// The value, if it has one.
    pub value: String,
}

/// `LocalityLoadBalancerSetting`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalityLb {
    /// Fixed shares.
    pub distribute: Vec<Distribute>,
    /// Where to go when a region fails.
    pub failover: Vec<Failover>,
    /// Labels that rank endpoints.
    pub failover_priority: Vec<String>,
    /// Whether it holds.
    pub enabled: Option<bool>,
}

/// `LocalityLoadBalancerSetting.Distribute`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distribute {
    /// `region/zone/subzone`.
    pub from: String,
    /// Percents.
    pub to: BTreeMap<String, u32>,
}

/// `LocalityLoadBalancerSetting.Failover`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Failover {
    /// A region.
    pub from: String,
    /// A region.
    pub to: String,
}

/// `ZoneAwareLoadBalancerSetting`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ZoneAwareLb {
    /// Whether it holds.
    pub enabled: Option<bool>,
    /// Where to go when a zone fails.
    pub failover: Vec<Failover>,
    /// Labels that rank endpoints.
    pub failover_priority: Vec<String>,
    /// With fewer endpoints it does not hold.
    pub min_cluster_size: Option<u64>,
}

/// `WarmupConfiguration`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Warmup {
    /// How long.
    pub duration: Option<Duration>,
    /// What a new endpoint gets at least; 10 if absent.
    pub minimum_percent: Option<f64>,
    /// How steep; 1 if absent.
    pub aggression: Option<f64>,
}

/// `ConnectionPoolSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionPool {
    /// For every connection.
    pub tcp: Option<TcpSettings>,
    /// For requests.
    pub http: Option<HttpSettings>,
}

/// `ConnectionPoolSettings.TCPSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TcpSettings {
    /// How many at a time; no limit if 0.
    pub max_connections: i32,
    /// 10 s if absent.
    pub connect_timeout: Option<Duration>,
    /// Probes of the kernel.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How long one lives.
    pub max_connection_duration: Option<Duration>,
    /// How long one may be silent.
    pub idle_timeout: Option<Duration>,
}

/// `ConnectionPoolSettings.TCPSettings.TcpKeepalive`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpKeepalive {
    /// How many without an answer.
    pub probes: u32,
    /// The silence before the first.
    pub time: Option<Duration>,
    /// The time between them.
    pub interval: Option<Duration>,
}

/// `ConnectionPoolSettings.HTTPSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpSettings {
    /// Requests that wait for a connection.
    pub http1_max_pending_requests: i32,
    /// Requests at a time.
    pub http2_max_requests: i32,
    /// Requests for each connection.
    pub max_requests_per_connection: i32,
    /// Retries at a time.
    pub max_retries: i32,
    /// How long a connection may be silent.
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/1.1 becomes HTTP/2.
    pub h2_upgrade_policy: H2Upgrade,
    /// Whether the client's protocol is kept.
    pub use_client_protocol: bool,
    /// Requests at a time on one connection.
    pub max_concurrent_streams: i32,
    /// Pings.
    pub http2_keep_alive: Option<ConnectionKeepalive>,
}

/// `ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum H2Upgrade {
    /// What the mesh says.
    #[default]
    #[serde(rename = "DEFAULT", alias = "0")]
    Default,
    /// No.
    #[serde(rename = "DO_NOT_UPGRADE", alias = "1")]
    DoNotUpgrade,
    /// Yes.
    #[serde(rename = "UPGRADE", alias = "2")]
    Upgrade,
}

/// `ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionKeepalive {
    /// The time between pings.
    pub interval: Option<Duration>,
    /// How long an answer may take.
    pub timeout: Option<Duration>,
}

/// `OutlierDetection`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OutlierDetection {
    /// The older form of `consecutive_gateway_errors`.
    pub consecutive_errors: i32,
    /// Whether failures of the connection are counted apart.
    pub split_external_local_origin_errors: bool,
    /// Failures of the connection in a row; 5 if absent.
    pub consecutive_local_origin_failures: Option<u32>,
    /// 502, 503 and 504 in a row; off if 0 or absent.
    pub consecutive_gateway_errors: Option<u32>,
    /// 5xx in a row; 5 if absent, off if 0.
    #[serde(rename = "consecutive5xxErrors", alias = "consecutive_5xx_errors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// The time between looks; 10 s if absent.
    pub interval: Option<Duration>,
    /// How long an endpoint is left out at first; 30 s if absent.
    pub base_ejection_time: Option<Duration>,
    /// Percents of the endpoints that may be left out; 10 if 0.
    pub max_ejection_percent: i32,
    /// With fewer percents of healthy endpoints all are used.
    pub min_health_percent: i32,
    /// The status codes that count, instead of 5xx.
    pub outlier_detection_http_error_codes: Vec<u32>,
}
