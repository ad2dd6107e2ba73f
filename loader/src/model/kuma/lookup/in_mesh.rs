//! What is in one mesh.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::addresses::Addresses;
use super::outside::Outside;
use crate::diagnostic::Diagnostic;
use crate::model::kuma::services::Services;
use crate::model::kuma::sidecar::Entrances;
use crate::model::kuma::{Input, mesh_external_services, select};
use crate::resources::kuma::dataplane::{Dataplane, ZoneListenerType};
use crate::resources::kuma::external_service::ExternalService;
use crate::resources::kuma::mesh::{Authority, Mesh, Mode};
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_gateway_route::MeshGatewayRoute;
use crate::resources::kuma::mesh_http_route::MeshHttpRoute;
use crate::resources::kuma::mesh_service::{MeshMultiZoneService, MeshService};
use crate::resources::kuma::mesh_tcp_route::MeshTcpRoute;
use crate::resources::kuma::traffic_route::TrafficRoute;
use crate::resources::kuma::virtual_outbound::VirtualOutbound;
use crate::resources::{Resource, list};

/// The resources of a mesh in their order, and what its proxies have asked for so far.
pub(crate) struct InMesh<'a> {
    pub(in crate::model::kuma) input: Input<'a>,
    pub(in crate::model::kuma) name: &'a str,
    /// The `Mesh` itself: one, unless somebody gives it twice.
    pub(super) meshes: Vec<&'a Resource<Mesh>>,
    pub(crate) dataplanes: Vec<&'a Resource<Dataplane>>,
    pub(crate) mesh_gateways: Vec<&'a Resource<MeshGateway>>,
    pub(crate) external_services: Vec<&'a Resource<ExternalService>>,
    pub(in crate::model::kuma) mesh_external_services: Vec<&'a Resource<MeshExternalService>>,
    pub(in crate::model::kuma) mesh_services: Vec<&'a Resource<MeshService>>,
    pub(in crate::model::kuma) mesh_multi_zone_services: Vec<&'a Resource<MeshMultiZoneService>>,
    pub(in crate::model::kuma) mesh_http_routes: Vec<&'a Resource<MeshHttpRoute>>,
    pub(in crate::model::kuma) mesh_tcp_routes: Vec<&'a Resource<MeshTcpRoute>>,
    pub(in crate::model::kuma) mesh_gateway_routes: Vec<&'a Resource<MeshGatewayRoute>>,
    pub(in crate::model::kuma) traffic_routes: Vec<&'a Resource<TrafficRoute>>,
    pub(in crate::model::kuma) virtual_outbounds: Vec<&'a Resource<VirtualOutbound>>,
    services: OnceCell<Services<'a>>,
    outside: OnceCell<Outside<'a>>,
    hostnames: OnceCell<BTreeMap<String, Vec<String>>>,
    addresses: OnceCell<Addresses<'a>>,
    gateways: OnceCell<Vec<(&'a Resource<Dataplane>, &'a Resource<MeshGateway>)>>,
    entrances: OnceCell<Entrances<'a>>,
    /// Set as soon as the services without a hostname have been named.
    pub(in crate::model::kuma) nameless: OnceCell<()>,
}

impl<'a> InMesh<'a> {
    pub(super) fn new(input: Input<'a>, name: &'a str) -> Self {
        Self {
            input,
            name,
            meshes: Vec::new(),
            dataplanes: Vec::new(),
            mesh_gateways: Vec::new(),
            external_services: Vec::new(),
            mesh_external_services: Vec::new(),
            mesh_services: Vec::new(),
            mesh_multi_zone_services: Vec::new(),
            mesh_http_routes: Vec::new(),
            mesh_tcp_routes: Vec::new(),
            mesh_gateway_routes: Vec::new(),
            traffic_routes: Vec::new(),
            virtual_outbounds: Vec::new(),
            services: OnceCell::new(),
            outside: OnceCell::new(),
            hostnames: OnceCell::new(),
            addresses: OnceCell::new(),
            gateways: OnceCell::new(),
            entrances: OnceCell::new(),
            nameless: OnceCell::new(),
        }
    }

