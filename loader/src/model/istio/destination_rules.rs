//! What DestinationRules say about a cluster (`pilot/pkg/networking/core/cluster_traffic_policy.go` and
//! `cluster_tls.go` at 1.32).

mod balancing;
mod by_host;
mod policy;
mod spread;
mod tls;

pub(super) use by_host::{ByHost, OfWorkload};
pub(super) use tls::system;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use self::by_host::Group;
use self::policy::Policy;
pub(super) use self::spread::Labelled;
use super::names;
use super::registry::Service;
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::policy::{
    Balancing, ClusterPolicy, HashKey, Keepalive, Limits, Outliers, UpstreamTimeouts,
};
use crate::model::{Cluster, Tunnel, UpstreamProtocol, upstream};
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::traffic_policy::{
    ClientTlsMode, ConnectionPool, H2Upgrade, HttpSettings, OutlierDetection, ProxyProtocolVersion,
    TcpSettings, TrafficPolicy,
};
use crate::resources::{Duration as GoDuration, Resource};
use crate::source::Path;

/// What is too many for any limit: Istio has none where nothing is said.
const NO_LIMIT: u32 = u32::MAX;

/// What the rules say about those who call a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// What is the same in requests that go to the same endpoint.
    pub(super) hash_keys: Vec<HashKey>,
    /// How long a connection without requests may be silent; Envoy's hour if absent, and for ever if 0.
    pub(super) idle: Option<Duration>,
    /// Through what connections go on.
    pub(super) tunnels: Tunnels,
}

/// Tunnels for connections (`pilot/pkg/networking/core/tunnelingconfig/apply.go` at 1.32).
#[derive(Clone, Debug, Default)]
pub(super) struct Tunnels {
    /// Where all go to this destination: that of the subset if one is meant, and of the service otherwise.
    pub(super) alone: Option<Tunnel>,
    /// Where they go to several of which this is the first: that of the service.
    pub(super) among_others: Option<Tunnel>,
}

/// The rules for a host, for the service behind it.
pub(super) struct Rules<'a, 'b> {
    input: Input<'a>,
    workload: &'b Workload,
    service: &'b Service<'a>,
    of_host: Rc<Group<'a>>,
}

impl<'a, 'b> Rules<'a, 'b> {
    pub(super) fn new(
        input: Input<'a>,
        rules: &'b OfWorkload<'a>,
        host: &str,
        service: &'b Service<'a>,
    ) -> Self {
        Self {
            input,
            workload: rules.workload,
            service,
            of_host: rules.of(host, service.namespace),
        }
    }

    /// The labels of a subset's endpoints; none for the whole service. Nothing if there is no such subset.
    pub(super) fn labels(&self, subset: &str) -> Option<BTreeMap<String, String>> {
        if subset.is_empty() {
            return Some(BTreeMap::new());
        }
        let (_, _, found) = self.of_host.subsets(subset).next()?;
        Some(found.labels.clone())
    }

    /// The names of all subsets, each once.
    pub(super) fn subsets(&self) -> &[&'a str] {
        &self.of_host.names
    }

    fn tunnels(&self, subset: &str) -> Tunnels {
        let of = |policy: Option<&TrafficPolicy>| {
            let own = policy.and_then(|policy| policy.tunnel.as_ref());
            own.and_then(|own| {
                Some(Tunnel {
                    host: own.target_host.clone(),
                    port: u16::try_from(own.target_port).ok()?,
                    posts: own.protocol == "POST",
                })
            })
        };
        let service = self.of_host.rules.first();
        let service = of(service.and_then(|rule| rule.spec.traffic_policy.as_ref()));
        if subset.is_empty() {
            return Tunnels {
                alone: service.clone(),
                among_others: service,
            };
        }
        let own = self.of_host.subsets(subset).next();
        Tunnels {
            alone: of(own.and_then(|(_, _, own)| own.traffic_policy.as_ref())),
            among_others: service,
        }
    }

    fn policy(&self, subset: &str, port: u16) -> Policy<'a> {
        let mut policy = Policy::default();
        if let Some(rule) = self.of_host.rules.first() {
            let own = rule.spec.traffic_policy.as_ref();
            policy.add(rule, own, &Path::of("trafficPolicy"), port);
        }
        for (rule, index, own) in self.of_host.subsets(subset) {
            let path = Path::of("subsets").index(index).field("trafficPolicy");
            policy.add(rule, own.traffic_policy.as_ref(), &path, port);
        }
        policy
    }

    /// Gives a cluster its endpoints, and what the rules say about the subset and the port, but for TLS.
    pub(super) fn apply(
        &self,
        cluster: &mut Cluster,
        endpoints: Vec<Labelled<'_>>,
        subset: &str,
        port: u16,
        findings: &mut Vec<Diagnostic>,
    ) -> Calls {
        let policy = self.policy(subset, port);
        cluster.policy = ClusterPolicy {
            connect: Some(Duration::from_secs(10)),
            limits: Limits {
                connections: Some(NO_LIMIT),
                pending_requests: Some(NO_LIMIT),
                requests: Some(NO_LIMIT),
                retries: Some(NO_LIMIT),
                connection_pools: None,
            },
            balancing: Some(Balancing::LeastRequest),
            ..ClusterPolicy::default()
        };
        let mut calls = Calls {
            tunnels: self.tunnels(subset),
            ..Calls::default()
        };
        if let Some((rule, path, balancer)) = &policy.balancer {
            calls.hash_keys = balancing::balancing(rule, path, balancer, cluster, findings);
        }
        if let Some((_, _, pool)) = policy.pool {
            calls.idle = connection_pool(pool, cluster);
        }
        if let Some((rule, path, detection)) = policy.outliers {
            outliers(rule, &path, detection, cluster, findings);
        }
        balancing::localities(
            self.workload,
            policy.balancer.as_ref(),
            self.service,
            endpoints,
            cluster,
            findings,
        );
        let upstream = &mut cluster.policy.upstream;
        upstream.proxy_protocol = policy.proxy_protocol.map(|own| match own.version {
            ProxyProtocolVersion::V1 => upstream::ProxyProtocol::V1,
            ProxyProtocolVersion::V2 => upstream::ProxyProtocol::V2,
        });
        // Istio's numbers where none is given.
        upstream.retry_budget = policy.retry_budget.map(|own| upstream::RetryBudget {
            percent: own.percent.unwrap_or(20.0),
            always: match own.min_retry_concurrency {
                0 => 3,
                number => number,
            },
        });
        for (rule, path, message) in policy.not_served {
            findings.push(rule.warning(Code::NotServedField, &path, message));
        }
        calls
    }

    /// Gives a cluster the TLS that the rules ask for.
    pub(super) fn secure(
        &self,
        cluster: &mut Cluster,
        subset: &str,
        port: u16,
        findings: &mut Vec<Diagnostic>,
    ) {
        let Some((rule, path, tls)) = self.policy(subset, port).tls else {
            return;
        };
        if tls.mode == ClientTlsMode::IstioMutual {
            let sni = names::sni(&self.service.host, port, subset);
            cluster.tls = Some(tls::of_mesh(tls, self.service, sni));
            return;
        }
        let place = tls::Place {
            input: self.input,
            workload: self.workload,
            rule,
            path: &path,
        };
        cluster.origination = tls::origination(&place, tls, self.service, findings);
    }
}

