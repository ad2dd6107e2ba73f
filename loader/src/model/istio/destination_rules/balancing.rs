//! Which endpoint a request gets (`LoadBalancerSettings`).

use super::spread::{self, Labelled};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Cluster;
use crate::model::istio::localities;
use crate::model::istio::registry::Service;
use crate::model::istio::workload::Workload;
use crate::model::policy::{Balancing, HashKey};
use crate::model::upstream::Warmup;
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::traffic_policy::{ConsistentHash, LoadBalancer, LocalityLb, SimpleLb};
use crate::resources::{Duration as GoDuration, Resource};
use crate::source::Path;

/// Sets how endpoints are chosen, and gives what is the same in requests that go to the same one.
pub(super) fn balancing(
    rule: &Resource<DestinationRule>,
    path: &Path,
    balancer: &LoadBalancer,
    cluster: &mut Cluster,
    findings: &mut Vec<Diagnostic>,
) -> Vec<HashKey> {
    for (field, is_there) in [
        (
            "zoneAwareLbSetting",
            balancer.zone_aware_lb_setting.is_some(),
        ),
        ("simple", balancer.simple == Some(SimpleLb::Passthrough)),
    ] {
        if is_there {
            let message = match field {
                "simple" => {
                    "PASSTHROUGH is not served: a gateway knows no address that a client asked for"
                        .to_owned()
                }
                field => format!("{field} is not served"),
            };
            findings.push(rule.warning(Code::NotServedField, &path.field(field), message));
        }
    }
    cluster.policy.upstream.warmup = warmup(balancer);
    if let Some(hash) = &balancer.consistent_hash {
        cluster.policy.balancing = Some(algorithm(hash));
        return keys(hash);
    }
    cluster.policy.balancing = Some(match balancer.simple.unwrap_or_default() {
        SimpleLb::Random => Balancing::Random,
        SimpleLb::RoundRobin => Balancing::RoundRobin,
        SimpleLb::Unspecified
        | SimpleLb::LeastConn
        | SimpleLb::LeastRequest
        | SimpleLb::Passthrough => Balancing::LeastRequest,
    });
    Vec::new()
}

/// Gives a cluster its endpoints, the nearer of them before the others or with shares of their own. What a rule says
/// comes before what the service prefers (`GetEffectiveLbSetting`).
pub(super) fn localities(
    gateway: &Workload,
    balancer: Option<&(&Resource<DestinationRule>, Path, &LoadBalancer)>,
    service: &Service<'_>,
    endpoints: Vec<Labelled<'_>>,
    cluster: &mut Cluster,
    findings: &mut Vec<Diagnostic>,
) {
    let setting = balancer.and_then(|(.., own)| own.locality_lb_setting.as_ref());
    let of_service = LocalityLb {
        failover_priority: service.prefers.iter().map(|&own| own.to_owned()).collect(),
        ..LocalityLb::default()
    };
    let locality = gateway.locality.as_ref();
    let labels = localities::added(&gateway.labels, locality, &gateway.node, "");
    let from = spread::From {
        locality: gateway.locality.clone().unwrap_or_default(),
        labels: &labels,
    };
    let were_some = !endpoints.is_empty();
    let ejects = cluster.policy.outliers.is_some();
    let spread = if setting.is_none() && !service.prefers.is_empty() {
        spread::spread(&from, Some(&of_service), true, endpoints)
    } else {
        spread::spread(&from, setting, ejects, endpoints)
    };
    if let (Some(setting), Some((rule, path, _))) = (setting, balancer) {
        let path = path.field("localityLbSetting");
        if let Some(field) = spread::asks_where(setting)
            && gateway.locality.is_none()
        {
            let message = "where the gateway is, is not known";
            findings.push(rule.warning(Code::UnknownLocality, &path.field(field), message));
        }
        let path = path.field("distribute");
        for place in &spread.deserted {
            let message = format!("{}: no endpoint is in {place}", cluster.name);
            findings.push(rule.warning(Code::DesertedLocality, &path, message));
        }
        if were_some && spread.endpoints.is_empty() {
            let message = format!("{}: no endpoint is left", cluster.name);
            let finding = rule.warning(Code::DesertedLocality, &path, message);
            findings.push(finding.help("its requests get 503; add `\"*\"` to `to`"));
        }
    }
    cluster.endpoints = spread.endpoints;
    cluster.policy.upstream.shares = spread.shares;
}

/// With Istio's numbers where none is given (`setWarmup`).
fn warmup(balancer: &LoadBalancer) -> Option<Warmup> {
    let own = balancer.warmup.as_ref();
    let duration = own.map_or(&balancer.warmup_duration_secs, |own| &own.duration);
    Some(Warmup {
        duration: duration.as_ref().and_then(GoDuration::get)?,
        least: own.and_then(|own| own.minimum_percent).unwrap_or(10.0),
        aggression: own.and_then(|own| own.aggression).unwrap_or(1.0),
    })
}

fn algorithm(hash: &ConsistentHash) -> Balancing {
    let some = |size: u64| (size > 0).then_some(size);
    match (&hash.maglev, &hash.ring_hash) {
        (Some(maglev), _) => Balancing::Maglev(some(maglev.table_size)),
        (None, Some(ring)) => Balancing::RingHash(some(ring.minimum_ring_size)),
        (None, None) => Balancing::RingHash(some(hash.minimum_ring_size)),
    }
}

fn keys(hash: &ConsistentHash) -> Vec<HashKey> {
    let header = hash.http_header_name.iter().cloned().map(HashKey::Header);
    let cookie = hash.http_cookie.iter().map(|cookie| HashKey::Cookie {
        name: cookie.name.clone(),
        path: cookie.path.clone(),
        ttl: cookie.ttl.as_ref().and_then(GoDuration::get),
        attributes: cookie
            .attributes
            .iter()
            .map(|own| (own.name.clone(), own.value.clone()))
            .collect(),
    });
    let query = hash.http_query_parameter_name.iter().cloned();
    let address = hash.use_source_ip.filter(|is| *is);
    header
        .chain(cookie)
        .chain(address.map(|_| HashKey::Address))
        .chain(query.map(HashKey::Query))
        .collect()
}
