//! The listeners of built-in gateways, as clients in other meshes find them: by tags, or by hostname.

use std::collections::{BTreeMap, HashMap};

use policy::Tags;

use super::cross_mesh::{endpoint, made, name};
use crate::model::kuma::lookup::{InMesh, Lookup};
use crate::model::kuma::{MESH_TAG, SERVICE_TAG};
use crate::model::{Cluster, CrossMeshGateway, Origin};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::kuma::mesh_gateway::{Listener, MeshGateway};
use crate::source::Path;

/// A listener of a Dataplane.
type Entrance<'a> = (
    &'a Resource<Dataplane>,
    &'a Resource<MeshGateway>,
    &'a Listener,
);

/// The gateways of a mesh with a Dataplane.
#[derive(Debug)]
pub(in crate::model::kuma) struct Entrances<'a> {
    /// By their `kuma.io/service`.
    by_service: BTreeMap<&'a str, Vec<Entrance<'a>>>,
    by_gateway: HashMap<&'a str, Vec<&'a Resource<Dataplane>>>,
}

impl<'a> Entrances<'a> {
    pub(in crate::model::kuma) fn new(
        gateways: &[(&'a Resource<Dataplane>, &'a Resource<MeshGateway>)],
    ) -> Self {
        let mut entrances = Self {
            by_service: BTreeMap::new(),
            by_gateway: HashMap::new(),
        };
        for (dataplane, gateway) in gateways.iter().copied() {
            let of_gateway = entrances.by_gateway.entry(&gateway.meta.name);
            of_gateway.or_default().push(dataplane);
            let own = dataplane.spec.networking.gateway.as_ref();
            for listener in listeners(gateway) {
                let tags = [&listener.tags, &gateway.spec.tags].into_iter();
                let mut tags = tags.chain(own.map(|gateway| &gateway.tags));
                let service = tags.find_map(|tags| tags.get(SERVICE_TAG));
                let of_service = entrances.by_service.entry(service.unwrap_or_default());
                let entrance = (dataplane, gateway, listener);
                of_service.or_default().push(entrance);
            }
        }
        entrances
    }

    /// The listeners with the tags of a destination.
    pub(super) fn with(
        &self,
        destination: &Tags,
    ) -> impl Iterator<Item = (&'a Resource<Dataplane>, &'a Listener)> {
        let service = destination.get(SERVICE_TAG);
        let service = service.filter(|service| *service != "*");
        let of_service = service.map(|service| self.by_service.get(service));
        let lists: Vec<_> = match of_service {
            Some(list) => list.into_iter().collect(),
            None => self.by_service.values().collect(),
        };
        let all = lists.into_iter().flatten().copied();
        all.filter(|entrance| tags(*entrance).matched_by(destination))
            .map(|(dataplane, _, listener)| (dataplane, listener))
    }

    fn of_gateway(&self, gateway: &Resource<MeshGateway>) -> &[&'a Resource<Dataplane>] {
        let dataplanes = self.by_gateway.get(gateway.meta.name.as_str());
        dataplanes.map_or(&[], Vec::as_slice)
    }
}

fn listeners(gateway: &Resource<MeshGateway>) -> &[Listener] {
    let conf = gateway.spec.conf.as_ref();
    conf.map_or(&[][..], |conf| &conf.listeners)
}

fn tags((dataplane, gateway, listener): Entrance<'_>) -> Tags {
    let own = dataplane.spec.networking.gateway.as_ref();
    let own = own.map_or_else(Tags::default, |gateway| gateway.tags.clone());
    own.overlaid(&gateway.spec.tags).overlaid(&listener.tags)
}

/// The cross-mesh listeners of all meshes with mTLS, and the clusters behind them.
pub(in crate::model::kuma) type Named = (Vec<CrossMeshGateway>, Vec<Cluster>);

/// One for each hostname and port: the first by mesh and gateway.
pub(super) fn named<'a>(lookup: &'a Lookup<'a>) -> &'a Named {
    lookup.named_gateways.get_or_init(|| find(lookup))
}

fn find(lookup: &Lookup<'_>) -> Named {
    let gateways = lookup.input.resources.mesh_gateways.iter();
    let gateways = gateways.map(|gateway| (gateway, lookup.mesh(&gateway.meta.mesh)));
    let mut gateways: Vec<_> = gateways.filter(|(_, mesh)| mesh.has_mtls()).collect();
    gateways.sort_by_key(|(gateway, _)| (&gateway.meta.mesh, &gateway.meta.name));
    let mut clusters = Vec::new();
    let mut named: BTreeMap<(String, u16), CrossMeshGateway> = BTreeMap::new();
    for (gateway, mesh) in gateways {
        for (index, listener) in listeners(gateway).iter().enumerate() {
            let Ok(port) = u16::try_from(listener.port) else {
                continue;
            };
            if !listener.cross_mesh {
                continue;
            }
            let key = (hostname(gateway, listener), port);
            if named.contains_key(&key) {
                continue;
            }
            let path = Path::of("conf.listeners").index(index);
            let origin = lookup.input.origin(gateway, &path);
            let cluster = cluster_of(mesh, gateway, listener, origin.clone());
            let made = CrossMeshGateway {
                mesh: gateway.meta.mesh.clone(),
                service: cluster
                    .destination
                    .get(SERVICE_TAG)
                    .unwrap_or_default()
                    .to_owned(),
                hostname: key.0.clone(),
                port: Some(port),
                cluster: cluster.name.clone(),
                origin,
            };
            clusters.push(cluster);
            named.insert(key, made);
        }
    }
    let mut ports: HashMap<String, usize> = HashMap::new();
    for (hostname, _) in named.keys() {
        *ports.entry(hostname.clone()).or_default() += 1;
    }
    let mut named: Vec<_> = named.into_values().collect();
    for gateway in &mut named {
        if ports.get(&gateway.hostname) == Some(&1) {
            gateway.port = None;
        }
    }
    (named, clusters)
}

/// The name of a listener for other meshes (Kuma `addFromMeshGateway` in `pkg/dns/vips_allocator.go` at 2.14.3).
fn hostname(gateway: &Resource<MeshGateway>, listener: &Listener) -> String {
    let hostname = listener.hostname.to_ascii_lowercase();
    if hostname.is_empty() || hostname.contains('*') {
        return format!("internal.{}.{}.mesh", gateway.meta.name, gateway.meta.mesh);
    }
    hostname
}

/// The Dataplanes of one listener. Their service is what the selector says, as in Kuma's names for them.
fn cluster_of(
    mesh: &InMesh<'_>,
    gateway: &Resource<MeshGateway>,
    listener: &Listener,
    origin: Origin,
) -> Cluster {
    let dataplanes = mesh.entrances().of_gateway(gateway);
    let mut destination = gateway.spec.tags.clone().overlaid(&listener.tags);
    for (tag, value) in gateway.spec.selectors.iter().flat_map(|s| s.tags.iter()) {
        let of_first = dataplanes
            .first()
            .and_then(|dataplane| dataplane.spec.networking.gateway.as_ref()?.tags.get(tag));
        let value = if value == "*" { of_first } else { Some(value) };
        if let Some(value) = value {
            destination.insert(tag, value);
        }
    }
    let endpoints = dataplanes
        .iter()
        .filter_map(|dataplane| endpoint(dataplane, listener));
    let mut endpoints: Vec<_> = endpoints.collect();
    endpoints.sort();
    let mut tags = destination.clone();
    tags.insert(MESH_TAG, mesh.name);
    let name = format!("{}:{}", name(&tags, mesh.name), listener.port);
    made(name, mesh.name, &destination, endpoints, origin)
}
