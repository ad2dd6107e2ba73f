//! The proxy that policies are for.

use crate::model::kuma::select::display_name;
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::list::Key;

/// The proxy that policies are for.
#[derive(Clone, Copy)]
pub(in crate::model::kuma) enum Side<'a> {
    /// A built-in gateway.
    Gateway(&'a Resource<MeshGateway>),
    /// The proxy next to a service, with the names of the inbounds in question.
    Sidecar(&'a Resource<Dataplane>, &'a [String]),
    /// An egress, asked for services of this mesh. The listeners' tags are those of the services; without any, policies
    /// are asked what they say about a service, whoever calls it.
    Egress(&'a str),
}

impl Side<'_> {
    pub(super) fn mesh(&self) -> &str {
        match self {
            Self::Gateway(gateway) => &gateway.meta.mesh,
            Self::Sidecar(dataplane, _) => &dataplane.meta.mesh,
            Self::Egress(mesh) => mesh,
        }
    }

    /// In `proxyTypes`. A gateway of somebody else has a sidecar, and still is one.
    pub(super) fn proxy_type(&self) -> &'static str {
        match self {
            Self::Sidecar(dataplane, _) if dataplane.spec.networking.gateway.is_none() => "Sidecar",
            _ => "Gateway",
        }
    }

    /// Whether a `targetRef` of the kind `Dataplane` means it, and how narrowly.
    pub(super) fn is_dataplane(&self, target: &TargetRef) -> Option<usize> {
        let Self::Sidecar(dataplane, sections) = self else {
            return None;
        };
        let meta = &dataplane.meta;
        let section = target.section_name.as_str();
        if !section.is_empty() && !sections.iter().any(|name| name == section) {
            return None;
        }
        let (is_meant, narrow) = if target.name.is_empty() {
            let mut labels = target.labels.iter();
            let has = labels.all(|(name, value)| meta.labels.get(name) == Some(value));
            (has, usize::from(!target.labels.is_empty()))
        } else {
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            let fits = target.namespace.is_empty() || target.namespace == namespace;
            (target.name == display_name(meta) && fits, 2)
        };
        is_meant.then(|| 2 * narrow + usize::from(!section.is_empty()))
    }
    /// What policies find it by, whatever its listeners are.
    pub(super) fn keys(&self) -> Vec<Key<'_>> {
        let mut keys = vec![Key::Any];
        match self {
            Self::Gateway(gateway) => keys.push(Key::Name("MeshGateway", &gateway.meta.name)),
            Self::Sidecar(dataplane, _) => {
                keys.push(Key::Name("Dataplane", display_name(&dataplane.meta)));
                let labels = dataplane.meta.labels.iter();
                keys.extend(labels.map(|(name, value)| Key::Label(name, value)));
            }
            Self::Egress(_) => {}
        }
        keys
    }
}
