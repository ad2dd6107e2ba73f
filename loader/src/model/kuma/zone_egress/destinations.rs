//! What clients of a mesh ask egresses for: a service alone, or one with tags, by the routes of the mesh. A name that
//! no route leads to is nobody's (Kuma `pkg/xds/generator/zoneproxy/destinations.go` at 2.14.3).

use std::collections::BTreeMap;

use policy::Tags;

use crate::model::kuma::lookup::InMesh;
use crate::model::kuma::{SERVICE_TAG, sni};
use crate::resources::kuma::mesh_http_route::{BackendRef, TargetRef};
use crate::resources::kuma::traffic_route::Conf;
use crate::resources::kuma::zone_ingress::AvailableService;

/// Stands for every service.
const ANY: &str = "*";

/// The tags that services are asked for with.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    by_service: BTreeMap<String, Vec<Tags>>,
}

impl Destinations {
    /// By all routes of the mesh. `available` are services of other zones, which have names by `VirtualOutbound`s too.
    pub(super) fn of_mesh(mesh: &InMesh<'_>, available: &[&AvailableService]) -> Self {
        let mut all = Self::default();
        all.by_older_routes(mesh);
        all.by_routes(mesh);
        all.by_gateways(mesh);
        all.by_names(mesh, available);
        all
    }

    /// The tags that a service is asked for with, by the name in TLS, each once.
    pub(super) fn of(&self, service: &str, mesh: &str) -> BTreeMap<String, Tags> {
        let own = self.by_service.get(service);
        let of_all = self.by_service.get(ANY);
        let all = own.into_iter().chain(of_all).flatten();
        let mut names = BTreeMap::new();
        for tags in all {
            let mut tags = tags.clone();
            tags.insert(SERVICE_TAG, service);
            names.entry(sni::of_tags(&tags, mesh)).or_insert(tags);
        }
        names
    }

    fn add(&mut self, tags: &Tags) {
        if let Some(service) = tags.get(SERVICE_TAG) {
            let known = self.by_service.entry(service.to_owned()).or_default();
            known.push(tags.clone());
        }
    }

    /// As soon as there is any `TrafficRoute`, only what one of them leads to is reached without another route.
    fn by_older_routes(&mut self, mesh: &InMesh<'_>) {
        let mut routes = mesh.traffic_routes.iter().peekable();
        if routes.peek().is_none() {
            self.add(&[(SERVICE_TAG, ANY)].into_iter().collect());
        }
        let confs = routes.filter_map(|route| route.spec.conf.as_ref());
        for destination in confs.flat_map(Conf::all_destinations) {
            self.add(destination);
        }
    }

    fn by_routes(&mut self, mesh: &InMesh<'_>) {
        for route in &mesh.mesh_http_routes {
            for to in &route.spec.to {
                for rule in &to.rules {
                    let backends = rule.conf.backend_refs.as_deref().unwrap_or_default();
                    self.by_rule(to.target_ref.as_ref(), backends);
                }
            }
        }
        for route in &mesh.mesh_tcp_routes {
            for to in &route.spec.to {
                for rule in &to.rules {
                    self.by_rule(Some(&to.target_ref), &rule.conf.backend_refs);
                }
            }
        }
    }

    fn by_rule(&mut self, to: Option<&TargetRef>, backends: &[BackendRef]) {
        let to = to.filter(|_| backends.is_empty());
        let to = to.and_then(|to| legacy(&to.kind, &to.name, &to.tags));
        let backends = backends
            .iter()
            .filter_map(|to| legacy(&to.kind, &to.name, &to.tags));
        for tags in backends.chain(to) {
            self.add(&tags);
        }
    }

    fn by_gateways(&mut self, mesh: &InMesh<'_>) {
        for route in &mesh.mesh_gateway_routes {
            let conf = route.spec.conf.iter();
            let http = conf.clone().flat_map(|conf| &conf.http);
            let http = http.flat_map(|http| &http.rules).map(|rule| &rule.backends);
            let tcp = conf.flat_map(|conf| &conf.tcp);
            let tcp = tcp.flat_map(|tcp| &tcp.rules).map(|rule| &rule.backends);
            for backend in http.chain(tcp).flatten() {
                self.add(&backend.destination);
            }
        }
        for gateway in &mesh.mesh_gateways {
            let listeners = gateway.spec.conf.iter().flat_map(|conf| &conf.listeners);
            for listener in listeners.filter(|listener| listener.cross_mesh) {
                for selector in &gateway.spec.selectors {
                    let tags = gateway.spec.tags.clone().overlaid(&selector.tags);
                    let mut tags = tags.overlaid(&listener.tags);
                    if let Some(service) = selector.tags.get(SERVICE_TAG) {
                        tags.insert(SERVICE_TAG, service);
                    }
                    self.add(&tags);
                }
            }
        }
    }

    fn by_names(&mut self, mesh: &InMesh<'_>, available: &[&AvailableService]) {
        for outbound in &mesh.virtual_outbounds {
            for service in available {
                let mut selectors = outbound.spec.selectors.iter();
                if !selectors.any(|selector| service.tags.matched_by(&selector.tags)) {
                    continue;
                }
                let conf = outbound.spec.conf.iter();
                let keys = conf
                    .flat_map(|conf| &conf.parameters)
                    .map(|parameter| match parameter.tag_key.as_str() {
                        "" => parameter.name.as_str(),
                        key => key,
                    });
                let tags = keys.filter_map(|key| Some((key, service.tags.get(key)?)));
                let mut tags: Tags = tags.collect();
                if let Some(name) = service.tags.get(SERVICE_TAG) {
                    tags.insert(SERVICE_TAG, name);
                    self.add(&tags);
                }
            }
        }
    }
}

/// The tags that a reference to a service by its tag means (Kuma `FromLegacyTargetRef` in
/// `pkg/xds/envoy/tags/match.go` at 2.14.3).
fn legacy(kind: &str, name: &str, tags: &Tags) -> Option<Tags> {
    let (service, tags) = match kind {
        "MeshService" => (name, None),
        "MeshServiceSubset" => (name, Some(tags)),
        "Mesh" => (ANY, None),
        "MeshSubset" => (ANY, Some(tags)),
        _ => return None,
    };
    let mut all = tags.cloned().unwrap_or_default();
    all.insert(SERVICE_TAG, service);
    Some(all)
}
