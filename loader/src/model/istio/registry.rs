//! Services that requests can go to: Kubernetes' own, and ServiceEntries.

mod found;
mod listed;
mod services;
mod targets;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use self::found::Found;
use self::listed::Listed;
use self::services::{of_entry, of_kubernetes};
use super::destination_rules::Labelled;
use super::names;
use crate::model::kuma::Input;
use crate::model::{Endpoint, Locality, UpstreamProtocol};

pub(super) use self::targets::{Target, Targets};

/// What the address of an endpoint on a Unix socket begins with.
const UNIX: &str = "unix://";

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Service<'a> {
    pub(super) host: String,
    pub(super) namespace: &'a str,
    export_to: &'a [String],
    pub(super) ports: Vec<ServicePort>,
    /// Another name that stands for it.
    pub(super) alias: Option<&'a str>,
    /// Whether it is outside of the mesh.
    pub(super) is_external: bool,
    /// Whether each request goes to the address that its client asked for, which no gateway knows.
    pub(super) is_passthrough: bool,
    pub(super) subject_names: &'a [String],
    /// The labels by which near endpoints come first whatever happens to them, the more important before the others.
    pub(super) prefers: &'static [&'static str],
    /// One list for all hosts of a ServiceEntry.
    workloads: Rc<[Backend]>,
}

/// A port of a service.
#[derive(Clone, Debug)]
pub(super) struct ServicePort {
    pub(super) number: u16,
    pub(super) name: String,
    pub(super) protocol: UpstreamProtocol,
    /// Whether it takes UDP, which no gateway sends.
    pub(super) is_udp: bool,
    target: u16,
}

/// What is behind a service.
#[derive(Clone, Debug)]
struct Backend {
    address: String,
    labels: BTreeMap<String, String>,
    weight: Option<u32>,
    /// Ports by the names of the service's; the target port where it has none.
    ports: BTreeMap<String, u16>,
    /// Whether it has those ports only.
    only_these: bool,
    /// Its service account, `<namespace>/<name>`, if it is known.
    account: Option<String>,
    /// Where it is, if that is known; its labels say it too.
    locality: Option<Locality>,
}

/// All services.
#[derive(Debug)]
pub(super) struct Registry<'a> {
    all: Vec<Service<'a>>,
    /// Which of those with a name each namespace uses.
    by_host: HashMap<String, Found<'a>>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let listed = Listed::new(input);
        let kubernetes = input.resources.kubernetes.services.iter();
        let mut services: Vec<_> = kubernetes.map(|own| of_kubernetes(&listed, own)).collect();
        let mut entries: Vec<_> = input.resources.istio.service_entries.iter().collect();
        entries.sort_by(|a, b| names::order(a, b));
        for entry in entries {
            services.extend(of_entry(&listed, entry));
        }
        let mut by_host: HashMap<_, Found<'a>> = HashMap::new();
        for (place, service) in services.iter().enumerate() {
            let found = by_host.entry(service.host.clone()).or_default();
            found.add(place, service.namespace, service.export_to);
        }
        Self {
            all: services,
            by_host,
        }
    }

    /// The service with this name that a namespace may use: its own before others'.
    pub(super) fn find(&self, host: &str, user: &str) -> Option<&Service<'a>> {
        let place = self.by_host.get(host)?.by(user)?;
        self.all.get(place)
    }

    /// Every service that a namespace may use, once: of one name the one that [`Self::find`] finds.
    pub(super) fn visible(&self, user: &str) -> Vec<&Service<'a>> {
        let is_found = |service: &&Service<'a>| {
            let found = self.find(&service.host, user);
            found.is_some_and(|found| std::ptr::eq(found, *service))
        };
        self.all.iter().filter(is_found).collect()
    }
}

impl Service<'_> {
    /// Its port with this number.
    pub(super) fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// The service accounts of what is behind it; nothing if one of them is not known.
    pub(super) fn accounts(&self) -> Option<BTreeSet<&str>> {
        let accounts = self.workloads.iter().map(|own| own.account.as_deref());
        accounts.collect()
    }

    /// The endpoints of a port that have these labels.
    pub(super) fn endpoints(
        &self,
        port: &ServicePort,
        labels: &BTreeMap<String, String>,
    ) -> Vec<Labelled<'_>> {
        let mut endpoints: Vec<_> = self
            .workloads
            .iter()
            .filter(|backend| {
                let mut labels = labels.iter();
                labels.all(|(name, value)| backend.labels.get(name) == Some(value))
            })
            .filter_map(|backend| {
                let named = backend.ports.get(&port.name).copied();
                let number = match named {
                    _ if backend.address.starts_with(UNIX) => 0,
                    None if backend.only_these => return None,
                    None => port.target,
                    Some(number) => number,
                };
                let endpoint = Endpoint {
                    address: backend.address.clone(),
                    port: number,
                    tls: None,
                    weight: backend.weight,
                    priority: 0,
                    locality: backend.locality.clone(),
                };
                Some(Labelled {
                    endpoint,
                    labels: &backend.labels,
                })
            })
            .collect();
        endpoints.sort();
        endpoints.dedup_by(|own, before| own.endpoint == before.endpoint);
        endpoints
    }
}
