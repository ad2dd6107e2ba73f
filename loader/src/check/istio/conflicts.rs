//! Servers of several gateways for the same hosts: the second is dropped (`analyzers/gateway/conflictinggateway.go`,
//! `mergeGateways` of `pilot/pkg/model/gateway.go`), and certificates of several gateways
//! (`analyzers/gateway/certificate.go`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::gateway::{Gateway, Server, ServerTls};
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::workloads::{selects, workloads, written};

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let mut by_port: BTreeMap<u32, Vec<Found<'_>>> = BTreeMap::new();
    for gateway in &resources.istio.gateways {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let path = Path::of("servers").index(index);
            let number = path.field("port").field("number");
            if let Some(port) = server
                .port
                .as_ref()
                .filter(|_| !gateway.place.faults.contains(&number))
            {
                by_port.entry(port.number).or_default().push(Found {
                    gateway,
                    server,
                    path,
                });
            }
        }
    }
    for (port, found) in &by_port {
        let mut by_host: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, one) in found.iter().enumerate() {
            for host in &one.server.hosts {
                by_host.entry(host).or_default().push(place);
            }
        }
        for one in found {
            let hosts = one.server.hosts.iter();
            let same = hosts.filter_map(|host| by_host.get(host.as_str()));
            let same: BTreeSet<usize> = same.flatten().copied().collect();
            let others: Vec<_> = same
                .into_iter()
                .filter_map(|place| found.get(place))
                .filter(|other| conflicts(resources, one, other))
                .collect();
            if let Some(first) = others.first() {
                findings.push(
                    conflict(*port, one, &others)
                        .also(first.gateway.span(&first.path), "the other one"),
                );
            }
        }
    }
    shared_certificates(resources, findings);
}

/// A server with its place.
struct Found<'r> {
    gateway: &'r Resource<Gateway>,
    server: &'r Server,
    path: Path,
}

/// Whether two servers that have a host in common are in each other's way.
fn conflicts(resources: &Resources, one: &Found<'_>, other: &Found<'_>) -> bool {
    let is_same_gateway = std::ptr::eq(one.gateway, other.gateway);
    !is_same_gateway
        && one.server.bind == other.server.bind
        && share_a_workload(resources, &one.gateway.spec, &other.gateway.spec)
}

/// Whether one workload may be selected by both: for certain where one selector holds the other, and else if there is
/// one with the labels of both.
fn share_a_workload(resources: &Resources, one: &Gateway, other: &Gateway) -> bool {
    if one.selector == other.selector {
        return true;
    }
    workloads(&resources.kubernetes).any(|workload| {
        selects(&one.selector, workload.labels) && selects(&other.selector, workload.labels)
    })
}

fn conflict(port: u32, one: &Found<'_>, others: &[&Found<'_>]) -> Diagnostic {
    let mut names: Vec<_> = others
        .iter()
        .map(|other| {
            format!(
                "{}/{}",
                other.gateway.meta.namespace(),
                other.gateway.meta.name
            )
        })
        .collect();
    names.sort();
    names.dedup();
    let text = format!(
        "Conflict with gateways {} (workload selector {}, port {port}, hosts [{}]). [IST0145]",
        names.join(","),
        written(&one.gateway.spec.selector),
        one.server.hosts.join(" ")
    );
    let finding = one
        .gateway
        .warning(Code::ConflictingGateways, &one.path.field("hosts"), text);
    finding.help(
        "of servers with TLS settings for the same host Istio takes that of the oldest gateway, or of the first by name, \
         and drops the others whole: serve the host from one gateway",
    )
}

fn shared_certificates(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    for gateway in &resources.istio.gateways {
        let others = resources.istio.gateways.iter();
        let mut others = others.filter(|other| {
            let is_other = !std::ptr::eq(*other, gateway);
            is_other && selects(&gateway.spec.selector, &other.spec.selector)
        });
        let tls = || gateway.spec.servers.iter().enumerate();
        let shared = others.find_map(|other| {
            let theirs = || {
                other
                    .spec
                    .servers
                    .iter()
                    .filter_map(|server| server.tls.as_ref())
            };
            let mut own = tls().filter_map(|(index, server)| Some((index, server.tls.as_ref()?)));
            let (index, _) =
                own.find(|(_, own)| theirs().any(|their| same_certificate(own, their)))?;
            Some((other, index))
        });
        let Some((other, index)) = shared else {
            continue;
        };
        let text = format!(
            "Duplicate certificate in multiple gateways [{}/{} {}/{}] may cause 404s if clients re-use HTTP2 connections. \
             [IST0138]",
            gateway.meta.namespace(),
            gateway.meta.name,
            other.meta.namespace(),
            other.meta.name
        );
        let path = Path::of("servers").index(index).field("tls");
        let finding = gateway.warning(Code::SharedCertificate, &path, text);
        findings.push(
            finding
                .also(other.span(&Path::of("servers")), "the other gateway")
                .help("put the hosts of a certificate into one server"),
        );
    }
}

fn same_certificate(one: &ServerTls, other: &ServerTls) -> bool {
    if !one.credential_name.is_empty() || !other.credential_name.is_empty() {
        return one.credential_name == other.credential_name;
    }
    !one.server_certificate.is_empty()
        && !one.private_key.is_empty()
        && one.server_certificate == other.server_certificate
        && one.private_key == other.private_key
}
