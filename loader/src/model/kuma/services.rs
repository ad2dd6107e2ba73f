//! What a mesh offers: endpoints, by the name of the service that they belong to.

mod inbounds;
mod index;

use std::collections::{BTreeMap, BTreeSet};

use policy::Tags;

use self::inbounds::{Inbounds, endpoints};
use self::index::Index;
use super::lookup::InMesh;
use super::{PROTOCOL_TAG, SERVICE_TAG, egress, external, mesh_external_services, sni};
use crate::diagnostic::Diagnostic;
use crate::model::identity::TlsParams;
use crate::model::{Endpoint, MeshTls, SpiffeIds, Trust};
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::BackendRef;
use crate::resources::kuma::mesh_service::{MeshMultiZoneService, MeshService, Port};

/// Kuma's name for a backend that does not exist; no cluster has it.
pub(super) const UNRESOLVED: &str = "kuma.io/unresolved-backend";

/// An endpoint of a service.
#[derive(Clone, Debug)]
pub(super) struct Offer<'a> {
    /// Its tags; none if the service is a resource, which has been asked for them already.
    tags: Option<&'a Tags>,
    /// What it speaks.
    pub(super) protocol: &'a str,
    pub(super) endpoint: Endpoint,
}

/// How a port of a resource is asked for in mTLS, and who answers.
#[derive(Clone, Debug)]
struct Named {
    sni: String,
    peers: BTreeSet<SpiffeIds>,
}

/// All services of a mesh.
#[derive(Debug)]
pub(super) struct Services<'a> {
    mesh: &'a str,
    has_mtls: bool,
    offers: BTreeMap<String, Vec<Offer<'a>>>,
    /// The names in mTLS of ports of resources, which are not those of services.
    named: BTreeMap<String, Named>,
    /// Services outside of the mesh: they are in no mTLS.
    external: BTreeSet<String>,
    /// Those of them that a zone egress is asked for by their tags.
    through_egress: BTreeSet<String>,
    /// What `MeshExternalService`s speak.
    protocols: BTreeMap<String, &'a str>,
    in_mesh: Index<'a, MeshService>,
    multi_zone: Index<'a, MeshMultiZoneService>,
    outside: Index<'a, MeshExternalService>,
}

impl<'a> Services<'a> {
    /// Inbounds of Dataplanes by their tag; where it is that of an `ExternalService`, that one alone.
    pub(super) fn new(mesh: &InMesh<'a>, findings: &mut Vec<Diagnostic>) -> Self {
        let mut offers: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let mut external = BTreeSet::new();
        let mut through_egress = BTreeSet::new();
        let ways = mesh.asks_for_egress().then(|| egress::endpoints(mesh));
        for service in mesh.external_services.iter().copied() {
            let tags = &service.spec.tags;
            if let Some(ways) = &ways {
                if let Some(name) = tags.get(SERVICE_TAG) {
                    let ways = ways.iter().map(|way| through(tags, way.clone()));
                    offers.entry(name.to_owned()).or_default().extend(ways);
                    through_egress.insert(name.to_owned());
                }
                continue;
            }
            external.extend(tags.get(SERVICE_TAG).map(ToOwned::to_owned));
            let (Some(name), Some(endpoint)) = (
                tags.get(SERVICE_TAG),
                external::endpoint(mesh.input, service, findings),
            ) else {
                continue;
            };
            offers
                .entry(name.to_owned())
                .or_default()
                .push(offer(tags, endpoint));
        }
        let mut internal: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for dataplane in mesh.dataplanes.iter().copied() {
            for (inbound, endpoint) in endpoints(dataplane) {
                if let Some(name) = inbound.tags.get(SERVICE_TAG) {
                    internal
                        .entry(name.to_owned())
                        .or_default()
                        .push(offer(&inbound.tags, endpoint));
                }
            }
        }
        for (name, own) in internal {
            offers.entry(name).or_insert(own);
        }
        let mut services = Self {
            mesh: mesh.name,
            has_mtls: mesh.has_mtls(),
            offers,
            named: BTreeMap::new(),
            external,
            through_egress,
            protocols: BTreeMap::new(),
            in_mesh: Index::new(mesh.mesh_services.iter().copied()),
            multi_zone: Index::new(mesh.mesh_multi_zone_services.iter().copied()),
            outside: Index::new(mesh.mesh_external_services.iter().copied()),
        };
        services.add_resources(mesh);
        services.add_external(mesh, findings);
        services
    }

