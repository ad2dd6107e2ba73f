//! From Kuma's resources to what one built-in gateway has to do.
//!
//! ```text
//! Dataplane ─select─▶ MeshGateway ─listeners─▶ ports ─┬─ certificates: secrets
//!                                                     └─ routes: gateway_routes | http_routes ─▶ paths, backends
//! ports, clusters ─policies─▶ the same, with what policies say
//! ```

mod backends;
mod certificates;
mod connections;
mod cross_mesh_clients;
mod effects;
mod egress;
mod external;
mod gateway_routes;
mod http_routes;
mod identities;
mod listeners;
mod lookup;
mod mesh_external_services;
mod meshes;
mod paths;
mod policies;
mod select;
mod services;
mod sidecar;
mod sni;
mod zone_egress;

use std::net::{IpAddr, Ipv4Addr};

use policy::Tags;

use self::backends::Backends;
use super::access::Access;
use super::{Dialect, Origin, Port, Proxy};
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::dataplane::{Dataplane, GatewayType};
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::zone_egress::ZoneEgress;
use crate::resources::{Meta, Resource, Resources};
use crate::source::{Path, Sources};

pub(crate) use certificates::{each as certificates_of, listener_name};
pub(crate) use cross_mesh_clients::by_policy as policies_decide_about_clients;
pub use identities::Nameless;
pub(crate) use lookup::InMesh;
pub use lookup::Lookup;
pub(crate) use mesh_external_services::access::about as permissions_about;
pub use meshes::{all as meshes, authorities, has_mtls};
pub(crate) use policies::{GRPC_CONDITIONS, RETRY_CONDITIONS, bandwidth};
pub use select::is_builtin_gateway;
pub(crate) use sidecar::passthrough::used as used_passthroughs;
pub use zone_egress::egress_identities;

/// The tag that names a service (Kuma `api/mesh/v1alpha1/dataplane_helpers.go`).
pub const SERVICE_TAG: &str = "kuma.io/service";
/// The tag that names the mesh of a gateway of another mesh.
pub const MESH_TAG: &str = "kuma.io/mesh";
/// The tag that says what a service speaks.
pub const PROTOCOL_TAG: &str = "kuma.io/protocol";

/// The tag and label that name a zone.
const ZONE_TAG: &str = "kuma.io/zone";

/// All resources, and the files that they stand in.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The resources.
    pub resources: &'a Resources,
    /// The files.
    pub sources: &'a Sources,
}

impl Input<'_> {
    /// The place of `path` in a resource, for metadata.
    pub(crate) fn origin<T>(&self, resource: &Resource<T>, path: &Path) -> Origin {
        let span = resource.span(path);
        Origin {
            resource: resource.meta.to_string(),
            file: self.sources.file(span.file).name.clone(),
            line: self.sources.line_of(span),
        }
    }
}

/// The resources of one mesh among `all`.
fn of_mesh<'a, 'm, T>(
    all: &'a [Resource<T>],
    mesh: &'m str,
) -> impl Iterator<Item = &'a Resource<T>> + use<'a, 'm, T> {
    all.iter()
        .filter(move |resource| resource.meta.mesh == mesh)
}

/// What the proxy of `dataplane` has to do: a built-in gateway, or the proxy next to a service.
///
/// Whatever is wrong is added to `findings`. There is no proxy if no MeshGateway selects a gateway, or if it cannot be
/// on its address or in its mesh.
pub fn proxy(
    input: Input<'_>,
    dataplane: &Resource<Dataplane>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    Lookup::new(input).proxy(dataplane, findings)
}

/// What the proxy of an egress has to do; nothing if it cannot be on its address. Whatever is wrong is added to
/// `findings`.
pub fn zone_egress(
    input: Input<'_>,
    egress: &Resource<ZoneEgress>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    Lookup::new(input).zone_egress(egress, findings)
}

