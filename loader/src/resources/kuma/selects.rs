//! What Kuma's policies, routes and gateways are found by.

use policy::Tags;

use super::mesh_gateway::{MeshGateway, Selector};
use super::mesh_gateway_route::MeshGatewayRoute;
use super::mesh_http_route::{MeshHttpRoute, TargetRef};
use super::mesh_passthrough::MeshPassthrough;
use super::mesh_tcp_route::MeshTcpRoute;
use super::mesh_traffic_permission::MeshTrafficPermission;
use super::policy::{Connection, Policy};
use super::traffic_permission::TrafficPermission;
use crate::model::kuma::SERVICE_TAG;
use crate::resources::list::{Key, Selects};

/// A resource with `targetRef`.
pub trait Targeted {
    /// Whom it is for; all of the mesh if absent.
    fn target_ref(&self) -> Option<&TargetRef>;

    /// What each entry of `to` is about.
    fn to(&self) -> Vec<Option<&TargetRef>> {
        Vec::new()
    }

    /// Whether it says anything about those who call whom it is for.
    fn is_about_callers(&self) -> bool {
        true
    }
}

impl<C> Targeted for Policy<C> {
    fn target_ref(&self) -> Option<&TargetRef> {
        self.target_ref.as_ref()
    }

    fn to(&self) -> Vec<Option<&TargetRef>> {
        self.to.iter().map(|to| Some(&to.target_ref)).collect()
    }

    fn is_about_callers(&self) -> bool {
        !self.rules.is_empty() || !self.from.is_empty()
    }
}

impl Targeted for MeshHttpRoute {
    fn target_ref(&self) -> Option<&TargetRef> {
        self.target_ref.as_ref()
    }

    fn to(&self) -> Vec<Option<&TargetRef>> {
        self.to.iter().map(|to| to.target_ref.as_ref()).collect()
    }
}

impl Targeted for MeshTcpRoute {
    fn target_ref(&self) -> Option<&TargetRef> {
        self.target_ref.as_ref()
    }

    fn to(&self) -> Vec<Option<&TargetRef>> {
        self.to.iter().map(|to| Some(&to.target_ref)).collect()
    }
}

impl Targeted for MeshTrafficPermission {
    fn target_ref(&self) -> Option<&TargetRef> {
        self.target_ref.as_ref()
    }
}

impl Targeted for MeshPassthrough {
    fn target_ref(&self) -> Option<&TargetRef> {
        self.target_ref.as_ref()
    }
}

impl<T: Targeted> Selects for T {
    fn whom(&self) -> Vec<Vec<Key<'_>>> {
        vec![of_target(self.target_ref())]
    }

    fn what(&self) -> Vec<Vec<Key<'_>>> {
        self.to().into_iter().map(of_target).collect()
    }

    fn is_about_callers(&self) -> bool {
        Targeted::is_about_callers(self)
    }
}

impl<C> Selects for Connection<C> {
    fn whom(&self) -> Vec<Vec<Key<'_>>> {
        of_selectors(&self.sources)
    }

    fn what(&self) -> Vec<Vec<Key<'_>>> {
        of_selectors(&self.destinations)
    }
}

impl Selects for TrafficPermission {
    fn whom(&self) -> Vec<Vec<Key<'_>>> {
        of_selectors(&self.sources)
    }

    fn what(&self) -> Vec<Vec<Key<'_>>> {
        of_selectors(&self.destinations)
    }
}

impl Selects for MeshGateway {
    fn whom(&self) -> Vec<Vec<Key<'_>>> {
        of_selectors(&self.selectors)
    }

    fn what(&self) -> Vec<Vec<Key<'_>>> {
        Vec::new()
    }
}

impl Selects for MeshGatewayRoute {
    fn whom(&self) -> Vec<Vec<Key<'_>>> {
        of_selectors(&self.selectors)
    }

    fn what(&self) -> Vec<Vec<Key<'_>>> {
        Vec::new()
    }
}

fn of_target(target: Option<&TargetRef>) -> Vec<Key<'_>> {
    let Some(target) = target else {
        return Vec::new();
    };
    let kind = target.kind.as_str();
    let mut keys = match kind {
        "MeshSubset" | "MeshGateway" | "MeshServiceSubset" => of_tags(&target.tags),
        _ => Vec::new(),
    };
    match kind {
        "Mesh" | "MeshSubset" => {}
        "MeshServiceSubset" => {
            // The name is the service, whatever the tags say.
            keys.retain(|key| !matches!(key, Key::Tag(SERVICE_TAG, _)));
            keys.push(Key::Name("MeshService", &target.name));
        }
        _ if target.name.is_empty() => {
            let labels = target.labels.iter();
            keys.extend(labels.map(|(name, value)| Key::Label(name, value)));
        }
        _ => keys.push(Key::Name(kind, &target.name)),
    }
    keys
}

fn of_selectors(selectors: &[Selector]) -> Vec<Vec<Key<'_>>> {
    selectors.iter().map(|s| of_tags(&s.tags)).collect()
}

fn of_tags(tags: &Tags) -> Vec<Key<'_>> {
    let exact = tags.iter().filter(|(_, value)| *value != "*");
    exact.map(|(name, value)| Key::Tag(name, value)).collect()
}