    /// The endpoints with these tags.
    pub(super) fn find<'b>(
        &'b self,
        destination: &'b Tags,
    ) -> impl Iterator<Item = &'b Offer<'a>> + use<'a, 'b> {
        let service = destination.get(SERVICE_TAG);
        let offers = service.and_then(|name| self.offers.get(name));
        offers
            .into_iter()
            .flatten()
            .filter(move |offer| offer.tags.is_none_or(|tags| tags.matched_by(destination)))
    }

    /// The mTLS with the endpoints of these tags; none if the mesh has none, or if they are outside of it (Kuma
    /// `pkg/xds/envoy/clusters/v3/client_side_mtls_configurer.go` at 2.14.3).
    pub(super) fn tls(&self, destination: &Tags) -> Option<MeshTls> {
        let service = destination.get(SERVICE_TAG)?;
        if self.external.contains(service) || !self.has_mtls {
            return None;
        }
        let (sni, mut peers) = match self.named.get(service) {
            Some(named) => (named.sni.clone(), named.peers.iter().cloned().collect()),
            None => {
                let peer = if self.through_egress.contains(service) {
                    egress::peer(self.mesh)
                } else {
                    SpiffeIds::service(self.mesh, service)
                };
                (sni::of_tags(destination, self.mesh), vec![peer])
            }
        };
        // No names at all would be any; no certificate has this one.
        if peers.is_empty() {
            peers.push(SpiffeIds::service(self.mesh, ""));
        }
        Some(MeshTls {
            trust: Trust::Mesh(self.mesh.to_owned()),
            peers,
            sni,
            params: TlsParams::default(),
        })
    }

    /// The tags that a reference of a route means (Kuma `BackendRef.ReferencesRealObject` and `BackendRefOrNil` at
    /// 2.14.3): those of a legacy service, or the name of a resource's port as the service.
    pub(super) fn destination(&self, backend: &BackendRef) -> Tags {
        let is_legacy = match backend.kind.as_str() {
            "MeshService" => backend.port.is_none() && backend.section_name.is_empty(),
            kind => kind == "MeshServiceSubset",
        };
        let mut tags = backend.tags.clone();
        if is_legacy {
            tags.insert(SERVICE_TAG, &backend.name);
        } else {
            let name = self.resource(backend);
            tags = Tags::default();
            tags.insert(SERVICE_TAG, name.unwrap_or_else(|| UNRESOLVED.to_owned()));
        }
        tags
    }

    fn resource(&self, backend: &BackendRef) -> Option<String> {
        match backend.kind.as_str() {
            "MeshService" => {
                let service = chosen(&self.in_mesh, backend)?;
                let port = port(&service.spec.ports, backend)?;
                Some(port_name(service, "msvc", port.port))
            }
            "MeshMultiZoneService" => {
                let service = chosen(&self.multi_zone, backend)?;
                let port = port(&service.spec.ports, backend)?;
                Some(port_name(service, "mzsvc", port.port))
            }
            "MeshExternalService" => {
                let service = chosen(&self.outside, backend)?;
                let port = service.spec.matching.port;
                // It has one port only, which outbounds need not name.
                let is_meant = backend.port.is_none_or(|other| other == 0 || other == port);
                is_meant.then(|| external_name(service))
            }
            _ => None,
        }
    }

    fn add_external(&mut self, mesh: &InMesh<'a>, findings: &mut Vec<Diagnostic>) {
        let ways = egress::is_declared(mesh).then(|| egress::all_endpoints(mesh));
        for service in mesh.mesh_external_services.iter().copied() {
            let protocol = service.spec.matching.protocol.as_str();
            let name = external_name(service);
            let endpoints = if let Some(ways) = &ways {
                let named = Named {
                    sni: sni::of_external_service(&service.meta, service.spec.matching.port),
                    peers: BTreeSet::from([egress::peer(self.mesh)]),
                };
                self.named.insert(name.clone(), named);
                mesh_external_services::check_egress(service, ways, findings);
                ways.clone()
            } else {
                self.external.insert(name.clone());
                mesh_external_services::endpoints(mesh.input, service, findings)
            };
            let offers = endpoints.into_iter().map(|endpoint| Offer {
                tags: None,
                protocol,
                endpoint,
            });
            self.offers.insert(name.clone(), offers.collect());
            self.protocols.insert(name, protocol);
        }
    }

    /// What a `MeshExternalService` speaks, whether or not it has endpoints; nothing for all other services.
    pub(super) fn protocol_outside(&self, destination: &Tags) -> Option<&'a str> {
        let service = destination.get(SERVICE_TAG)?;
        self.protocols.get(service).copied()
    }

    fn add_resources(&mut self, mesh: &InMesh<'a>) {
        if self.in_mesh.all().is_empty() && self.multi_zone.all().is_empty() {
            return;
        }
        let inbounds = Inbounds::new(mesh.dataplanes.iter().copied());
        for service in self.in_mesh.all() {
            for port in &service.spec.ports {
                let named = Named {
                    sni: sni::of_mesh_service(&service.meta, port.port),
                    peers: inbounds.identities(self.mesh, service),
                };
                let name = port_name(service, "msvc", port.port);
                self.offers
                    .insert(name.clone(), inbounds.of_port(service, port));
                self.named.insert(name, named);
            }
        }
        for service in self.multi_zone.all() {
            let selector = &service.spec.selector.mesh_service;
            let parts: Vec<_> = self.in_mesh.labelled(&selector.match_labels);
            for port in &service.spec.ports {
                let offers = parts.iter().flat_map(|part| {
                    let own = part.spec.ports.iter().filter(|p| p.port == port.port);
                    own.flat_map(|own| inbounds.of_port(part, own))
                });
                let peers = parts.iter();
                let peers = peers.flat_map(|part| inbounds.identities(self.mesh, part));
                let named = Named {
                    sni: sni::of_multi_zone_service(&service.meta, port.port),
                    peers: peers.collect(),
                };
                let name = port_name(service, "mzsvc", port.port);
                self.offers.insert(name.clone(), offers.collect());
                self.named.insert(name, named);
            }
        }
    }
}