/// How long connections without requests may be silent is given back: it is nothing to the cluster.
fn connection_pool(pool: &ConnectionPool, cluster: &mut Cluster) -> Option<Duration> {
    let tcp = pool.tcp.clone().unwrap_or_default();
    let http = pool.http.clone().unwrap_or_default();
    let pings = http.http2_keep_alive.as_ref();
    cluster.policy.upstream.pings = pings.and_then(|own| {
        let time = |time: &Option<GoDuration>| time.as_ref().and_then(GoDuration::get);
        Some(upstream::Pings {
            interval: time(&own.interval)?,
            timeout: time(&own.timeout)?,
        })
    });
    limits(&tcp, &http, cluster);
    if http.use_client_protocol {
        cluster.protocol = UpstreamProtocol::AsClient;
    } else if http.h2_upgrade_policy == H2Upgrade::Upgrade {
        cluster.protocol = UpstreamProtocol::Http2;
    }
    tcp.idle_timeout.as_ref().and_then(GoDuration::get)
}

fn limits(tcp: &TcpSettings, http: &HttpSettings, cluster: &mut Cluster) {
    let some = |value: i32| u32::try_from(value).ok().filter(|&value| value > 0);
    let policy = &mut cluster.policy;
    let time = |time: &Option<GoDuration>| time.as_ref().and_then(GoDuration::get);
    policy.connect = time(&tcp.connect_timeout).or(policy.connect);
    let limits = &mut policy.limits;
    limits.connections = some(tcp.max_connections).or(limits.connections);
    limits.pending_requests = some(http.http1_max_pending_requests).or(limits.pending_requests);
    limits.requests = some(http.http2_max_requests).or(limits.requests);
    limits.retries = some(http.max_retries).or(limits.retries);
    policy.requests_per_connection = some(http.max_requests_per_connection);
    policy.streams_per_connection = some(http.max_concurrent_streams);
    let max_connection = time(&tcp.max_connection_duration);
    let idle = time(&http.idle_timeout);
    if idle.is_some() || max_connection.is_some() {
        policy.http = Some(UpstreamTimeouts {
            idle: idle.unwrap_or(Duration::from_hours(1)),
            max_stream: None,
            max_connection,
        });
    }
    policy.keepalive = tcp.tcp_keepalive.as_ref().map(|own| Keepalive {
        probes: (own.probes > 0).then_some(own.probes),
        time: time(&own.time),
        interval: time(&own.interval),
    });
}

fn outliers(
    rule: &Resource<DestinationRule>,
    path: &Path,
    detection: &OutlierDetection,
    cluster: &mut Cluster,
    findings: &mut Vec<Diagnostic>,
) {
    if !detection.outlier_detection_http_error_codes.is_empty() {
        let path = path.field("outlierDetectionHttpErrorCodes");
        let message = "outlierDetectionHttpErrorCodes is not served";
        findings.push(rule.warning(Code::NotServedField, &path, message));
    }
    let number = |value: Option<u32>, otherwise: u32| match value.unwrap_or(otherwise) {
        0 => None,
        number => Some(Some(number)),
    };
    let older = u32::try_from(detection.consecutive_errors).unwrap_or_default();
    let percent = |value: i32| u32::try_from(value).ok().filter(|&value| value > 0);
    let time = |time: &Option<GoDuration>| time.as_ref().and_then(GoDuration::get);
    let split = detection.split_external_local_origin_errors;
    cluster.policy.outliers = Some(Outliers {
        interval: time(&detection.interval),
        base_ejection: time(&detection.base_ejection_time),
        max_percent: percent(detection.max_ejection_percent),
        split_local: split,
        total: number(detection.consecutive_5xx_errors, 5),
        gateway: number(detection.consecutive_gateway_errors, older),
        local: if split {
            number(detection.consecutive_local_origin_failures, 5)
        } else {
            None
        },
        success_rate: None,
        failures: None,
    });
    // Istio switches the threshold off where none is given.
    let healthy = percent(detection.min_health_percent).unwrap_or_default();
    cluster.policy.panic_threshold = Some(f64::from(healthy));
}
