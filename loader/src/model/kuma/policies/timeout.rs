//! `Timeout` and `MeshTimeout`.

use std::time::Duration as StdDuration;

use ::policy::Tags;

use super::select::{Policies, To};
use crate::model::policy::{ClusterPolicy, ListenerPolicy, RoutePolicy, UpstreamTimeouts};
use crate::resources::kuma::policy::Duration;

/// What a `MeshTimeout` sets that leaves these out (Kuma `pkg/plugins/policies/core/defaults` at 2.14.3).
const IDLE: StdDuration = StdDuration::from_hours(1);
const REQUEST: StdDuration = StdDuration::from_secs(15);

pub(super) fn listener(policies: &Policies<'_>) -> ListenerPolicy {
    let conf = policies.inbound(&policies.resources.mesh_timeouts);
    let conf = conf.unwrap_or_default();
    let http = conf.http.unwrap_or_default();
    ListenerPolicy {
        idle: get(conf.idle_timeout.as_ref()),
        request_headers: get(http.request_headers_timeout.as_ref()),
        stream_idle: get(http.stream_idle_timeout.as_ref()),
        request: get(http.request_timeout.as_ref()),
        access_logs: Vec::new(),
        grpc_web: false,
    }
}

pub(super) fn route(
    policies: &Policies<'_>,
    route: To<'_>,
    to: &[&Tags],
    policy: &mut RoutePolicy,
) {
    let older = policies.connection_of_route(&policies.resources.timeouts, to);
    let older = older.and_then(|conf| conf.http.as_ref());
    // No limit is nothing to set for Kuma, and so Envoy's 15 s.
    policy.timeout = get(older.and_then(|http| http.request_timeout.as_ref()))
        .filter(|timeout| !timeout.is_zero());
    if let Some(conf) = policies.outbound(&policies.resources.mesh_timeouts, route) {
        let http = conf.http.unwrap_or_default();
        policy.timeout = get(http.request_timeout.as_ref()).or(Some(REQUEST));
        policy.idle = get(http.stream_idle_timeout.as_ref());
    }
}

pub(super) fn cluster(policies: &Policies<'_>, to: To<'_>, destination: &Tags) -> ClusterPolicy {
    let mut policy = ClusterPolicy::default();
    if let Some(older) = policies.connection(&policies.resources.timeouts, destination) {
        let conf = &older.spec.conf;
        let http = conf.http.clone().unwrap_or_default();
        policy.connect = get(conf.connect_timeout.as_ref());
        policy.http = Some(UpstreamTimeouts {
            idle: get(http.idle_timeout.as_ref()).unwrap_or_default(),
            max_stream: get(http.max_stream_duration.as_ref()),
            max_connection: None,
        });
    }
    let newer = policies.outbound(&policies.resources.mesh_timeouts, to);
    if let Some(conf) = newer {
        let http = conf.http.unwrap_or_default();
        policy.connect = get(conf.connection_timeout.as_ref());
        policy.http = Some(UpstreamTimeouts {
            idle: get(conf.idle_timeout.as_ref()).unwrap_or(IDLE),
            max_stream: get(http.max_stream_duration.as_ref()),
            max_connection: get(http.max_connection_duration.as_ref()),
        });
    }
    policy
}

pub(super) fn get(duration: Option<&Duration>) -> Option<StdDuration> {
    duration.and_then(Duration::get)
}
