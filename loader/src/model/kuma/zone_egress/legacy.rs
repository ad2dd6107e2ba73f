//! `ExternalService`s: TLS ends here, who may is asked, and the TLS that the service wants begins.

use std::collections::BTreeMap;

use policy::Tags;

use super::{Destinations, Ways, access, ends_here, listener};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{PROTOCOL_TAG, SERVICE_TAG, ZONE_TAG, external, policies};
use crate::model::policy::ClusterPolicy;
use crate::model::role::{TlsEnd, WayOut};
use crate::model::{Cluster, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::kuma::external_service::ExternalService;
use crate::source::Path;

/// Adds those of a mesh. All with one `kuma.io/service` are one service, whatever further tags they are asked for
/// with: they are told apart by nobody (Kuma `pkg/xds/generator/egress/external_services_generator.go` at 2.14.3).
pub(super) fn add(ways: &mut Ways<'_>, mesh: &str, findings: &mut Vec<Diagnostic>) {
    let input = ways.input;
    let destinations = Destinations::of_mesh(ways.lookup.mesh(mesh), &[]);
    let mut by_name: BTreeMap<&str, Vec<&Resource<ExternalService>>> = BTreeMap::new();
    for service in ways.lookup.mesh(mesh).external_services.iter().copied() {
        let tags = &service.spec.tags;
        if let Some(name) = tags.get(SERVICE_TAG)
            && ways.is_reached(tags.get(ZONE_TAG))
        {
            by_name.entry(name).or_default().push(service);
        }
    }
    for (name, services) in by_name {
        let (Some(&first), Some(mut cluster)) = (
            services.first(),
            cluster(ways, mesh, name, &services, findings),
        ) else {
            continue;
        };
        let server_names: Vec<_> = destinations.of(name, mesh).into_keys().collect();
        if server_names.is_empty() {
            let message =
                format!("no route of the mesh leads to `{name}`, so egresses are not asked for it");
            let path = Path::of("tags").key(SERVICE_TAG);
            let finding = first.warning(Code::EgressNotAsked, &path, message);
            findings.push(finding.help("as soon as a mesh has any TrafficRoute, services without a route are not reached: write one whose destination is the service, or remove them all"));
            continue;
        }
        let is_http = cluster_is_http(&services);
        let mut listener = listener(&cluster, is_http);
        let tags: Vec<Tags> = services.iter().map(|s| s.spec.tags.clone()).collect();
        policies::legacy_outside(input.resources, mesh, &tags, &mut listener, findings);
        let way = WayOut {
            server_names,
            end: Some(TlsEnd {
                permission: Some(access::of_older_services(input, mesh, &tags)),
                ..ends_here(mesh)
            }),
        };
        cluster.policy = ClusterPolicy::default();
        if let Some(other) = ways.add(way, listener, cluster) {
            let message = format!("{other} has the same name for egresses, and comes first");
            let path = Path::of("tags").key(SERVICE_TAG);
            let finding = first.warning(Code::EgressNameTaken, &path, message);
            findings.push(finding.help("give the two different names"));
        }
    }
}

fn cluster_is_http(services: &[&Resource<ExternalService>]) -> bool {
    matches!(protocol(services), "http" | "http2" | "grpc")
}

/// The first one's, as on Kuma.
fn protocol<'a>(services: &[&'a Resource<ExternalService>]) -> &'a str {
    let first = services.first();
    first
        .and_then(|service| service.spec.tags.get(PROTOCOL_TAG))
        .unwrap_or_default()
}

/// Nothing without endpoints: findings say why.
fn cluster(
    ways: &Ways<'_>,
    mesh: &str,
    name: &str,
    services: &[&Resource<ExternalService>],
    findings: &mut Vec<Diagnostic>,
) -> Option<Cluster> {
    let endpoints = services
        .iter()
        .filter_map(|service| external::endpoint(ways.input, service, findings));
    let mut endpoints: Vec<_> = endpoints.collect();
    endpoints.sort();
    endpoints.dedup();
    let first = services.first().filter(|_| !endpoints.is_empty())?;
    Some(Cluster {
        name: format!("{mesh}:{name}"),
        protocol: match protocol(services) {
            "http2" => UpstreamProtocol::Http2,
            "grpc" => UpstreamProtocol::Grpc,
            _ => UpstreamProtocol::Http1,
        },
        endpoints,
        tls: None,
        origination: None,
        destination: [(SERVICE_TAG, name)].into_iter().collect(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin: ways.input.origin(first, &Path::root()),
    })
}