    /// The `Mesh`, if it is given.
    pub(in crate::model::kuma) fn mesh(&self) -> Option<&'a Resource<Mesh>> {
        self.meshes.first().copied()
    }

    fn authority(&self) -> Option<&'a Authority> {
        let (_, backend) = self.mesh()?.spec.mtls.as_ref()?.enabled()?;
        Some(backend)
    }

    /// Whether its proxies prove who they are.
    pub(crate) fn has_mtls(&self) -> bool {
        self.authority().is_some()
    }

    /// Whether its services take what is sent without mTLS, too; nothing if it has none.
    pub(in crate::model::kuma) fn is_permissive(&self) -> Option<bool> {
        let authority = self.authority()?;
        Some(authority.mode == Mode::Permissive)
    }

    /// Whether services outside that no permission is about are for nobody.
    pub(in crate::model::kuma) fn forbids_outside(&self) -> bool {
        let mut meshes = self.meshes.iter();
        meshes.any(|mesh| {
            mesh.spec
                .routing
                .default_forbid_mesh_external_service_access
        })
    }

    /// Whether it wants its `ExternalService`s to be reached through egresses. Nothing goes round them: what they forbid
    /// has to stay forbidden.
    pub(in crate::model::kuma) fn asks_for_egress(&self) -> bool {
        let mut meshes = self.meshes.iter();
        meshes.any(|mesh| mesh.spec.routing.zone_egress)
    }

    /// Whether any of its Dataplanes is an egress.
    pub(crate) fn has_egress_listener(&self) -> bool {
        let listeners = self.dataplanes.iter();
        let mut listeners = listeners.flat_map(|dataplane| &dataplane.spec.networking.listeners);
        listeners.any(|listener| listener.kind == ZoneListenerType::ZoneEgress)
    }

    /// All that it offers.
    pub(in crate::model::kuma) fn services(&self, findings: &mut Vec<Diagnostic>) -> &Services<'a> {
        self.services.get_or_init(|| Services::new(self, findings))
    }

    /// What is outside of it.
    pub(in crate::model::kuma) fn outside(&self) -> &Outside<'a> {
        self.outside.get_or_init(|| Outside::new(self))
    }

    /// The hostnames of each service outside that has any, by the service's name and sorted. What has been asked for and
    /// cannot be is added to the findings.
    pub(in crate::model::kuma) fn hostnames(
        &self,
        findings: &mut Vec<Diagnostic>,
    ) -> &BTreeMap<String, Vec<String>> {
        let make = || mesh_external_services::hostnames(self, findings);
        self.hostnames.get_or_init(make)
    }

    /// The virtual addresses of services outside.
    pub(in crate::model::kuma) fn addresses(&self) -> &Addresses<'a> {
        self.addresses.get_or_init(|| Addresses::new(self))
    }

    /// The MeshGateways that may select a Dataplane with these tags.
    pub(in crate::model::kuma) fn gateways_for(
        &self,
        tags: &policy::Tags,
    ) -> impl Iterator<Item = &'a Resource<MeshGateway>> + use<'a> {
        let all = &self.input.resources.mesh_gateways;
        let places = all.of(&list::sought(self.name, tags)).into_iter();
        let name = self.name;
        let found = places.filter_map(|place| all.get(place));
        found.filter(move |gateway| gateway.meta.mesh == name)
    }

    /// Its Dataplanes that are built-in gateways, each with its MeshGateway.
    pub(in crate::model::kuma) fn gateways(
        &self,
    ) -> &[(&'a Resource<Dataplane>, &'a Resource<MeshGateway>)] {
        self.gateways.get_or_init(|| {
            let dataplanes = self.dataplanes.iter().copied();
            let gateways = dataplanes.filter(|dataplane| select::is_builtin_gateway(dataplane));
            gateways
                .filter_map(|dataplane| {
                    let gateway = select::gateway_of(self, dataplane, &mut Vec::new())?;
                    Some((dataplane, gateway))
                })
                .collect()
        })
    }

    /// The listeners of those, by their tags.
    pub(in crate::model::kuma) fn entrances(&self) -> &Entrances<'a> {
        self.entrances
            .get_or_init(|| Entrances::new(self.gateways()))
    }
}
