//! The way out of a mesh through the zone's egresses: proxies that are in no mesh, have an identity in each, and are
//! asked for a service by SNI.

use super::{Input, has_mtls, of_mesh};
use crate::model::{Endpoint, SpiffeIds};
use crate::resources::kuma::dataplane::ZoneListenerType;

/// Where they are. Nobody speaks with them without mTLS, so there are none for a mesh without it (Kuma
/// `fillExternalServicesOutboundsThroughEgress` in `pkg/xds/topology/outbound.go` at 2.14.3).
pub(super) fn endpoints(input: Input<'_>, mesh: &str) -> Vec<Endpoint> {
    if !has_mtls(input.resources, mesh) {
        return Vec::new();
    }
    let egresses = input.resources.zone_egresses.iter();
    let endpoint = egresses.filter_map(|egress| {
        let networking = &egress.spec.networking;
        Some(Endpoint {
            address: networking.address.clone(),
            port: u16::try_from(networking.port).ok()?,
            priority: 0,
            tls: None,
            weight: None,
        })
    });
    let mut endpoints: Vec<_> = endpoint.collect();
    endpoints.sort();
    endpoints.dedup();
    endpoints
}

/// Who they are in a mesh.
pub(super) fn peer(mesh: &str) -> SpiffeIds {
    SpiffeIds::service(mesh, "zone-egress")
}

/// Whether the mesh wants its `ExternalService`s to be reached through them. Nothing goes round them: what they forbid
/// has to stay forbidden.
pub(super) fn is_asked_for(input: Input<'_>, mesh: &str) -> bool {
    let mut meshes = input.resources.meshes.iter();
    meshes.any(|other| other.meta.name == mesh && other.spec.routing.zone_egress)
}

/// Whether there are any, or proxies of the newer kind, which are not served. `MeshExternalService`s are reached
/// through them whatever the mesh asks for.
pub(super) fn is_declared(input: Input<'_>, mesh: &str) -> bool {
    let mut dataplanes = of_mesh(&input.resources.dataplanes, mesh);
    !input.resources.zone_egresses.is_empty()
        || dataplanes.any(|dataplane| {
            let mut listeners = dataplane.spec.networking.listeners.iter();
            listeners.any(|listener| listener.kind == ZoneListenerType::ZoneEgress)
        })
}
