//! The way out of a mesh through the zone's egresses: proxies that are in no mesh, have an identity in each, and are
//! asked for a service by SNI.

use super::lookup::InMesh;
use super::zone_egress;
use crate::model::{Endpoint, SpiffeIds};
use crate::resources::kuma::dataplane::{State, ZoneListenerType};

/// Where the egresses are that serve all meshes. Nobody speaks with them without mTLS, so there are none for a mesh
/// without it (Kuma `fillExternalServicesOutboundsThroughEgress` in `pkg/xds/topology/outbound.go` at 2.14.3).
pub(super) fn endpoints(mesh: &InMesh<'_>) -> Vec<Endpoint> {
    let egresses = mesh.input.resources.zone_egresses.iter();
    let places = egresses.map(|egress| &egress.spec.networking);
    let places = places.map(|place| (place.address.as_str(), place.port));
    reached(mesh, places)
}

/// Those, and the egresses of the mesh that are listeners of its Dataplanes: they serve `MeshExternalService`s only.
pub(super) fn all_endpoints(mesh: &InMesh<'_>) -> Vec<Endpoint> {
    let listeners = mesh.dataplanes.iter().flat_map(|dataplane| {
        let networking = &dataplane.spec.networking;
        let listeners = networking.listeners.iter();
        let egresses = listeners.filter(|listener| {
            listener.kind == ZoneListenerType::ZoneEgress && listener.state == State::Ready
        });
        egresses.map(|listener| {
            let advertised = networking.advertised_address.as_str();
            let address = match advertised {
                "" => listener.address.as_str(),
                _ => advertised,
            };
            (address, listener.port)
        })
    });
    let mut all = endpoints(mesh);
    all.extend(reached(mesh, listeners));
    all.sort();
    all.dedup();
    all
}

fn reached<'a>(mesh: &InMesh<'_>, places: impl Iterator<Item = (&'a str, u32)>) -> Vec<Endpoint> {
    if !mesh.has_mtls() {
        return Vec::new();
    }
    let endpoint = places.filter_map(|(address, port)| {
        Some(Endpoint {
            address: address.to_owned(),
            port: u16::try_from(port).ok()?,
            priority: 0,
            tls: None,
            weight: None,
            locality: None,
        })
    });
    let mut endpoints: Vec<_> = endpoint.collect();
    endpoints.sort();
    endpoints.dedup();
    endpoints
}

/// Who they are in a mesh.
pub(super) fn peer(mesh: &str) -> SpiffeIds {
    SpiffeIds::service(mesh, zone_egress::SERVICE)
}

/// Whether there are any, also those that are listeners of Dataplanes. `MeshExternalService`s are reached through them
/// whatever the mesh asks for.
pub(super) fn is_declared(mesh: &InMesh<'_>) -> bool {
    !mesh.input.resources.zone_egresses.is_empty() || mesh.has_egress_listener()
}