fn offer(tags: &Tags, endpoint: Endpoint) -> Offer<'_> {
    Offer {
        tags: Some(tags),
        protocol: tags.get(PROTOCOL_TAG).unwrap_or_default(),
        endpoint,
    }
}

/// An egress speaks with the service itself; with the egress Kuma's proxies speak HTTP/1.1 (seen on the wire at 2.14.3),
/// which is enough for all but gRPC.
fn through(tags: &Tags, endpoint: Endpoint) -> Offer<'_> {
    let offer = offer(tags, endpoint);
    Offer {
        protocol: match offer.protocol {
            "http2" => "http",
            protocol => protocol,
        },
        ..offer
    }
}

/// The resource with the name, or the first by name with the labels.
fn chosen<'a, T>(all: &Index<'a, T>, backend: &BackendRef) -> Option<&'a Resource<T>> {
    if !backend.labels.is_empty() {
        let labelled = all.labelled(&backend.labels).into_iter();
        return labelled.min_by_key(|resource| &resource.meta.name);
    }
    let mut named = all.named(&backend.name);
    named.find(|resource| {
        backend.namespace.is_empty() || backend.namespace == resource.meta.namespace()
    })
}

fn port<'a>(ports: &'a [Port], backend: &BackendRef) -> Option<&'a Port> {
    ports.iter().find(|port| match backend.port {
        Some(number) => port.port == number,
        None => {
            let name = port.name.clone().unwrap_or_else(|| port.port.to_string());
            name == backend.section_name
        }
    })
}

/// `<mesh>_<name>_<namespace>_<zone>_<kind>_<port>` (Kuma `destinationname.ResolveLegacyFromKRI` at 2.14.3).
pub(super) fn port_name<T>(resource: &Resource<T>, kind: &str, port: u32) -> String {
    let meta = &resource.meta;
    let label = |name| meta.labels.get(name).map(String::as_str);
    let name = label("kuma.io/display-name").unwrap_or(&meta.name);
    let namespace = label("k8s.kuma.io/namespace").or(meta.namespace.as_deref());
    let zone = label("kuma.io/zone").unwrap_or_default();
    format!(
        "{}_{name}_{}_{zone}_{kind}_{port}",
        meta.mesh,
        namespace.unwrap_or_default(),
    )
}

/// The name of a service outside of the mesh.
pub(super) fn external_name(service: &Resource<MeshExternalService>) -> String {
    port_name(service, "extsvc", service.spec.matching.port)
}
