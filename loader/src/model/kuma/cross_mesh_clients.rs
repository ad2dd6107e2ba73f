//! Which clients a gateway's cross-mesh listeners take.
//!
//! Kuma takes all services of all meshes with mTLS, and so does a MeshGateway without our annotation.

use policy::Tags;

use super::Input;
use super::lookup::Lookup;
use super::policies::{Policies, Side};
use super::sidecar::permissions;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Clients, Permission, SpiffeIds, Who};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::source::Path;

/// The annotation of a MeshGateway: meshes, or services of meshes as `mesh/service`, with commas between them; or
/// [`BY_POLICY`].
const ANNOTATION: &str = "meshgate.io/cross-mesh-clients";

/// The value with which the `rules` of `MeshTrafficPermission` decide, which Kuma does not apply to gateways.
const BY_POLICY: &str = "MeshTrafficPermission";

/// What a MeshGateway's annotation says.
pub(super) enum CrossMeshClients<'a> {
    /// These clients and no others.
    Listed(Permission),
    /// What the policies for a listener say.
    ByPolicy(Input<'a>, &'a Resource<MeshGateway>),
}

impl<'a> CrossMeshClients<'a> {
    /// Reads the annotation; nothing if there is none.
    pub(super) fn of(
        lookup: &Lookup<'a>,
        gateway: &'a Resource<MeshGateway>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let value = gateway.meta.annotations.get(ANNOTATION)?.trim();
        let conf = gateway.spec.conf.as_ref();
        let mut listeners = conf.into_iter().flat_map(|conf| &conf.listeners);
        if !listeners.any(|listener| listener.cross_mesh) {
            findings.push(unused(gateway));
        }
        if value == BY_POLICY {
            return Some(Self::ByPolicy(lookup.input, gateway));
        }
        let mut permission = Permission::default();
        for entry in value.split(',').map(str::trim) {
            let Some((mesh, ids)) = clients(entry) else {
                findings.push(invalid(gateway, entry));
                continue;
            };
            if lookup.mesh(mesh).mesh().is_none() {
                findings.push(unknown(gateway, mesh));
            }
            permission.allowed.push(Clients::of(Who::Is(ids)));
        }
        Some(Self::Listed(permission))
    }

    /// Who may send requests to a listener with these merged tags.
    pub(super) fn of_listener(&self, tags: &Tags) -> Permission {
        match self {
            Self::Listed(permission) => permission.clone(),
            Self::ByPolicy(input, gateway) => {
                let policies = Policies::new(input.resources, Side::Gateway(gateway), tags);
                let mut permission = permissions::by_rules(
                    &policies.matched(&input.resources.mesh_traffic_permissions),
                );
                let shadow = permission.shadow_denied.iter_mut();
                permission
                    .allowed
                    .iter_mut()
                    .chain(shadow)
                    .for_each(of_one_mesh);
                permission
            }
        }
    }
}

/// Whether policies decide about the clients of a gateway.
pub(crate) fn by_policy(gateway: &Resource<MeshGateway>) -> bool {
    let value = gateway.meta.annotations.get(ANNOTATION);
    value.is_some_and(|value| value.trim() == BY_POLICY)
}

/// Kuma's prefixes cannot end with a slash, so that of `mesh-1` would let `mesh-10` in: one without a path is a mesh.
pub(super) fn of_one_mesh(clients: &mut Clients) {
    if let Who::Is(SpiffeIds::Prefix(start)) = &mut clients.who
        && let Some(mesh) = start.strip_prefix("spiffe://")
        && !mesh.contains('/')
    {
        clients.who = Who::Is(SpiffeIds::mesh(mesh));
    }
}

/// A mesh, or a service of a mesh.
fn clients(entry: &str) -> Option<(&str, SpiffeIds)> {
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        !name.is_empty() && name.chars().all(allowed)
    };
    let (mesh, service) = match entry.split_once('/') {
        None => (entry, None),
        Some((mesh, service)) => (mesh, Some(service)),
    };
    let ids = match service {
        None => SpiffeIds::mesh(mesh),
        Some(service) => SpiffeIds::service(mesh, service),
    };
    (is_name(mesh) && service.is_none_or(is_name)).then_some((mesh, ids))
}

fn invalid(gateway: &Resource<MeshGateway>, entry: &str) -> Diagnostic {
    let message = format!("`{entry}` is no mesh and no service of one, so nobody is let in by it");
    at_annotation(gateway, Diagnostic::error, message)
        .help("write meshes and services of meshes with commas between them: `mesh-2, mesh-3/web`")
}

fn unknown(gateway: &Resource<MeshGateway>, mesh: &str) -> Diagnostic {
    let message = format!("there is no mesh `{mesh}` among the resources");
    at_annotation(gateway, Diagnostic::warning, message)
}

fn unused(gateway: &Resource<MeshGateway>) -> Diagnostic {
    let message =
        "no listener has `crossMesh`, so there are no clients that it is about".to_owned();
    at_annotation(gateway, Diagnostic::warning, message)
}

/// Of two dialects, the one that the resource is written in.
fn at_annotation(
    gateway: &Resource<MeshGateway>,
    finding: fn(Code, String) -> Diagnostic,
    message: String,
) -> Diagnostic {
    let root = &gateway.place.root;
    let annotations = match root.get("metadata") {
        Some(_) => Path::of("metadata.annotations"),
        None => Path::of("annotations"),
    };
    let path = annotations.key(ANNOTATION);
    finding(Code::InvalidCrossMeshClients, message)
        .at(root.locate(&path))
        .about(&gateway.meta, &path)
}
