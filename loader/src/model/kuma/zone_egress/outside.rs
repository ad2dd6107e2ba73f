//! `MeshExternalService`s: TLS ends here, who may is asked, and the TLS that the service wants begins.

use policy::Tags;

use super::{Ways, access, ends_here, listener};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::lookup::OutsideService as Known;
use crate::model::kuma::mesh_external_services::endpoints;
use crate::model::kuma::policies;
use crate::model::kuma::{SERVICE_TAG, ZONE_TAG, sni};
use crate::model::policy::ClusterPolicy;
use crate::model::role::{Outside, OutsideService, TlsEnd, WayOut};
use crate::model::{Cluster, Permission, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, ZoneListener};
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::source::Path;

/// Adds those of a mesh. `place` is the listener of a Dataplane that the egress is, if it is one.
pub(super) fn add(
    ways: &mut Ways<'_>,
    mesh: &str,
    place: Option<(&Resource<Dataplane>, &ZoneListener)>,
    findings: &mut Vec<Diagnostic>,
) {
    for known in ways.lookup.mesh(mesh).outside().all() {
        let service = known.resource;
        let zone = service.meta.labels.get(ZONE_TAG);
        if !ways.is_reached(zone.map(String::as_str)) {
            continue;
        }
        let Some(cluster) = cluster(ways, known, findings) else {
            continue;
        };
        let server_name = sni::of_external_service(&service.meta, service.spec.matching.port);
        let permission = access::of_external_service(ways.lookup, known, place, &server_name);
        let is_http = service.spec.matching.protocol != "tcp";
        let way = WayOut {
            server_names: vec![server_name],
            end: Some(end(ways, service, permission, is_http)),
        };
        let listener = listener(&cluster, is_http);
        if let Some(other) = ways.add(way, listener, cluster) {
            let message = format!(
                "{other} has the same name for egresses, and comes first: this service is not reached"
            );
            let finding = service.warning(Code::EgressNameTaken, &Path::root(), message);
            findings.push(finding.help("give the two different names"));
        }
    }
}

/// Rules about requests are the filter's. At a connection it is asked before the client has proved who it is, so those
/// are for Envoy's own.
fn end(
    ways: &Ways<'_>,
    service: &Resource<MeshExternalService>,
    permission: Option<Permission>,
    is_http: bool,
) -> TlsEnd {
    let mesh = &service.meta.mesh;
    let is_forbidden = ways.lookup.mesh(mesh).forbids_outside();
    let end = ends_here(mesh);
    if !is_http {
        let nobody = is_forbidden.then(Permission::default);
        return TlsEnd {
            permission: permission.map(Permission::for_connections).or(nobody),
            ..end
        };
    }
    let is_gated = is_forbidden || permission.is_some();
    TlsEnd {
        outside: is_gated.then(|| Outside {
            services: vec![OutsideService {
                name: format!("{mesh}/{}", service.meta.name),
                hostnames: Vec::new(),
                permission,
            }],
            is_forbidden,
            client: Vec::new(),
            is_alone: true,
            others: Vec::new(),
        }),
        ..end
    }
}

/// Nothing without endpoints: findings say why.
fn cluster(ways: &Ways<'_>, known: &Known<'_>, findings: &mut Vec<Diagnostic>) -> Option<Cluster> {
    let service = known.resource;
    let mut endpoints = endpoints(ways.input, service, findings);
    endpoints.sort();
    endpoints.dedup();
    if endpoints.is_empty() {
        return None;
    }
    let name = known.destination.kuma_service.clone();
    let destination: Tags = [(SERVICE_TAG, &name)].into_iter().collect();
    let mut cluster = Cluster {
        name,
        protocol: match service.spec.matching.protocol.as_str() {
            "http2" => UpstreamProtocol::Http2,
            "grpc" => UpstreamProtocol::Grpc,
            _ => UpstreamProtocol::Http1,
        },
        endpoints,
        tls: None,
        origination: None,
        destination,
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin: ways.input.origin(service, &Path::root()),
    };
    policies::outside(
        ways.input.resources,
        &service.meta.mesh,
        &known.destination,
        &mut cluster,
    );
    Some(cluster)
}
