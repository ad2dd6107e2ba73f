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
        ..ListenerPolicy::default()
    }
}

/// How long a connection may be silent where no rule says it: what `to` says, or the older policy for the services
/// that it goes to.
///
/// Kuma's gateway takes neither; its sidecars do for connections that leave (`ConfigureListener` in
/// `pkg/plugins/policies/meshtimeout/plugin/xds/configurer.go` at 2.14.3).
pub(super) fn connections(
    policies: &Policies<'_>,
    of: To<'_>,
    to: &[&Tags],
) -> Option<StdDuration> {
    let newer = policies.outbound(&policies.resources.mesh_timeouts, of);
    let newer = newer.and_then(|conf| get(conf.idle_timeout.as_ref()));
    newer.or_else(|| {
        let older = policies.connection_of_route(&policies.resources.timeouts, to)?;
        get(older.tcp.as_ref()?.idle_timeout.as_ref())
    })
}

pub(super) fn route(
    policies: &Policies<'_>,
    route: To<'_>,
    to: &[&Tags],
    is_grpc: bool,
    policy: &mut RoutePolicy,
) {
    let older = policies.connection_of_route(&policies.resources.timeouts, to);
    let grpc = older
        .and_then(|conf| conf.grpc.as_ref())
        .filter(|_| is_grpc);
    policy.idle = get(grpc.and_then(|grpc| grpc.stream_idle_timeout.as_ref()));
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

pub(super) fn cluster(
    policies: &Policies<'_>,
    to: To<'_>,
    destination: &Tags,
    is_grpc: bool,
) -> ClusterPolicy {
    let mut policy = ClusterPolicy::default();
    if let Some(older) = policies.connection(&policies.resources.timeouts, destination) {
        let conf = &older.spec.conf;
        let http = conf.http.clone().unwrap_or_default();
        let is_limit = |limit: &StdDuration| !limit.is_zero();
        let grpc = conf.grpc.as_ref().filter(|_| is_grpc);
        policy.connect = get(conf.connect_timeout.as_ref());
        policy.http = Some(UpstreamTimeouts {
            idle: get(http.idle_timeout.as_ref()).unwrap_or_default(),
            max_stream: get(http.max_stream_duration.as_ref())
                .filter(is_limit)
                .or_else(|| get(grpc?.max_stream_duration.as_ref()).filter(is_limit)),
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
