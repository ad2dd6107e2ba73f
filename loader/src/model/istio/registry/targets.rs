//! The ports of services that a gateway's workload is behind.

use std::collections::{BTreeSet, HashMap};

use super::services::{ports_of, ports_of_entry};
use crate::model::istio::label_index::SelectorIndex;
use crate::model::istio::names;
use crate::model::istio::workload::Workload;
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::istio::service_entry::ServiceEntry;
use crate::resources::kubernetes::service::Service;

/// The label of services whose ports are not translated.
const KEEPS_PORT: &str = "experimental.istio.io/disable-gateway-port-translation";

/// A port of a service that a workload is behind.
#[derive(Clone, Debug)]
pub(in crate::model::istio) struct Target {
    pub(in crate::model::istio) host: String,
    pub(in crate::model::istio) namespace: String,
    pub(in crate::model::istio) port: u16,
    pub(in crate::model::istio) bound: u16,
    pub(in crate::model::istio) keeps_port: bool,
}

/// Services in Istio's order, by what they select and by the addresses that they name.
#[derive(Debug)]
pub(in crate::model::istio) struct Targets<'a> {
    services: Vec<&'a Resource<Service>>,
    services_by_label: SelectorIndex<'a>,
    entries: Vec<&'a Resource<ServiceEntry>>,
    entries_by_label: SelectorIndex<'a>,
    entries_by_address: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Targets<'a> {
    pub(in crate::model::istio) fn new(input: Input<'a>) -> Self {
        let mut services: Vec<_> = input.resources.kubernetes.services.iter().collect();
        services.sort_by(|a, b| names::order(a, b));
        let selectors = services.iter().enumerate();
        let selectors =
            selectors.map(|(place, own)| (place, own.meta.namespace(), &own.spec.selector));
        let services_by_label = SelectorIndex::new(selectors.filter(|(.., own)| !own.is_empty()));
        let mut entries: Vec<_> = input.resources.istio.service_entries.iter().collect();
        entries.sort_by(|a, b| names::order(a, b));
        let selectors = entries.iter().enumerate().filter_map(|(place, own)| {
            let selector = own.spec.workload_selector.as_ref()?;
            Some((place, own.meta.namespace(), &selector.labels))
        });
        let entries_by_label = SelectorIndex::new(selectors.filter(|(.., own)| !own.is_empty()));
        let mut entries_by_address: HashMap<_, Vec<_>> = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            for endpoint in &entry.spec.endpoints {
                let at = entries_by_address.entry(endpoint.address.as_str());
                at.or_default().push(place);
            }
        }
        Self {
            services,
            services_by_label,
            entries,
            entries_by_label,
            entries_by_address,
        }
    }

    /// The ports of services that the workload is behind, by label in its namespace or by address.
    pub(in crate::model::istio) fn of(&self, workload: &Workload) -> Vec<Target> {
        let mut targets = Vec::new();
        let (namespace, labels) = (workload.namespace.as_str(), &workload.labels);
        let by_label = self.services_by_label.selecting(namespace, labels);
        let by_label: BTreeSet<usize> = by_label.collect();
        for service in by_label
            .into_iter()
            .filter_map(|place| self.services.get(place))
        {
            let keeps_port = service.meta.labels.contains_key(KEEPS_PORT);
            let host = names::full(&service.meta.name, service.meta.namespace());
            targets.extend(ports_of(service).iter().map(|port| Target {
                host: host.clone(),
                namespace: service.meta.namespace().to_owned(),
                port: port.number,
                bound: port.target,
                keeps_port,
            }));
        }
        let by_label = self.entries_by_label.selecting(namespace, labels);
        let mut all: BTreeSet<usize> = by_label.collect();
        let address = workload.address.map(|address| address.to_string());
        let address = address.as_deref();
        let by_address = address.and_then(|address| self.entries_by_address.get(address));
        all.extend(by_address.into_iter().flatten());
        for entry in all.into_iter().filter_map(|place| self.entries.get(place)) {
            let mut endpoints = entry.spec.endpoints.iter();
            let endpoint = endpoints.find(|endpoint| Some(endpoint.address.as_str()) == address);
            let keeps_port = entry.meta.labels.contains_key(KEEPS_PORT);
            let ports = ports_of_entry(&entry.spec);
            for host in &entry.spec.hosts {
                for port in &ports {
                    let named = endpoint.and_then(|endpoint| endpoint.ports.get(&port.name));
                    let named = named.and_then(|&port| u16::try_from(port).ok());
                    targets.push(Target {
                        host: host.clone(),
                        namespace: entry.meta.namespace().to_owned(),
                        port: port.number,
                        bound: named.unwrap_or(port.target),
                        keeps_port,
                    });
                }
            }
        }
        targets
    }
}
