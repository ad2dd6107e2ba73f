//! Services outside of the mesh at their virtual addresses (Kuma `resolveVIPOutbounds` in
//! `pkg/xds/sync/dataplane_proxy_builder.go` at 2.14.3).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Sidecar;
use crate::model::kuma::mesh_external_services::is_named;
use crate::model::kuma::of_mesh;
use crate::model::role::Opening;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::vips;

/// A service at its address.
pub(super) struct Vip<'a> {
    pub(super) service: &'a Resource<MeshExternalService>,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) opening: Opening,
}

/// The services that the service next to the proxy reaches at their addresses, by name.
///
/// Where connections are caught, all of them are. Otherwise those are left out that got an address from a range that no
/// machine has: outbounds and the port for hostnames lead to them.
pub(super) fn reached<'a>(own: &Sidecar<'a>) -> Vec<Vip<'a>> {
    let networking = &own.dataplane.spec.networking;
    let resources = own.input.resources;
    let mut services: Vec<_> = of_mesh(&resources.mesh_external_services, own.mesh()).collect();
    services.sort_by_key(|service| &service.meta.name);
    let mut seen = BTreeSet::new();
    let reached = services.into_iter().filter_map(|service| {
        let address = *resources.vips.get(&vips::key(&service.meta))?;
        let port = u16::try_from(service.spec.matching.port).ok()?;
        let opening = if networking.catches_outbound() {
            Opening::Caught
        } else if address.is_loopback() || vips::given(service).is_some() {
            Opening::Vip
        } else {
            return None;
        };
        let is_served = service.spec.extension.is_none() && port > 0 && is_reachable(own, service);
        // Of two services at one place, which a finding names, the first is reached.
        (is_served && seen.insert((address, port))).then_some(Vip {
            service,
            address,
            port,
            opening,
        })
    });
    reached.collect()
}

/// Whether `reachableBackends` names it, if there are any.
fn is_reachable(own: &Sidecar<'_>, service: &Resource<MeshExternalService>) -> bool {
    let networking = &own.dataplane.spec.networking;
    let transparent = networking.transparent_proxying.as_ref();
    let Some(reachable) = transparent.and_then(|t| t.reachable_backends.as_ref()) else {
        return true;
    };
    reachable.refs.iter().any(|backend| {
        let is_port = matches!(backend.port, 0) || backend.port == service.spec.matching.port;
        backend.kind == "MeshExternalService"
            && is_port
            && is_named(service, &backend.name, &backend.namespace, &backend.labels)
    })
}
