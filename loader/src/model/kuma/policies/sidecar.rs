//! Policies on the ports and clusters of sidecars. Their times differ from a gateway's (Kuma
//! `pkg/plugins/policies/core/defaults` and `pkg/defaults/mesh/meshtimeout.go` at 2.14.3).

use std::time::Duration as StdDuration;

use super::select::{Destination, Policies, To};
use super::{
    Proxy, access_log, circuit_breaker, fault_injection, health_check, rate_limit, retry, timeout,
    tls,
};
use crate::model::policy::{ClusterPolicy, UpstreamTimeouts};
use crate::model::{Action, Cluster, Listener, Route};

const IDLE: StdDuration = StdDuration::from_hours(1);
const STREAM_IDLE: StdDuration = StdDuration::from_mins(30);
const REQUEST: StdDuration = StdDuration::from_secs(15);
const CONNECT: StdDuration = StdDuration::from_secs(5);

/// An inbound: what holds for everybody who calls it. Without policies it waits twice as long as callers do.
pub(in crate::model::kuma) fn inbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    listener: &mut Listener,
    cluster: &mut Cluster,
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
    listener.policy.access_logs = access_log::inbound(policies, proxy, listener);
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

/// An outbound to a service. Without policies nothing ends what takes long.
pub(in crate::model::kuma) fn outbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    service: &Destination,
    listener: &mut Listener,
) {
    let all = policies.resources;
    let to = To::Destination(service);
    let tags = service.tags();
    let times = policies.outbound(&all.mesh_timeouts, to);
    let older = policies.connection(&all.timeouts, &tags);
    let older = older.and_then(|policy| policy.spec.conf.http.clone());
    let http = times
        .as_ref()
        .map(|conf| conf.http.clone().unwrap_or_default());
    let stream_idle = match &http {
        Some(http) => timeout::get(http.stream_idle_timeout.as_ref()).unwrap_or(STREAM_IDLE),
        None => StdDuration::ZERO,
    };
    let idle = times.as_ref().map_or(StdDuration::ZERO, |conf| {
        timeout::get(conf.idle_timeout.as_ref()).unwrap_or(IDLE)
    });
    listener.policy.idle = Some(idle);
    listener.policy.stream_idle = Some(stream_idle);
    listener.policy.request_headers = http
        .as_ref()
        .and_then(|http| timeout::get(http.request_headers_timeout.as_ref()));
    listener.policy.access_logs = access_log::outbound(policies, proxy, service, listener);
    let destinations = [&tags];
    let retry = retry::route(policies, to, &destinations);
    for route in routes(listener) {
        route.policy.timeout = Some(match (&http, &older) {
            (Some(http), _) => timeout::get(http.request_timeout.as_ref()).unwrap_or(REQUEST),
            (None, Some(older)) => timeout::get(older.request_timeout.as_ref()).unwrap_or_default(),
            (None, None) => StdDuration::ZERO,
        });
        route.policy.idle = Some(stream_idle);
        route.policy.retry.clone_from(&retry);
    }
}

/// The endpoints of a service.
pub(in crate::model::kuma) fn upstream(
    policies: &Policies<'_>,
    service: &Destination,
    cluster: &mut Cluster,
) {
    let to = To::Destination(service);
    cluster.policy = timeout::cluster(policies, to, &cluster.destination);
    circuit_breaker::cluster(policies, to, &cluster.destination, &mut cluster.policy);
    health_check::cluster(policies, to, &mut cluster.policy);
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
