//! Services outside of the mesh that a proxy may not reach, where a route of another destination leads to them.
//!
//! Whether it is enforced is known only when a configuration is made: in audit mode the routes stay, and the statistics
//! of the services' clusters count what would have been refused.

use std::borrow::Cow;

use super::policy::RoutePolicy;
use super::{Action, HeaderChanges, Proxy, Route, WeightedCluster};

/// How the names of their clusters begin.
pub const PREFIX: &str = "meshgate.io/forbidden-backend";

fn is_forbidden(cluster: &str) -> bool {
    cluster.starts_with(PREFIX)
}

/// The proxy without these clusters. Requests that have nowhere else to go are answered as the filter would, if it were
/// asked; a share of others gets 500, and connections are closed.
pub fn enforced(proxy: &Proxy) -> Cow<'_, Proxy> {
    if !proxy
        .clusters
        .iter()
        .any(|cluster| is_forbidden(&cluster.name))
    {
        return Cow::Borrowed(proxy);
    }
    let mut proxy = proxy.clone();
    proxy
        .clusters
        .retain(|cluster| !is_forbidden(&cluster.name));
    let listeners = proxy.ports.iter_mut().flat_map(|port| &mut port.listeners);
    let hosts = listeners.flat_map(|listener| &mut listener.virtual_hosts);
    for route in hosts.flat_map(|host| &mut host.routes) {
        let is_refused = |to: &WeightedCluster| is_forbidden(&to.cluster);
        if let Action::Forward(forward) = &route.action
            && !forward.clusters.is_empty()
            && forward.clusters.iter().all(is_refused)
        {
            refuse(route);
        }
    }
    Cow::Owned(proxy)
}

fn refuse(route: &mut Route) {
    let reason = "client_not_allowed";
    route.action = Action::Respond {
        status: 403,
        body: format!("{reason}: the proxy may not reach this service outside of the mesh\n")
            .into(),
    };
    route.request_headers = HeaderChanges::default();
    route.response_headers = HeaderChanges {
        set: vec![("x-meshgate-reason".to_owned(), reason.to_owned())],
        ..HeaderChanges::default()
    };
    route.policy = RoutePolicy::default();
}
