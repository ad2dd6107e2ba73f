//! Services outside of the mesh at their virtual addresses (Kuma `resolveVIPOutbounds` in
//! `pkg/xds/sync/dataplane_proxy_builder.go` at 2.14.3).

use std::collections::HashSet;

use super::Sidecar;
use crate::model::kuma::lookup::Addressed;
use crate::model::role::Opening;

/// The services that the service next to the proxy reaches at their addresses, by name, and how it does.
///
/// Where connections are caught, all of them are, or those that `reachableBackends` names. Otherwise those are left out
/// that got an address from a range that no machine has: outbounds and the port for hostnames lead to them.
pub(super) fn reached<'a>(
    own: &Sidecar<'a>,
) -> (impl Iterator<Item = Addressed<'a>> + use<'a>, Opening) {
    let networking = &own.dataplane.spec.networking;
    let is_caught = networking.catches_outbound();
    let transparent = networking.transparent_proxying.as_ref();
    let reachable = transparent.and_then(|said| said.reachable_backends.as_ref());
    let reachable = reachable.map(|reachable| reachable.refs.as_slice());
    let mut seen = HashSet::new();
    let reached = own.around.addresses().reached(is_caught, reachable);
    // Of two services at one place, which a finding names, the first is reached.
    let reached = reached.filter(move |found| seen.insert((found.address, found.port)));
    let opening = if is_caught {
        Opening::Caught
    } else {
        Opening::Vip
    };
    (reached, opening)
}
