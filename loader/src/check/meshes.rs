//! The CAs of meshes, and gateways between meshes.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::identity::{Authority, InvalidAuthority};
use crate::model::kuma::{self, Input, Lookup};
use crate::model::mesh::{Mtls, Source};
use crate::resources::Resource;
use crate::resources::kuma::mesh::Mesh;
use crate::resources::kuma::mesh_gateway::{Listener, MeshGateway};
use crate::source::Path;

/// What is wrong with the CAs of meshes at the time `now`.
pub fn authorities(input: Input<'_>, now: OffsetDateTime) -> Vec<Diagnostic> {
    kuma::authorities(input)
        .flat_map(|(mesh, mtls)| authority(mesh, mtls, now))
        .collect()
}

fn authority(mesh: &Resource<Mesh>, mtls: Mtls, now: OffsetDateTime) -> Vec<Diagnostic> {
    let enabled = mesh.spec.mtls.as_ref().and_then(|mtls| mtls.enabled());
    let Some((index, backend)) = enabled else {
        return Vec::new();
    };
    let path = Path::of("mtls.backends").index(index);
    let conf = path.field("conf");
    let error = |code, path: &Path, why: String| {
        mesh.error(code, path, format!("CA `{}`: {why}", backend.name))
    };
    let pair = match mtls.source {
        Err(why) if !matches!(backend.kind.as_str(), "builtin" | "provided") => {
            let finding = error(Code::UnknownAuthority, &path.field("type"), why.to_string());
            return vec![finding];
        }
        Err(why) => return vec![error(Code::InvalidAuthority, &conf, why.to_string())],
        Ok(Source::Made { .. }) => return Vec::new(),
        Ok(Source::Given(pair)) => pair,
    };
    let (authority, broken) = match Authority::read(&pair.certificates, &pair.key) {
        Ok(read) => read,
        Err(why @ (InvalidAuthority::KeyPair(_) | InvalidAuthority::Signer(_))) => {
            return vec![error(Code::InvalidAuthority, &conf, why.to_string())];
        }
    };
    let mut findings: Vec<_> = broken
        .into_iter()
        .map(|rule| error(Code::NoAuthority, &conf, rule.to_string()))
        .collect();
    if mesh
        .spec
        .mtls
        .as_ref()
        .is_some_and(|mtls| mtls.skip_validation)
    {
        for finding in &mut findings {
            finding.severity = Severity::Warning;
        }
    }
    let late = |what: &str, time: OffsetDateTime| {
        let why = format!("its certificate {what} on {}", time.date());
        error(Code::AuthorityTime, &conf, why)
    };
    if now > authority.until {
        findings.push(late("expired", authority.until));
    } else if now < authority.from {
        findings.push(late("begins to be valid", authority.from));
    }
    findings
}

/// What is wrong with gateways for clients in other meshes.
pub(super) fn cross_mesh(input: Input<'_>, lookup: &Lookup<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut claimed = BTreeMap::new();
    for gateway in &input.resources.mesh_gateways {
        let conf = gateway.spec.conf.as_ref();
        let listeners = conf.map_or(&[][..], |conf| &conf.listeners);
        for (index, listener) in listeners.iter().enumerate() {
            if !listener.cross_mesh {
                continue;
            }
            let path = Path::of("conf.listeners").index(index);
            if !lookup.has_mtls(&gateway.meta.mesh) {
                findings.push(without_mtls(gateway, &path));
            }
            let name = hostname(gateway, listener);
            let first = claimed
                .entry((name.clone(), listener.port))
                .or_insert(gateway);
            if first.meta != gateway.meta {
                let port = listener.port;
                let message = format!(
                    "{} is for clients at {name}:{port} too: which of the two gets them is left to chance",
                    first.meta
                );
                findings.push(
                    gateway
                        .error(Code::CrossMeshHostnameTwice, &path, message)
                        .help("give them different hostnames"),
                );
            }
        }
    }
    findings
}

/// What clients in other meshes call a listener (Kuma `addFromMeshGateway` in `pkg/dns/vips_allocator.go` at 2.14.3).
fn hostname(gateway: &Resource<MeshGateway>, listener: &Listener) -> String {
    match listener.hostname.as_str() {
        name if !name.is_empty() && !name.contains('*') => name.to_owned(),
        _ => format!("internal.{}.{}.mesh", gateway.meta.name, gateway.meta.mesh),
    }
}

/// In Kuma's words (`pkg/plugins/runtime/gateway` at 2.14.3).
fn without_mtls(gateway: &Resource<MeshGateway>, path: &Path) -> Diagnostic {
    let message = "mTLS must be enabled for crossMesh-enabled MeshGateways";
    gateway
        .error(Code::MtlsMissing, &path.field("crossMesh"), message)
        .help(format!(
            "give the Mesh `{}` a CA: `mtls: {{enabledBackend: ca-1, backends: [{{name: ca-1, type: builtin}}]}}`",
            gateway.meta.mesh
        ))
}
