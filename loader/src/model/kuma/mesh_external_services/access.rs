//! Who may reach a service outside of the mesh.
//!
//! Kuma's egress enforces `routing.defaultForbidMeshExternalServiceAccess` and the `rules` of a `MeshTrafficPermission`
//! (`pkg/plugins/policies/meshtrafficpermission` at 2.14.3); without an egress the caller's own proxy does.

use policy::permissions::Facts;

use super::{is_named, labels};
use crate::model::Permission;
use crate::model::kuma::Input;
use crate::model::kuma::cross_mesh_clients::of_one_mesh;
use crate::model::kuma::select::display_name;
use crate::model::kuma::sidecar::permissions::by_rules;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::mesh_traffic_permission::MeshTrafficPermission;
use crate::resources::list::Key;

/// The `MeshTrafficPermission`s about a service, in their order, those without effect among them.
pub(crate) fn about<'a>(
    input: Input<'a>,
    service: &Resource<MeshExternalService>,
) -> impl Iterator<Item = &'a Resource<MeshTrafficPermission>> {
    let mesh = service.meta.mesh.as_str();
    let labels = labels(&service.meta);
    let names = [service.meta.name.as_str(), display_name(&service.meta)];
    let names = names.map(|name| Key::Name("MeshExternalService", name));
    let labels = labels.iter().map(|(name, value)| Key::Label(name, value));
    let keys = labels.chain(names).chain([Key::Any]);
    let keys: Vec<_> = keys.map(|key| key.sought(mesh)).collect();
    let all = &input.resources.mesh_traffic_permissions;
    let policies = all.of(&keys).into_iter().filter_map(|place| all.get(place));
    policies.filter(move |policy| {
        let target = policy.spec.target_ref.as_ref();
        policy.meta.mesh == mesh && target.is_some_and(|target| is_meant(service, target))
    })
}

/// What those say; nothing if none is about the service.
pub(in crate::model::kuma) fn permission(
    input: Input<'_>,
    service: &Resource<MeshExternalService>,
) -> Option<Permission> {
    let policies = about(input, service).filter(|policy| !policy.meta.is_shadow());
    let policies: Vec<_> = policies.collect();
    if policies.is_empty() {
        return None;
    }
    let mut permission = by_rules(&policies);
    let Permission {
        allowed,
        shadow_denied,
        ..
    } = &mut permission;
    allowed
        .iter_mut()
        .chain(shadow_denied)
        .for_each(of_one_mesh);
    Some(permission)
}

fn is_meant(service: &Resource<MeshExternalService>, target: &TargetRef) -> bool {
    target.kind == "MeshExternalService"
        && is_named(service, &target.name, &target.namespace, &target.labels)
}

/// What is known about all connections of a proxy.
pub(in crate::model::kuma) struct Nothing;

impl Facts for Nothing {
    fn client(&self) -> Option<impl std::ops::Deref<Target = [u8]>> {
        None::<&[u8]>
    }

    fn method(&self) -> Option<impl std::ops::Deref<Target = [u8]>> {
        None::<&[u8]>
    }

    fn path(&self) -> Option<impl std::ops::Deref<Target = [u8]>> {
        None::<&[u8]>
    }

    fn upgrade(&self) -> Option<impl std::ops::Deref<Target = [u8]>> {
        None::<&[u8]>
    }
}
