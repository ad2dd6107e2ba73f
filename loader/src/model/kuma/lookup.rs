//! What proxies ask about all resources of a mesh, looked up once for all of them.
//!
//! A mesh has thousands of proxies, and checks make each: if each looked at all Dataplanes and services for itself, they
//! would take the square of the time.

mod addresses;
mod in_mesh;
mod outside;

use std::cell::OnceCell;
use std::collections::HashMap;

use super::sidecar::Named;
use super::{Input, identities, select, sidecar, zone_egress};
use crate::diagnostic::Diagnostic;
use crate::model::{Identity, Proxy};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::zone_egress::ZoneEgress;

pub(super) use self::addresses::Addressed;
pub(crate) use self::in_mesh::InMesh;
pub(super) use self::outside::{Outside, OutsideService};

/// All resources by their mesh, and what has been found in them so far.
///
/// What is wrong with what all proxies of a mesh have in common is said to the first one that asks.
pub struct Lookup<'a> {
    pub(super) input: Input<'a>,
    meshes: HashMap<&'a str, InMesh<'a>>,
    /// The mesh that nothing is in.
    empty: InMesh<'a>,
    /// The cross-mesh listeners of all meshes.
    pub(super) named_gateways: OnceCell<Named>,
}

impl<'a> Lookup<'a> {
    /// Nothing has been asked for yet.
    pub fn new(input: Input<'a>) -> Self {
        let resources = input.resources;
        let mut meshes: HashMap<&str, InMesh<'_>> = HashMap::new();
        macro_rules! sort {
            ($($list:ident by $mesh:ident,)*) => {$(
                for resource in &resources.$list {
                    let name = resource.meta.$mesh.as_str();
                    let mesh = meshes.entry(name);
                    let mesh = mesh.or_insert_with(|| InMesh::new(input, name));
                    mesh.$list.push(resource);
                }
            )*};
        }
        sort! {
            meshes by name,
            dataplanes by mesh,
            mesh_gateways by mesh,
            external_services by mesh,
            mesh_external_services by mesh,
            mesh_services by mesh,
            mesh_multi_zone_services by mesh,
            mesh_http_routes by mesh,
            mesh_tcp_routes by mesh,
            mesh_gateway_routes by mesh,
            traffic_routes by mesh,
            virtual_outbounds by mesh,
        }
        Self {
            input,
            meshes,
            empty: InMesh::new(input, ""),
            named_gateways: OnceCell::new(),
        }
    }

    /// The resources, and the files that they stand in.
    pub(crate) fn input(&self) -> Input<'a> {
        self.input
    }

    /// What is in a mesh.
    pub(crate) fn mesh(&self, name: &str) -> &InMesh<'a> {
        self.meshes.get(name).unwrap_or(&self.empty)
    }

    /// Whether the proxies of a mesh prove who they are.
    pub fn has_mtls(&self, mesh: &str) -> bool {
        self.mesh(mesh).has_mtls()
    }

    /// Who a Dataplane is; nobody if its mesh has no mTLS, and an error, which is in `findings`, if it has no name that a
    /// certificate can have.
    pub fn identity(
        &self,
        dataplane: &Resource<Dataplane>,
        findings: &mut Vec<Diagnostic>,
    ) -> Result<Option<Identity>, identities::Nameless> {
        identities::identity(self, dataplane, findings)
    }

    /// The MeshGateway that selects the Dataplane, if any does.
    pub fn gateway_of(
        &self,
        dataplane: &Resource<Dataplane>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<&'a Resource<MeshGateway>> {
        select::gateway_of(self.mesh(&dataplane.meta.mesh), dataplane, findings)
    }
}

impl<'a> Lookup<'a> {
    /// What the proxy of `dataplane` has to do, as [`super::proxy()`] says.
    pub fn proxy(
        &'a self,
        dataplane: &'a Resource<Dataplane>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Proxy> {
        if select::is_builtin_gateway(dataplane) {
            return super::gateway(self, dataplane, findings);
        }
        let address = super::address(dataplane, findings)?;
        sidecar::sidecar(self, dataplane, address, findings)
    }

    /// What the proxy of an egress has to do, as [`super::zone_egress()`] says.
    pub fn zone_egress(
        &'a self,
        egress: &'a Resource<ZoneEgress>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Proxy> {
        zone_egress::zone_egress(self, egress, findings)
    }
}

#[cfg(test)]
mod tests;
