//! Who may reach a service outside of the mesh.
//!
//! Kuma's egress enforces `routing.defaultForbidMeshExternalServiceAccess` and the `rules` of a `MeshTrafficPermission`
//! (`pkg/plugins/policies/meshtrafficpermission` at 2.14.3); without an egress the caller's own proxy does.

use policy::client::Client;
use policy::permissions::{Facts, Permissions};

use super::{is_named, labels};
use crate::model::kuma::Input;
use crate::model::kuma::cross_mesh_clients::of_one_mesh;
use crate::model::kuma::select::display_name;
use crate::model::kuma::sidecar::permissions::by_rules;
use crate::model::{Identity, Permission};
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::list::Key;

/// Whether services that no permission is about are for nobody.
pub(in crate::model::kuma) fn is_forbidden_by_default(input: Input<'_>, mesh: &str) -> bool {
    let mut meshes = input.resources.meshes.iter();
    meshes.any(|other| {
        other.meta.name == mesh
            && other
                .spec
                .routing
                .default_forbid_mesh_external_service_access
    })
}

/// What `MeshTrafficPermission`s say about the service; nothing if none is about it.
pub(in crate::model::kuma) fn permission(
    input: Input<'_>,
    service: &Resource<MeshExternalService>,
) -> Option<Permission> {
    let mesh = service.meta.mesh.as_str();
    let labels = labels(&service.meta);
    let names = [service.meta.name.as_str(), display_name(&service.meta)];
    let names = names.map(|name| Key::Name("MeshExternalService", name));
    let labels = labels.iter().map(|(name, value)| Key::Label(name, value));
    let keys = labels.chain(names).chain([Key::Any]);
    let keys: Vec<_> = keys.map(|key| key.sought(mesh)).collect();
    let all = &input.resources.mesh_traffic_permissions;
    let policies = all.of(&keys).into_iter().filter_map(|place| all.get(place));
    let policies: Vec<_> = policies
        .filter(|policy| {
            let target = policy.spec.target_ref.as_ref();
            policy.meta.mesh == mesh
                && !policy.meta.is_shadow()
                && target.is_some_and(|target| is_meant(service, target))
        })
        .collect();
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

/// Whether a proxy may send anything to the service, whatever it is that it sends.
pub(in crate::model::kuma) fn may_reach(
    input: Input<'_>,
    service: &Resource<MeshExternalService>,
    caller: Option<&Identity>,
) -> bool {
    let Some(permission) = permission(input, service) else {
        return !is_forbidden_by_default(input, &service.meta.mesh);
    };
    let uris = caller.map(Identity::uris).unwrap_or_default().join(",");
    let permissions = Permissions::try_from(&permission.rules());
    permissions.is_ok_and(|permissions| {
        let client = Client::new(uris.as_bytes());
        permissions.permit(client, &Nothing).is_ok()
    })
}

/// What is known about all connections of a proxy.
struct Nothing;

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
