//! Policies on the ports and clusters of sidecars. Their times differ from a gateway's (Kuma
//! `pkg/plugins/policies/core/defaults` and `pkg/defaults/mesh/meshtimeout.go` at 2.14.3).

use std::time::Duration as StdDuration;

use ::policy::Tags;

use super::select::{Destination, Policies, To};
use super::{
    Proxy, access_log, circuit_breaker, fault_injection, of_cluster, rate_limit, retry, timeout,
    tls,
};
use crate::model::policy::{ClusterPolicy, UpstreamTimeouts};
use crate::model::{Action, Cluster, Listener, Route};

const IDLE: StdDuration = StdDuration::from_hours(1);
const STREAM_IDLE: StdDuration = StdDuration::from_mins(30);
const REQUEST: StdDuration = StdDuration::from_secs(15);
const CONNECT: StdDuration = StdDuration::from_secs(5);

/// An inbound: what holds for everybody who calls it. Without policies it waits twice as long as callers do.
/// Collectors of its logs are added to `clusters`.
pub(in crate::model::kuma) fn inbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    listener: &mut Listener,
    cluster: &mut Cluster,
    clusters: &mut Vec<Cluster>,
) {
    let all = policies.resources;
    let times = policies.inbound(&all.mesh_timeouts);
    let factor = if times.is_some() { 1 } else { 2 };
    let request = times.as_ref().map_or(StdDuration::ZERO, |conf| {
        let http = conf.http.as_ref();
        timeout::get(http.and_then(|http| http.request_timeout.as_ref())).unwrap_or(REQUEST)
    });
    let conf = times.unwrap_or_default();
    let http = conf.http.clone().unwrap_or_default();
    let idle = timeout::get(conf.idle_timeout.as_ref()).unwrap_or(IDLE * factor);
    listener.policy = timeout::listener(policies);
    listener.policy.request = None;
    listener.policy.idle = Some(idle);
    listener
        .policy
        .stream_idle
        .get_or_insert(STREAM_IDLE * factor);
    listener.policy.access_logs = access_log::inbound(policies, proxy, listener, clusters);
    cluster.policy = ClusterPolicy {
        connect: Some(timeout::get(conf.connection_timeout.as_ref()).unwrap_or(CONNECT * factor)),
        http: Some(UpstreamTimeouts {
            idle,
            max_stream: timeout::get(http.max_stream_duration.as_ref()),
            max_connection: timeout::get(http.max_connection_duration.as_ref()),
        }),
        ..ClusterPolicy::default()
    };
    circuit_breaker::inbound(policies, &mut cluster.policy);
    let limit = rate_limit::inbound(policies, &listener.tags);
    let faults = fault_injection::inbound(policies);
    let stream_idle = listener.policy.stream_idle;
    for route in routes(listener) {
        route.policy.timeout = Some(request);
        route.policy.idle = stream_idle;
        route.policy.rate_limit.clone_from(&limit);
        route.policy.faults.clone_from(&faults);
    }
}

/// An outbound to a service, which may speak gRPC. Without policies nothing ends what takes long. Collectors of its
/// logs are added to `clusters`.
pub(in crate::model::kuma) fn outbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    service: &Destination,
    is_grpc: bool,
    listener: &mut Listener,
    clusters: &mut Vec<Cluster>,
) {
    let to = To::Destination(service);
    let tags = service.tags();
    let is_tcp = !listener.connections.is_empty();
    let times = times(policies, to, &tags, is_grpc, is_tcp);
    listener.policy.idle = Some(times.idle);
    listener.policy.stream_idle = Some(times.stream_idle);
    listener.policy.request_headers = times.request_headers;
    if is_tcp {
        listener.policy.connect_attempts = retry::connections(policies, to, &[&tags]);
    }
    listener.policy.access_logs =
        access_log::outbound(policies, proxy, service, listener, clusters);
    let retry = retry::route(policies, to, &[&tags], is_grpc);
    for route in routes(listener) {
        route.policy.timeout = Some(times.request);
        route.policy.idle = Some(times.stream_idle);
        route.policy.retry.clone_from(&retry);
    }
}

/// How long what is sent to a service may take; 0 is no limit.
#[derive(Default)]
struct Times {
    idle: StdDuration,
    stream_idle: StdDuration,
    request: StdDuration,
    request_headers: Option<StdDuration>,
}

/// Those of a `MeshTimeout`, or else those of a `Timeout` (Kuma `pkg/xds/envoy/listeners/v3/timeout_configurer.go` at
/// 2.14.3).
fn times(
    policies: &Policies<'_>,
    to: To<'_>,
    service: &Tags,
    is_grpc: bool,
    is_tcp: bool,
) -> Times {
    let get = timeout::get;
    if let Some(conf) = policies.outbound(&policies.resources.mesh_timeouts, to) {
        let http = conf.http.unwrap_or_default();
        return Times {
            idle: get(conf.idle_timeout.as_ref()).unwrap_or(IDLE),
            stream_idle: get(http.stream_idle_timeout.as_ref()).unwrap_or(STREAM_IDLE),
            request: get(http.request_timeout.as_ref()).unwrap_or(REQUEST),
            request_headers: get(http.request_headers_timeout.as_ref()),
        };
    }
    let Some(older) = policies.connection(&policies.resources.timeouts, service) else {
        return Times::default();
    };
    let conf = older.spec.conf.clone();
    let http = conf.http.unwrap_or_default();
    if is_tcp {
        let tcp = conf.tcp.unwrap_or_default();
        return Times {
            idle: get(tcp.idle_timeout.as_ref()).unwrap_or_default(),
            ..Times::default()
        };
    }
    let grpc = conf.grpc.filter(|_| is_grpc).unwrap_or_default();
    let stream_idle = http.stream_idle_timeout.or(grpc.stream_idle_timeout);
    Times {
        idle: get(http.idle_timeout.as_ref()).unwrap_or_default(),
        stream_idle: get(stream_idle.as_ref()).unwrap_or_default(),
        request: get(http.request_timeout.as_ref()).unwrap_or_default(),
        request_headers: None,
    }
}

/// The endpoints of a service.
pub(in crate::model::kuma) fn upstream(
    policies: &Policies<'_>,
    service: &Destination,
    cluster: &mut Cluster,
) {
    cluster.policy = of_cluster(policies, To::Destination(service), cluster);
    if let Some(mtls) = &mut cluster.tls {
        mtls.params = tls::params(policies);
    }
    // Without a policy Kuma sets none, and Envoy would take an hour.
    cluster.policy.http.get_or_insert_default();
}

fn routes(listener: &mut Listener) -> impl Iterator<Item = &mut Route> {
    let hosts = listener.virtual_hosts.iter_mut();
    let routes = hosts.flat_map(|host| &mut host.routes);
    routes.filter(|route| matches!(route.action, Action::Forward(_) | Action::ForwardAsDecided))
}
