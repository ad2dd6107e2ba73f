//! What a mesh offers: endpoints, by the name of the service that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use policy::Tags;

use super::{
    Input, PROTOCOL_TAG, SERVICE_TAG, egress, external, has_mtls, mesh_external_services, of_mesh,
    sni,
};
use crate::diagnostic::Diagnostic;
use crate::model::identity::TlsParams;
use crate::model::{Endpoint, MeshTls, SpiffeIds, Trust};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, Inbound};
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::BackendRef;
use crate::resources::kuma::mesh_service::{IdentityKind, MeshService, Port, Selector};

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
    input: Input<'a>,
    mesh: &'a str,
    offers: BTreeMap<String, Vec<Offer<'a>>>,
    /// The names in mTLS of ports of resources, which are not those of services.
    named: BTreeMap<String, Named>,
    /// Services outside of the mesh: they are in no mTLS.
    external: BTreeSet<String>,
    /// Those of them that a zone egress is asked for by their tags.
    through_egress: BTreeSet<String>,
    /// What `MeshExternalService`s speak.
    protocols: BTreeMap<String, &'a str>,
}

impl<'a> Services<'a> {
    /// Inbounds of Dataplanes by their tag; where it is that of an `ExternalService`, that one alone.
    pub(super) fn new(input: Input<'a>, mesh: &'a str, findings: &mut Vec<Diagnostic>) -> Self {
        let mut offers: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let mut external = BTreeSet::new();
        let mut through_egress = BTreeSet::new();
        for service in of_mesh(&input.resources.external_services, mesh) {
            let tags = &service.spec.tags;
            if egress::is_asked_for(input, mesh) {
                if let Some(name) = tags.get(SERVICE_TAG) {
                    let ways = egress::endpoints(input, mesh);
                    let ways = ways.into_iter().map(|endpoint| through(tags, endpoint));
                    offers.entry(name.to_owned()).or_default().extend(ways);
                    through_egress.insert(name.to_owned());
                }
                continue;
            }
            external.extend(tags.get(SERVICE_TAG).map(ToOwned::to_owned));
            let (Some(name), Some(endpoint)) = (
                tags.get(SERVICE_TAG),
                external::endpoint(input, service, findings),
            ) else {
                continue;
            };
            offers
                .entry(name.to_owned())
                .or_default()
                .push(offer(tags, endpoint));
        }
        let mut internal: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for dataplane in of_mesh(&input.resources.dataplanes, mesh) {
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
            input,
            mesh,
            offers,
            named: BTreeMap::new(),
            external,
            through_egress,
            protocols: BTreeMap::new(),
        };
        services.add_resources();
        services.add_external(findings);
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
        if self.external.contains(service) || !has_mtls(self.input.resources, self.mesh) {
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
                let all = of_mesh(&self.input.resources.mesh_services, self.mesh);
                let service = chosen(all, backend)?;
                let port = port(&service.spec.ports, backend)?;
                Some(port_name(service, "msvc", port.port))
            }
            "MeshMultiZoneService" => {
                let all = of_mesh(&self.input.resources.mesh_multi_zone_services, self.mesh);
                let service = chosen(all, backend)?;
                let port = port(&service.spec.ports, backend)?;
                Some(port_name(service, "mzsvc", port.port))
            }
            "MeshExternalService" => {
                let all = of_mesh(&self.input.resources.mesh_external_services, self.mesh);
                let service = chosen(all, backend)?;
                let port = service.spec.matching.port;
                // It has one port only, which outbounds need not name.
                let is_meant = backend.port.is_none_or(|other| other == 0 || other == port);
                is_meant.then(|| external_name(service))
            }
            _ => None,
        }
    }

    fn add_external(&mut self, findings: &mut Vec<Diagnostic>) {
        for service in of_mesh(&self.input.resources.mesh_external_services, self.mesh) {
            let protocol = service.spec.matching.protocol.as_str();
            let name = external_name(service);
            let endpoints = if egress::is_declared(self.input, self.mesh) {
                let named = Named {
                    sni: sni::of_external_service(&service.meta, service.spec.matching.port),
                    peers: BTreeSet::from([egress::peer(self.mesh)]),
                };
                self.named.insert(name.clone(), named);
                mesh_external_services::through_egress(self.input, service, findings)
            } else {
                self.external.insert(name.clone());
                mesh_external_services::endpoints(self.input, service, findings)
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

    fn add_resources(&mut self) {
        let resources = self.input.resources;
        for service in of_mesh(&resources.mesh_services, self.mesh) {
            for port in &service.spec.ports {
                let offers = self.of_port(service, port);
                let name = port_name(service, "msvc", port.port);
                let named = Named {
                    sni: sni::of_mesh_service(&service.meta, port.port),
                    peers: self.identities(service),
                };
                self.named.insert(name.clone(), named);
                self.offers.insert(name, offers);
            }
        }
        for service in of_mesh(&resources.mesh_multi_zone_services, self.mesh) {
            let selector = &service.spec.selector.mesh_service;
            for port in &service.spec.ports {
                let services = of_mesh(&resources.mesh_services, self.mesh)
                    .filter(|part| selector.matches(&part.meta.labels));
                let offers = services.flat_map(|part| {
                    let own = part.spec.ports.iter().filter(|p| p.port == port.port);
                    own.flat_map(|own| self.of_port(part, own))
                });
                let offers = offers.collect();
                let name = port_name(service, "mzsvc", port.port);
                let parts = of_mesh(&resources.mesh_services, self.mesh)
                    .filter(|part| selector.matches(&part.meta.labels));
                let named = Named {
                    sni: sni::of_multi_zone_service(&service.meta, port.port),
                    peers: parts.flat_map(|part| self.identities(part)).collect(),
                };
                self.named.insert(name.clone(), named);
                self.offers.insert(name, offers);
            }
        }
    }

    /// Who the endpoints of a MeshService are: what it says, or what a control plane would write there (Kuma
    /// `buildIdentities` in `pkg/core/resources/apis/meshservice/status/updater.go` at 2.14.3).
    fn identities(&self, service: &Resource<MeshService>) -> BTreeSet<SpiffeIds> {
        let mut peers: BTreeSet<_> = service
            .spec
            .identities
            .iter()
            .map(|identity| match identity.kind {
                IdentityKind::ServiceTag => SpiffeIds::service(self.mesh, &identity.value),
                IdentityKind::SpiffeId => SpiffeIds::Exact(identity.value.clone()),
            })
            .collect();
        if peers.is_empty() {
            let selector = &service.spec.selector;
            let dataplanes = of_mesh(&self.input.resources.dataplanes, self.mesh);
            let inbounds = dataplanes.flat_map(|dataplane| {
                endpoints(dataplane)
                    .filter(move |(inbound, _)| selects(selector, dataplane, inbound))
            });
            let services = inbounds.filter_map(|(inbound, _)| inbound.tags.get(SERVICE_TAG));
            peers = services
                .map(|name| SpiffeIds::service(self.mesh, name))
                .collect();
        }
        peers
    }

    /// The inbounds behind a port of a MeshService.
    fn of_port(&self, service: &Resource<MeshService>, port: &'a Port) -> Vec<Offer<'a>> {
        let selector = &service.spec.selector;
        of_mesh(&self.input.resources.dataplanes, self.mesh)
            .flat_map(|dataplane| {
                endpoints(dataplane).filter(move |(inbound, _)| {
                    selects(selector, dataplane, inbound) && is_target(port, inbound)
                })
            })
            .map(|(_, endpoint)| Offer {
                tags: None,
                protocol: &port.app_protocol,
                endpoint,
            })
            .collect()
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

fn selects(selector: &Selector, dataplane: &Resource<Dataplane>, inbound: &Inbound) -> bool {
    if let Some(tags) = &selector.dataplane_tags {
        return inbound.tags.matched_by(tags);
    }
    if let Some(reference) = &selector.dataplane_ref {
        return dataplane.meta.name == reference.name;
    }
    let labels = selector.dataplane_labels.as_ref();
    labels.is_some_and(|labels| labels.matches(&dataplane.meta.labels))
}

fn is_target(port: &Port, inbound: &Inbound) -> bool {
    let number = match &port.target_port {
        None => return inbound.port == port.port,
        Some(target) => target.0.parse::<u32>(),
    };
    match (number, &port.target_port) {
        (Ok(number), _) => inbound.port == number,
        (Err(_), Some(name)) => inbound.name == name.0,
        (Err(_), None) => false,
    }
}

/// The resource with the name, or the first by name with the labels.
fn chosen<'a, T>(
    all: impl Iterator<Item = &'a Resource<T>>,
    backend: &BackendRef,
) -> Option<&'a Resource<T>> {
    let is_meant = |resource: &&Resource<T>| {
        let meta = &resource.meta;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let by_name = meta.name == backend.name
            && (backend.namespace.is_empty() || backend.namespace == namespace);
        if backend.labels.is_empty() {
            return by_name;
        }
        let mut labels = backend.labels.iter();
        labels.all(|(name, value)| meta.labels.get(name) == Some(value))
    };
    all.filter(is_meant)
        .min_by_key(|resource| &resource.meta.name)
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

/// What others reach a Dataplane's services at (Kuma `ToInboundInterface` in
/// `api/mesh/v1alpha1/dataplane_helpers.go` at 2.14.3). Inbounds that take no requests are left out.
fn endpoints(dataplane: &Resource<Dataplane>) -> impl Iterator<Item = (&Inbound, Endpoint)> {
    let networking = &dataplane.spec.networking;
    let inbounds = networking.inbound.iter().filter(|i| i.takes_requests());
    inbounds.filter_map(|inbound| {
        let address = [
            &networking.advertised_address,
            &inbound.address,
            &networking.address,
        ]
        .into_iter()
        .find(|address| !address.is_empty())?;
        let endpoint = Endpoint {
            address: address.clone(),
            port: u16::try_from(inbound.port).ok()?,
            priority: 0,
            tls: None,
            weight: None,
            locality: None,
        };
        Some((inbound, endpoint))
    })
}
