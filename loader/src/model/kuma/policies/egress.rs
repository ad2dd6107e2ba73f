//! Policies on egresses, of which few hold there (Kuma `applyToEgress` in the plugins of `pkg/plugins/policies` at
//! 2.14.3): limits and health of `MeshExternalService`s, rates and faults of `ExternalService`s. Times are the clients'
//! own.

use ::policy::Tags;

use super::partial::name_partial_of_egress;
use super::select::{Destination, Policies, Side, To};
use super::{circuit_breaker, fault_injection, health_check, rate_limit};
use crate::diagnostic::Diagnostic;
use crate::model::{Cluster, Listener, UpstreamProtocol};
use crate::resources::Resources;

/// A `MeshExternalService`: what `to` says about it, whoever's policy it is. An egress has one cluster for all.
pub(in crate::model::kuma) fn outside(
    resources: &Resources,
    mesh: &str,
    service: &Destination,
    cluster: &mut Cluster,
) {
    let policies = Policies::of_any(resources, Side::Egress(mesh), &[]);
    let is_grpc = cluster.protocol == UpstreamProtocol::Grpc;
    let to = To::Destination(service);
    let tags = service.tags();
    circuit_breaker::cluster(&policies, to, &tags, &mut cluster.policy);
    health_check::cluster(&policies, to, &tags, is_grpc, &mut cluster.policy);
}

/// An `ExternalService`, by the tags of all resources that it is: what `from` says about everybody who calls it.
pub(in crate::model::kuma) fn legacy_outside(
    resources: &Resources,
    mesh: &str,
    tags: &[Tags],
    listener: &mut Listener,
    findings: &mut Vec<Diagnostic>,
) {
    let policies = Policies::of_any(resources, Side::Egress(mesh), tags);
    name_partial_of_egress(&policies, findings);
    let limit = tags
        .iter()
        .find_map(|tags| rate_limit::inbound(&policies, tags));
    let faults = fault_injection::inbound(&policies);
    let hosts = listener.virtual_hosts.iter_mut();
    for route in hosts.flat_map(|host| &mut host.routes) {
        route.policy.rate_limit.clone_from(&limit);
        route.policy.faults.clone_from(&faults);
    }
}
