//! Policies on the listeners, routes and clusters of a gateway.
//!
//! Which policies hold and in which order they are merged is the same for all and stands in `select`. Every other
//! module has one policy in its two generations: what its configuration means.
//!
//! The older generation comes first and the newer one replaces what both set, as in Kuma, where policies with
//! `targetRef` change what the gateway's generator has made. Rate limits are the exception: there the older one stays.

mod access_log;
mod circuit_breaker;
mod egress;
mod fault_injection;
mod health_check;
mod partial;
mod rate_limit;
mod retry;
mod select;
mod sidecar;
mod timeout;
mod tls;

use std::collections::BTreeMap;

use ::policy::Tags;

pub(super) use self::access_log::{Proxy, passing};
pub(crate) use self::fault_injection::kibibytes as bandwidth;
pub(crate) use self::retry::{CONDITIONS as RETRY_CONDITIONS, GRPC_CONDITIONS};

pub(super) use self::egress::{legacy_outside, outside};
pub(super) use self::partial::name_partial;
pub(super) use self::select::{Destination, Policies, Side, To};
pub(super) use self::sidecar::{inbound, outbound, upstream};
pub(super) use self::tls::{is_permissive, params as tls_params};

use super::lookup::InMesh;
use super::{SERVICE_TAG, connections};
use crate::model::policy::ClusterPolicy;
use crate::model::{Action, Cluster, Port, Protocol, UpstreamProtocol, WeightedCluster};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;

/// Gives listeners, routes and clusters what the policies of their mesh say.
pub(super) fn apply(
    mesh: &InMesh<'_>,
    gateway: &Resource<MeshGateway>,
    ports: &mut [Port],
    clusters: &mut Vec<Cluster>,
    proxy: &Proxy<'_>,
) {
    let resources = mesh.input.resources;
    let outside = mesh.outside();
    for cluster in clusters.iter_mut() {
        let policies = Policies::new(resources, Side::Gateway(gateway), &cluster.source);
        let service = cluster.destination.get(SERVICE_TAG).unwrap_or_default();
        let to = outside
            .get(service)
            .map_or(To::Service(service), |outside| {
                To::Destination(&outside.destination)
            });
        cluster.policy = of_cluster(&policies, to, cluster);
        if let Some(mtls) = &mut cluster.tls {
            mtls.params = tls::params(&policies);
        }
    }
    let mut collectors = Vec::new();
    let by_name: BTreeMap<&str, &Cluster> = clusters
        .iter()
        .map(|cluster| (cluster.name.as_str(), cluster))
        .collect();
    let find = |to: &WeightedCluster| by_name.get(to.cluster.as_str()).copied();
    for port in ports {
        let protocol = port.protocol;
        let of_port: Vec<Tags> = port.listeners.iter().map(|l| l.tags.clone()).collect();
        // Without TLS a connection belongs to no listener, so what any of them is given holds for all (Kuma's own rule
        // for every port: `BuildGatewayRules` at 2.14.3).
        let is_shared = matches!(protocol, Protocol::Http | Protocol::Tcp);
        let mut of_connections = |policies: &Policies<'_>| {
            let mut policy = timeout::listener(policies);
            policy.access_logs = access_log::listener(policies, proxy, protocol, &mut collectors);
            policy
        };
        let policies_of = |tags| Policies::of_any(resources, Side::Gateway(gateway), tags);
        // Made once: each listener would look at all policies for all listeners.
        let shared = is_shared.then(|| of_connections(&policies_of(&of_port)));
        for listener in &mut port.listeners {
            let own = std::slice::from_ref(&listener.tags);
            let policies = policies_of(if is_shared { &of_port } else { own });
            listener.policy = match &shared {
                Some(shared) => shared.clone(),
                None => of_connections(&policies),
            };
            let to = listener.connections.iter().flat_map(|to| &to.clusters);
            let to: Vec<&Tags> = to.filter_map(find).map(|to| &to.destination).collect();
            if connections::takes_connections(protocol) {
                let idle = || timeout::connections(&policies, To::Listener, &to);
                listener.policy.idle = listener.policy.idle.or_else(idle);
                let attempts = retry::connections(&policies, To::Listener, &to);
                listener.policy.connect_attempts = attempts;
            }
            let policies = policies_of(own);
            let routes = listener
                .virtual_hosts
                .iter_mut()
                .flat_map(|v| &mut v.routes);
            for route in routes {
                let Action::Forward(to) = &route.action else {
                    continue;
                };
                let to: Vec<&Cluster> = to.clusters.iter().filter_map(find).collect();
                let is_grpc = !to.is_empty() && to.iter().all(|to| is_grpc(to));
                let to: Vec<&Tags> = to.iter().map(|to| &to.destination).collect();
                let name = To::Route(route.origin.resource.as_str());
                timeout::route(&policies, name, &to, is_grpc, &mut route.policy);
                route.policy.retry = retry::route(&policies, name, &to, is_grpc);
                route.policy.rate_limit = rate_limit::route(&policies, name, &to);
                route.policy.faults = fault_injection::route(&policies, name);
            }
        }
    }
    clusters.append(&mut collectors);
}

/// What holds for connections to the endpoints of a cluster.
fn of_cluster(policies: &Policies<'_>, to: To<'_>, cluster: &Cluster) -> ClusterPolicy {
    let is_grpc = is_grpc(cluster);
    let destination = &cluster.destination;
    let mut policy = timeout::cluster(policies, to, destination, is_grpc);
    circuit_breaker::cluster(policies, to, destination, &mut policy);
    health_check::cluster(policies, to, destination, is_grpc, &mut policy);
    policy
}

fn is_grpc(cluster: &Cluster) -> bool {
    cluster.protocol == UpstreamProtocol::Grpc
}
