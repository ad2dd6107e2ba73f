//! What the `to` of policies is about.

use std::collections::BTreeMap;

use ::policy::Tags;

use crate::model::kuma::SERVICE_TAG;
use crate::model::kuma::mesh_external_services::labels;
use crate::model::kuma::select::display_name;
use crate::model::kuma::services::external_name;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::list::{Key, Sought};

/// What a policy's `to` is asked about.
#[derive(Clone, Copy)]
pub(in crate::model::kuma) enum To<'a> {
    /// Requests of the route resource `MeshHTTPRoute/<mesh>/<name>`, whichever service they go to.
    Route(&'a str),
    /// All requests of a listener.
    Listener,
    /// Connections to this `kuma.io/service`.
    Service(&'a str),
    /// What a sidecar sends to this service.
    Destination(&'a Destination),
}

impl<'a> To<'a> {
    pub(super) fn route(self) -> Option<&'a str> {
        match self {
            To::Route(route) => Some(route),
            To::Service(_) | To::Destination(_) | To::Listener => None,
        }
    }

    /// What the entries of policies find it by.
    pub(super) fn keys(self, mesh: &str) -> Vec<Sought> {
        let mut keys = vec![Key::Any];
        match self {
            To::Route(route) => keys.push(route_key(route)),
            To::Listener => {}
            To::Service(service) => keys.push(Key::Name("MeshService", service)),
            To::Destination(service) => {
                let names = [&service.name, &service.display_name];
                keys.extend(names.map(|name| Key::Name(&service.kind, name)));
                let labels = service.labels.iter();
                keys.extend(labels.map(|(name, value)| Key::Label(name, value)));
            }
        }
        keys.into_iter().map(|key| key.sought(mesh)).collect()
    }

    /// Whether an entry of a policy of `mesh` with this `targetRef` is about it.
    pub(super) fn is_meant_by(self, target: &TargetRef, mesh: &str) -> bool {
        match (target.kind.as_str(), self) {
            ("Mesh", _) => true,
            ("MeshService", To::Service(service)) => target.name == service,
            (_, To::Destination(service)) => service.is_named_by(target),
            ("MeshHTTPRoute", To::Route(route)) => *route == route_name(mesh, target),
            _ => false,
        }
    }
}

pub(super) fn route_name(mesh: &str, target: &TargetRef) -> String {
    format!("MeshHTTPRoute/{mesh}/{}", target.name)
}

/// The key of a name that [`route_name`] makes.
pub(super) fn route_key(route: &str) -> Key<'_> {
    let name = route.rsplit_once('/').map_or(route, |(_, name)| name);
    Key::Name("MeshHTTPRoute", name)
}

/// What a sidecar calls, as policies name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::model::kuma) struct Destination {
    /// `MeshService`, `MeshMultiZoneService` or `MeshExternalService`.
    pub(in crate::model::kuma) kind: String,
    /// The name of the resource; of a service without one its `kuma.io/service`.
    pub(in crate::model::kuma) name: String,
    /// Its `kuma.io/service`, or what Kuma writes there for a resource.
    pub(in crate::model::kuma) kuma_service: String,
    /// The other name of the resource, `kuma.io/display-name`; empty if it has none.
    pub(in crate::model::kuma) display_name: String,
    /// Its namespace; empty if it has none.
    pub(in crate::model::kuma) namespace: String,
    /// The labels that policies know it by.
    pub(in crate::model::kuma) labels: BTreeMap<String, String>,
}

impl Destination {
    /// The service with these tags.
    pub(in crate::model::kuma) fn of_tags(tags: &Tags) -> Self {
        let service = tags.get(SERVICE_TAG).unwrap_or_default();
        Self {
            kind: "MeshService".to_owned(),
            name: service.to_owned(),
            kuma_service: service.to_owned(),
            ..Self::default()
        }
    }

    /// A service outside of the mesh.
    pub(in crate::model::kuma) fn outside(service: &Resource<MeshExternalService>) -> Self {
        let meta = &service.meta;
        Self {
            kind: meta.kind.clone(),
            name: meta.name.clone(),
            kuma_service: external_name(service),
            display_name: display_name(meta).to_owned(),
            namespace: meta.namespace().to_owned(),
            labels: labels(meta),
        }
    }

    /// Whether a `targetRef` in `to` means it.
    pub(in crate::model::kuma) fn is_named_by(&self, target: &TargetRef) -> bool {
        if target.kind != self.kind {
            return false;
        }
        if target.name.is_empty() {
            let mut labels = target.labels.iter();
            return !target.labels.is_empty()
                && labels.all(|(name, value)| self.labels.get(name) == Some(value));
        }
        let is_elsewhere = |namespace: &str| !namespace.is_empty() && namespace != target.namespace;
        [&self.name, &self.display_name].contains(&&target.name)
            && (target.namespace.is_empty() || !is_elsewhere(&self.namespace))
    }

    /// For policies that know tags only.
    pub(in crate::model::kuma) fn tags(&self) -> Tags {
        [(SERVICE_TAG, &self.kuma_service)].into_iter().collect()
    }
}
