//! `MeshExternalService`s: services outside of the mesh, and the TLS that they want.

pub(super) mod access;
mod hostnames;
mod template;
mod tls;

pub(super) use hostnames::{hostnames, labels, nameless};

use std::collections::BTreeMap;

use super::Input;
use super::select::display_name;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Endpoint;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::source::Path;

/// The endpoints; none if something is wrong with the TLS to them, which a finding says. Other services are not
/// affected (Kuma `createMeshExternalServiceEndpoint` in `pkg/xds/topology/outbound.go` at 2.14.3).
pub(super) fn endpoints(
    input: Input<'_>,
    service: &Resource<MeshExternalService>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Endpoint> {
    let path = Path::of("endpoints");
    if service.spec.extension.is_some() {
        return Vec::new();
    }
    if service.spec.endpoints.is_empty() {
        let message = "the service has no endpoints: requests to it get 503";
        findings.push(service.warning(Code::MissingBackend, &path, message));
    }
    let Ok(tls) = tls::of(input, service, findings) else {
        return Vec::new();
    };
    let endpoints = service.spec.endpoints.iter();
    let endpoints = endpoints.filter_map(|endpoint| {
        Some(Endpoint {
            weight: None,
            locality: None,
            address: endpoint.address.clone(),
            port: u16::try_from(endpoint.port).ok()?,
            priority: endpoint.priority.unwrap_or_default(),
            tls: tls.clone(),
        })
    });
    endpoints.collect()
}

/// Says so where there is none of the egresses that it is reached through.
pub(super) fn check_egress(
    service: &Resource<MeshExternalService>,
    ways: &[Endpoint],
    findings: &mut Vec<Diagnostic>,
) {
    if ways.is_empty() {
        let message =
            "the service is behind an egress, and there is no way to it: it has no endpoints";
        findings.push(
            service
                .warning(Code::BehindEgress, &Path::of("endpoints"), message)
                .help("give the Mesh `mtls.enabledBackend` and declare a ZoneEgress; or, to have proxies connect to the service themselves, remove what is declared of an egress"),
        );
    }
}

/// Whether a reference means the service: by name, or by labels, those that a control plane adds among them.
pub(super) fn is_named(
    service: &Resource<MeshExternalService>,
    name: &str,
    namespace: &str,
    wanted: &BTreeMap<String, String>,
) -> bool {
    let meta = &service.meta;
    if name.is_empty() {
        let own = labels(meta);
        let mut wanted = wanted.iter();
        return wanted.all(|(name, value)| own.get(name) == Some(value));
    }
    let fits = namespace.is_empty() || namespace == meta.namespace();
    (name == meta.name || name == display_name(meta)) && fits
}
