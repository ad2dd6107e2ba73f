//! Which `MeshHTTPRoute`s are for a listener.
//!
//! A gateway for thousands of hosts has as many listeners as policies, each policy for one of them by a tag. So they are
//! looked up by their tags: to try each policy with each listener would take the square of the time.

use std::collections::HashMap;

use super::{order, rank};
use crate::model::kuma::{Input, of_mesh};
use crate::model::{Listener, Port};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_http_route::MeshHttpRoute;

/// The policies of a gateway's mesh.
pub(in crate::model::kuma) struct Policies<'a, 'g> {
    gateway: &'g Resource<MeshGateway>,
    all: Vec<&'a Resource<MeshHttpRoute>>,
    /// By one of the tags with a value that a listener has to have.
    by_tag: HashMap<(&'a str, &'a str), Vec<usize>>,
    untagged: Vec<usize>,
}

impl<'a, 'g> Policies<'a, 'g> {
    pub(in crate::model::kuma) fn new(
        input: Input<'a>,
        gateway: &'g Resource<MeshGateway>,
    ) -> Self {
        let routes = of_mesh(&input.resources.mesh_http_routes, &gateway.meta.mesh);
        let routes = routes.filter(|route| !route.meta.is_shadow());
        let mut policies = Self {
            gateway,
            all: routes.collect(),
            by_tag: HashMap::new(),
            untagged: Vec::new(),
        };
        for (place, route) in policies.all.iter().enumerate() {
            let target = route.spec.target_ref.as_ref();
            // Tags of other kinds of targets decide nothing.
            let target = target.filter(|t| ["MeshSubset", "MeshGateway"].contains(&&*t.kind));
            let mut tags = target.into_iter().flat_map(|target| target.tags.iter());
            let places = match tags.find(|(_, value)| *value != "*") {
                Some(tag) => policies.by_tag.entry(tag).or_default(),
                None => &mut policies.untagged,
            };
            places.push(place);
        }
        policies
    }

    /// Whether any of them is for any listener.
    pub(in crate::model::kuma) fn any_attaches(&self, ports: &[Port]) -> bool {
        let mut listeners = ports.iter().flat_map(|port| &port.listeners);
        listeners.any(|listener| !self.of(listener).is_empty())
    }

    /// Those for a listener, in order of rising precedence: by rank, of equal ones the first by name last.
    pub(super) fn of(&self, listener: &Listener) -> Vec<&'a Resource<MeshHttpRoute>> {
        let tagged = listener.tags.iter().filter_map(|tag| self.by_tag.get(&tag));
        let mut places: Vec<_> = tagged.chain([&self.untagged]).flatten().copied().collect();
        places.sort_unstable();
        let routes = places.into_iter().filter_map(|place| self.all.get(place));
        let ranked = |route: &&'a Resource<MeshHttpRoute>| {
            let target = route.spec.target_ref.as_ref();
            Some((rank(target, self.gateway, listener)?, *route))
        };
        let mut policies: Vec<_> = routes.filter_map(ranked).collect();
        policies.sort_by_key(|(rank, route)| order(*rank, &route.meta));
        policies.into_iter().map(|(_, route)| route).collect()
    }
}
