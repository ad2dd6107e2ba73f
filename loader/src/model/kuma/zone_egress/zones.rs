//! Services of other zones: connections go to the ingresses over there as they are, with the client's own TLS. Who the
//! client is, the service's proxy finds out (Kuma `pkg/xds/generator/zoneproxy` at 2.14.3).

use std::collections::{BTreeMap, BTreeSet};

use policy::Tags;

use super::{Destinations, Ways, listener};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::SERVICE_TAG;
use crate::model::policy::ClusterPolicy;
use crate::model::role::WayOut;
use crate::model::{Cluster, Endpoint, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::kuma::zone_ingress::{AvailableService, ZoneIngress};
use crate::source::Path;

/// A service behind an ingress.
struct Behind<'a> {
    service: &'a AvailableService,
    ingress: &'a Resource<ZoneIngress>,
    endpoint: Endpoint,
}

/// Adds the services of other zones of a mesh that wants them to be reached through egresses.
pub(super) fn add(ways: &mut Ways<'_>, mesh: &str, findings: &mut Vec<Diagnostic>) {
    if !ways.lookup.mesh(mesh).asks_for_egress() {
        return;
    }
    let behind = behind(ways, mesh, findings);
    let services: Vec<_> = behind.iter().map(|behind| behind.service).collect();
    let destinations = Destinations::of_mesh(ways.lookup.mesh(mesh), &services);
    let mut by_name: BTreeMap<&str, Vec<&Behind<'_>>> = BTreeMap::new();
    for behind in &behind {
        if let Some(name) = behind.service.tags.get(SERVICE_TAG) {
            by_name.entry(name).or_default().push(behind);
        }
    }
    for (service, behind) in by_name {
        // Names with the same endpoints behind them share a cluster.
        let mut subsets: BTreeMap<Vec<(String, String)>, Vec<String>> = BTreeMap::new();
        for (name, tags) in destinations.of(service, mesh) {
            let relevant = relevant(&tags, &behind);
            subsets.entry(relevant).or_default().push(name);
        }
        for (subset, server_names) in subsets {
            let subset: Tags = subset.into_iter().collect();
            let cluster = cluster(ways, mesh, service, &subset, &behind);
            let way = WayOut {
                server_names,
                end: None,
            };
            let mut listener = listener(&cluster, false);
            listener.passes_tls = true;
            // Of one service all names differ.
            ways.add(way, listener, cluster);
        }
    }
}

fn behind<'a>(ways: &Ways<'a>, mesh: &str, findings: &mut Vec<Diagnostic>) -> Vec<Behind<'a>> {
    let mut ingresses: Vec<_> = ways.input.resources.zone_ingresses.iter().collect();
    ingresses.sort_by_key(|ingress| &ingress.meta.name);
    // Several may be behind one load balancer.
    let mut places = BTreeSet::new();
    let mut all = Vec::new();
    for ingress in ingresses {
        let networking = &ingress.spec.networking;
        let port = u16::try_from(networking.advertised_port).unwrap_or_default();
        if ingress.spec.zone.is_empty() || ingress.spec.zone == ways.zone {
            continue;
        }
        if networking.advertised_address.is_empty() || port == 0 {
            let message = "other zones cannot reach it: its services are left out";
            let path = Path::of("networking");
            let finding = ingress.warning(Code::IngressWithoutAddress, &path, message);
            findings.push(finding.help("give it `advertisedAddress` and `advertisedPort`"));
            continue;
        }
        if ingress.spec.available_services.is_empty()
            || !places.insert((&networking.advertised_address, port))
        {
            continue;
        }
        let services = ingress.spec.available_services.iter();
        let services = services.filter(|service| service.mesh == mesh);
        all.extend(services.map(|service| Behind {
            service,
            ingress,
            endpoint: Endpoint {
                address: networking.advertised_address.clone(),
                port,
                priority: 0,
                tls: None,
                weight: Some(service.instances.max(1)),
                locality: None,
            },
        }));
    }
    all
}

/// The tags that tell endpoints apart. Those that no ingress, or every one, has the endpoints of lead nowhere else.
fn relevant(destination: &Tags, behind: &[&Behind<'_>]) -> Vec<(String, String)> {
    let place = |behind: &Behind<'_>| (behind.endpoint.address.clone(), behind.endpoint.port);
    let all: BTreeSet<_> = behind.iter().map(|behind| place(behind)).collect();
    let tags = destination.iter().filter(|(name, _)| *name != SERVICE_TAG);
    let tags = tags.filter(|(name, value)| {
        let has = |behind: &&&Behind<'_>| has(&behind.service.tags, name, value);
        let with = behind.iter().filter(has).map(|behind| place(behind));
        with.collect::<BTreeSet<_>>().len() < all.len()
    });
    tags.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn has(tags: &Tags, name: &str, value: &str) -> bool {
    value == "*" || tags.get(name) == Some(value)
}

fn cluster(
    ways: &Ways<'_>,
    mesh: &str,
    service: &str,
    subset: &Tags,
    behind: &[&Behind<'_>],
) -> Cluster {
    let mut name = format!("{mesh}:{service}");
    if !subset.is_empty() {
        let tags: Vec<_> = subset
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        name = format!("{name}{{{}}}", tags.join(","));
    }
    let is_in = |tags: &Tags| subset.iter().all(|(name, value)| has(tags, name, value));
    let mut places: BTreeMap<(String, u16), Endpoint> = BTreeMap::new();
    for behind in behind.iter().filter(|behind| is_in(&behind.service.tags)) {
        let own = &behind.endpoint;
        let known = places.entry((own.address.clone(), own.port));
        let endpoint = known.or_insert_with(|| Endpoint {
            weight: Some(0),
            ..own.clone()
        });
        let sum = endpoint
            .weight
            .unwrap_or(0)
            .saturating_add(own.weight.unwrap_or(1));
        endpoint.weight = Some(sum);
    }
    let origin = behind.first().map(|behind| {
        let path = Path::of("availableServices");
        ways.input.origin(behind.ingress, &path)
    });
    let mut destination = subset.clone();
    destination.insert(SERVICE_TAG, service);
    Cluster {
        name,
        protocol: UpstreamProtocol::Http1,
        endpoints: places.into_values().collect(),
        tls: None,
        origination: None,
        destination,
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin: origin.unwrap_or_default(),
    }
}
