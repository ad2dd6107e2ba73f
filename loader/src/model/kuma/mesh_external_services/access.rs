//! Who may reach a service outside of the mesh.
//!
//! Kuma's egress enforces `routing.defaultForbidMeshExternalServiceAccess` and the `rules` of a `MeshTrafficPermission`
//! (`pkg/plugins/policies/meshtrafficpermission` at 2.14.3); without an egress the caller's own proxy does.

use policy::permissions::Facts;

use super::is_named;
use crate::model::Permission;
use crate::model::kuma::cross_mesh_clients::of_one_mesh;
use crate::model::kuma::sidecar::permissions::by_rules;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::mesh_traffic_permission::MeshTrafficPermission;

/// What the `MeshTrafficPermission`s about a service say; nothing if none is.
pub(in crate::model::kuma) fn permission(
    policies: &[&Resource<MeshTrafficPermission>],
) -> Option<Permission> {
    let policies = policies.iter().filter(|policy| !policy.meta.is_shadow());
    let policies: Vec<_> = policies.copied().collect();
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

pub(in crate::model::kuma) fn is_meant(
    service: &Resource<MeshExternalService>,
    target: &TargetRef,
) -> bool {
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
