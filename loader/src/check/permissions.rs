//! Permissions that nobody enforces: they are enforced in front of services, by what clients prove with mTLS.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{self, Input};
use crate::resources::Meta;
use crate::resources::kuma::dataplane::ZoneListenerType;
use crate::source::Path;

pub(super) fn unused(input: Input<'_>, findings: &mut Vec<Diagnostic>) {
    let resources = input.resources;
    for permission in &resources.mesh_traffic_permissions {
        let target = permission.spec.target_ref.as_ref();
        if target.is_some_and(|target| target.kind == "MeshExternalService") {
            continue;
        }
        let mut gateways = resources.mesh_gateways.iter();
        let is_for_gateways = !permission.spec.rules.is_empty()
            && gateways.any(|gateway| {
                gateway.meta.mesh == permission.meta.mesh
                    && kuma::policies_decide_about_clients(gateway)
            });
        if let Some((message, help)) = why(input, &permission.meta).filter(|_| !is_for_gateways) {
            let finding = permission.warning(Code::PermissionUnused, &Path::root(), message);
            findings.push(finding.help(help));
        }
    }
    for permission in &resources.traffic_permissions {
        if let Some((message, help)) = why(input, &permission.meta) {
            let finding = permission.warning(Code::PermissionUnused, &Path::root(), message);
            findings.push(finding.help(help));
        }
    }
}

fn why(input: Input<'_>, permission: &Meta) -> Option<(String, &'static str)> {
    let mesh = &permission.mesh;
    if kuma::has_mtls(input.resources, mesh) && has_egress(input, mesh) {
        return None;
    }
    let mut dataplanes = input.resources.dataplanes.iter();
    let has_service = dataplanes.any(|dataplane| {
        dataplane.meta.mesh == *mesh && !dataplane.spec.networking.inbound.is_empty()
    });
    if !has_service {
        let message = format!(
            "mesh `{mesh}` has no Dataplane of a service, and permissions are not applied to gateways"
        );
        return Some((message, "they are enforced by the proxies next to services"));
    }
    if !kuma::has_mtls(input.resources, mesh) {
        let message = format!(
            "mesh `{mesh}` has no mTLS, so no client can be told from another one: all may call all services"
        );
        return Some((message, "give the Mesh an `mtls.enabledBackend`"));
    }
    None
}

/// Whether an egress asks for permissions: one that is a listener of a Dataplane, or one for `ExternalService`s.
fn has_egress(input: Input<'_>, mesh: &str) -> bool {
    let resources = input.resources;
    let mut dataplanes = resources.dataplanes.iter();
    let mut services = resources.external_services.iter();
    let is_for_older =
        !resources.zone_egresses.is_empty() && services.any(|service| service.meta.mesh == mesh);
    is_for_older
        || dataplanes.any(|dataplane| {
            let mut listeners = dataplane.spec.networking.listeners.iter();
            dataplane.meta.mesh == mesh
                && listeners.any(|listener| listener.kind == ZoneListenerType::ZoneEgress)
        })
}
