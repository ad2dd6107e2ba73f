//! Servers of several gateways for the same hosts: the second is dropped (`analyzers/gateway/conflictinggateway.go`,
//! `mergeGateways` of `pilot/pkg/model/gateway.go`), and certificates of several gateways.

mod certificates;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::label_index::{Labels, SelectorIndex};
use crate::resources::istio::gateway::{Gateway, Server};
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::workloads::{workloads, written};

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
    let selections = Selections::new(resources);
    for (port, found) in &by_port {
        let mut by_host: HashMap<Key<'_>, BTreeMap<usize, Vec<usize>>> = HashMap::new();
        for (place, one) in found.iter().enumerate() {
            let (selection, gateway) = selections.of(one.gateway);
            for host in &one.server.hosts {
                let known = by_host
                    .entry((host, &one.server.bind, selection))
                    .or_default();
                known.entry(gateway).or_default().push(place);
            }
        }
        for one in found {
            let (selection, gateway) = selections.of(one.gateway);
            let mut others: BTreeSet<usize> = BTreeSet::new();
            for host in &one.server.hosts {
                for other in selections.sharing(selection) {
                    let known = by_host.get(&(host.as_str(), one.server.bind.as_str(), *other));
                    let known = known.into_iter().flatten();
                    let known = known.filter(|(other, _)| **other != gateway);
                    others.extend(known.flat_map(|(_, places)| places));
                }
            }
            let others = others.into_iter().filter_map(|place| found.get(place));
            let others: Vec<_> = others.collect();
            if let Some(first) = others.first() {
                findings.push(
                    conflict(*port, one, &others)
                        .also(first.gateway.span(&first.path), "the other one"),
                );
            }
        }
    }
    certificates::check(resources, findings);
}

/// A host, an address, and the number of a selector.
type Key<'r> = (&'r str, &'r str, usize);

/// A server with its place.
struct Found<'r> {
    gateway: &'r Resource<Gateway>,
    server: &'r Server,
    path: Path,
}

/// Selectors of Gateways, by whether one workload may be selected by two of them: for certain where they are the same,
/// and else if there is one with the labels of both.
struct Selections<'r> {
    /// By the places of the Gateways in memory: the number of the selector, and that of the Gateway.
    numbers: HashMap<*const Resource<Gateway>, (usize, usize)>,
    /// Each selector with those that share a workload with it, itself among them.
    sharing: Vec<BTreeSet<usize>>,
    known: HashMap<&'r Labels, usize>,
}

impl<'r> Selections<'r> {
    fn new(resources: &'r Resources) -> Self {
        let mut made = Self {
            numbers: HashMap::new(),
            sharing: Vec::new(),
            known: HashMap::new(),
        };
        for (number, gateway) in resources.istio.gateways.iter().enumerate() {
            let selection = *made.known.entry(&gateway.spec.selector).or_insert_with(|| {
                made.sharing.push(BTreeSet::from([made.sharing.len()]));
                made.sharing.len() - 1
            });
            made.numbers
                .insert(std::ptr::from_ref(gateway), (selection, number));
        }
        let selectors = made.known.iter();
        let by_label = SelectorIndex::new(selectors.map(|(own, number)| (*number, "", *own)));
        let labels: BTreeSet<_> = workloads(&resources.kubernetes)
            .map(|own| own.labels)
            .collect();
        for labels in labels {
            let selected: Vec<_> = by_label.selecting("", labels).collect();
            for one in &selected {
                if let Some(sharing) = made.sharing.get_mut(*one) {
                    sharing.extend(&selected);
                }
            }
        }
        made
    }

    /// The number of a Gateway's selector, and its own.
    fn of(&self, gateway: &Resource<Gateway>) -> (usize, usize) {
        let numbers = self.numbers.get(&std::ptr::from_ref(gateway));
        numbers.copied().unwrap_or_default()
    }

    fn sharing(&self, selection: usize) -> impl Iterator<Item = &usize> {
        self.sharing.get(selection).into_iter().flatten()
    }
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