/// The first service of a Dataplane, by which its proxy is known; its name if it has none.
pub fn service_of(dataplane: &Resource<Dataplane>) -> &str {
    let networking = &dataplane.spec.networking;
    let gateway = networking.gateway.iter().map(|gateway| &gateway.tags);
    let inbounds = networking.inbound.iter().map(|inbound| &inbound.tags);
    let mut services = gateway
        .chain(inbounds)
        .filter_map(|tags| tags.get(SERVICE_TAG));
    services.next().unwrap_or(&dataplane.meta.name)
}

fn address(dataplane: &Resource<Dataplane>, findings: &mut Vec<Diagnostic>) -> Option<IpAddr> {
    if let Ok(address) = dataplane.spec.networking.address.parse() {
        return Some(address);
    }
    let path = Path::of("networking.address");
    let message = "address has to be a valid IP address";
    findings.push(
        dataplane.error(Code::AddressIsNoIp, &path, message).help(
            "Envoy listens on addresses, not on names: write the one that the proxy listens on",
        ),
    );
    None
}

/// What the built-in gateway `dataplane` has to do.
///
/// Whatever is wrong is added to `findings`. There is no proxy if the Dataplane is no built-in gateway, or if no
/// MeshGateway selects it.
fn gateway<'a>(
    lookup: &'a Lookup<'a>,
    dataplane: &Resource<Dataplane>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    let networking = &dataplane.spec.networking;
    let dataplane_gateway = networking
        .gateway
        .as_ref()
        .filter(|gateway| gateway.kind == GatewayType::Builtin)?;
    let address = address(dataplane, findings)?;
    let (input, mesh) = (lookup.input, lookup.mesh(&dataplane.meta.mesh));
    let gateway = select::gateway_of(mesh, dataplane, findings)?;
    let identity = lookup.identity(dataplane, findings).ok()?;
    let mut backends = Backends::new(mesh, identity.as_ref(), findings);
    let mut ports = listeners::ports(
        lookup,
        address,
        &dataplane_gateway.tags,
        gateway,
        &mut backends,
        findings,
    );
    let mut clusters = backends.into_clusters();
    let tags = &dataplane_gateway.tags;
    let service = tags.get(SERVICE_TAG).unwrap_or(&dataplane.meta.name);
    let for_logs = policies::Proxy {
        input,
        mesh: &dataplane.meta.mesh,
        service,
        address,
        zone: zone(&dataplane.meta).unwrap_or_else(|| tags.get(ZONE_TAG).unwrap_or_default()),
        workload: workload(&dataplane.meta),
    };
    policies::apply(mesh, gateway, &mut ports, &mut clusters, &for_logs);
    Some(Proxy {
        dialect: Dialect::Kuma,
        name: dataplane.meta.core_name(),
        mesh: dataplane.meta.mesh.clone(),
        service: service.to_owned(),
        address,
        identity,
        ports,
        clusters,
        dns: None,
        transparent: None,
        tokens: Vec::new(),
        access: Access::default(),
    })
}

/// The zone that a Dataplane is labelled with.
fn zone(dataplane: &Meta) -> Option<&str> {
    dataplane.labels.get(ZONE_TAG).map(String::as_str)
}

/// Kuma's identifier of the workload that a Dataplane belongs to, if it says one (`workloadIdentity` in
/// `pkg/plugins/policies/meshaccesslog/plugin/v1alpha1/plugin.go` at 2.14.3).
fn workload(dataplane: &Meta) -> String {
    let label = |name| dataplane.labels.get(name).map_or("", String::as_str);
    match label("kuma.io/workload") {
        "" => String::new(),
        name => format!(
            "kri_wl_{}_{}_{}_{name}_",
            dataplane.mesh,
            label(ZONE_TAG),
            label("k8s.kuma.io/namespace"),
        ),
    }
}

/// The ports of a MeshGateway on a Dataplane with these tags.
pub fn ports_of<'a>(
    lookup: &'a Lookup<'a>,
    dataplane_tags: &Tags,
    gateway: &'a Resource<MeshGateway>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let mut backends = Backends::new(lookup.mesh(&gateway.meta.mesh), None, findings);
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    listeners::ports(
        lookup,
        nowhere,
        dataplane_tags,
        gateway,
        &mut backends,
        findings,
    )
}
