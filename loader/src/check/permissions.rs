//! Permissions that nobody enforces: they are enforced in front of services, by what clients prove with mTLS.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{self, InMesh, Lookup};
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_traffic_permission::MeshTrafficPermission;
use crate::source::Path;

pub(super) fn unused(lookup: &Lookup<'_>, findings: &mut Vec<Diagnostic>) {
    let resources = lookup.input().resources;
    let gateways = resources.mesh_gateways.iter();
    let gateways = gateways.filter(|gateway| kuma::policies_decide_about_clients(gateway));
    let for_gateways: BTreeSet<&str> = gateways.map(|gateway| &*gateway.meta.mesh).collect();
    let mut known = BTreeMap::new();
    let mut why = |mesh| {
        known
            .entry(mesh)
            .or_insert_with(|| why(lookup, mesh))
            .clone()
    };
    for permission in &resources.mesh_traffic_permissions {
        let target = permission.spec.target_ref.as_ref();
        if target.is_some_and(|target| target.kind == "MeshExternalService") {
            continue;
        }
        let mesh = permission.meta.mesh.as_str();
        let is_for_gateways = !permission.spec.rules.is_empty() && for_gateways.contains(mesh);
        if let Some((message, help)) = why(mesh).filter(|_| !is_for_gateways) {
            let finding = permission.warning(Code::PermissionUnused, &Path::root(), message);
            findings.push(finding.help(help));
        }
    }
    for permission in &resources.traffic_permissions {
        if let Some((message, help)) = why(&permission.meta.mesh) {
            let finding = permission.warning(Code::PermissionUnused, &Path::root(), message);
            findings.push(finding.help(help));
        }
    }
}

/// Permissions that tell requests apart, for services whose connections nobody looks into.
pub(super) fn without_requests(lookup: &Lookup<'_>, findings: &mut Vec<Diagnostic>) {
    let resources = lookup.input().resources;
    let for_connections = for_connections(lookup);
    for permission in &resources.mesh_traffic_permissions {
        let services = for_connections.get(&std::ptr::from_ref(permission));
        let rules = permission.spec.rules.iter().enumerate();
        for (number, rule) in rules {
            let conf = &rule.conf;
            let lists = [&conf.deny, &conf.allow, &conf.allow_with_shadow_deny];
            let mut entries = lists.into_iter().flatten();
            if !entries.any(|entry| !entry.methods.is_empty() || !entry.path_prefixes.is_empty()) {
                continue;
            }
            for service in services.into_iter().flatten() {
                let message = format!(
                    "`methods` and `pathPrefixes` are for requests, and MeshExternalService `{}` speaks tcp",
                    service.meta.name
                );
                let path = Path::of("rules").index(number);
                let finding = permission.error(Code::PermissionNeedsHttp, &path, message);
                findings.push(
                    finding.help(
                        "give the service the protocol http, http2 or grpc, or leave them out",
                    ),
                );
            }
        }
    }
}

/// The services that speak tcp, by the permissions that are about them; those are told apart by where they are in memory,
/// since names may be given twice.
fn for_connections<'a>(
    lookup: &Lookup<'a>,
) -> HashMap<*const Resource<MeshTrafficPermission>, Vec<&'a Resource<MeshExternalService>>> {
    let mut by_permission: HashMap<_, Vec<_>> = HashMap::new();
    for service in &lookup.input().resources.mesh_external_services {
        if service.spec.matching.protocol == "tcp" {
            for permission in kuma::permissions_about(lookup.input(), service) {
                let place = std::ptr::from_ref(permission);
                by_permission.entry(place).or_default().push(service);
            }
        }
    }
    by_permission
}

fn why(lookup: &Lookup<'_>, name: &str) -> Option<(String, &'static str)> {
    let mesh = lookup.mesh(name);
    if mesh.has_mtls() && has_egress(lookup, mesh) {
        return None;
    }
    let mut dataplanes = mesh.dataplanes.iter();
    if !dataplanes.any(|dataplane| !dataplane.spec.networking.inbound.is_empty()) {
        let message = format!(
            "mesh `{name}` has no Dataplane of a service, and permissions are not applied to gateways"
        );
        return Some((message, "they are enforced by the proxies next to services"));
    }
    if !mesh.has_mtls() {
        let message = format!(
            "mesh `{name}` has no mTLS, so no client can be told from another one: all may call all services"
        );
        return Some((message, "give the Mesh an `mtls.enabledBackend`"));
    }
    None
}

/// Whether an egress asks for permissions: one that is a listener of a Dataplane, or one for `ExternalService`s.
fn has_egress(lookup: &Lookup<'_>, mesh: &InMesh<'_>) -> bool {
    let egresses = &lookup.input().resources.zone_egresses;
    let is_for_older = !egresses.is_empty() && !mesh.external_services.is_empty();
    is_for_older || mesh.has_egress_listener()
}
