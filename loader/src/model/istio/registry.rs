//! Services that requests can go to: Kubernetes' own, and ServiceEntries.

mod services;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::services::{of_entry, of_kubernetes};
use super::destination_rules::Labelled;
use super::names::{self, Visibility};
use super::workload::Workload;
use crate::model::kuma::Input;
use crate::model::{Endpoint, Locality, UpstreamProtocol};

/// The label of services whose ports are not translated.
const KEEPS_PORT: &str = "experimental.istio.io/disable-gateway-port-translation";

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
    workloads: Vec<Backend>,
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

/// A port of a service that a workload is behind.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) namespace: String,
    pub(super) port: u16,
    pub(super) bound: u16,
    pub(super) keeps_port: bool,
}

/// All services.
#[derive(Debug)]
pub(super) struct Registry<'a> {
    input: Input<'a>,
    all: Vec<Service<'a>>,
    /// The places of those with a name.
    by_host: HashMap<String, Vec<usize>>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let kubernetes = input.resources.kubernetes.services.iter();
        let mut services: Vec<_> = kubernetes.map(|own| of_kubernetes(input, own)).collect();
        let mut entries: Vec<_> = input.resources.istio.service_entries.iter().collect();
        entries.sort_by(|a, b| names::order(a, b));
        for entry in entries {
            let hosts = entry.spec.hosts.iter();
            services.extend(hosts.map(|host| of_entry(input, entry, host)));
        }
        let mut by_host: HashMap<_, Vec<_>> = HashMap::new();
        for (place, service) in services.iter().enumerate() {
            by_host.entry(service.host.clone()).or_default().push(place);
        }
        Self {
            input,
            all: services,
            by_host,
        }
    }

    /// The service with this name that a namespace may use: its own before others'.
    pub(super) fn find(&self, host: &str, user: &str) -> Option<&Service<'a>> {
        let places = self.by_host.get(host).into_iter().flatten();
        let named = places.filter_map(|place| self.all.get(*place));
        let visible = named.filter(|service| {
            names::visibility(service.export_to, service.namespace, user).is_some()
        });
        visible.min_by_key(|service| {
            let visibility = names::visibility(service.export_to, service.namespace, user);
            (
                service.namespace != user,
                visibility.unwrap_or(Visibility::Public),
            )
        })
    }

    /// Every service that a namespace may use, once: of one name the one that [`Self::find`] finds.
    pub(super) fn visible(&self, user: &str) -> Vec<&Service<'a>> {
        let is_found = |service: &&Service<'a>| {
            let found = self.find(&service.host, user);
            found.is_some_and(|found| std::ptr::eq(found, *service))
        };
        self.all.iter().filter(is_found).collect()
    }

    /// The ports of services that the workload is behind, by label in its namespace or by address.
    pub(super) fn targets_of(&self, workload: &Workload) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut services: Vec<_> = self.input.resources.kubernetes.services.iter().collect();
        services.sort_by(|a, b| names::order(a, b));
        for service in services {
            let selector = &service.spec.selector;
            let is_behind = service.meta.namespace() == workload.namespace
                && !selector.is_empty()
                && workload.is_selected_by(selector);
            if is_behind {
                let own = of_kubernetes(self.input, service);
                let keeps_port = service.meta.labels.contains_key(KEEPS_PORT);
                targets.extend(own.ports.iter().map(|port| Target {
                    host: own.host.clone(),
                    namespace: own.namespace.to_owned(),
                    port: port.number,
                    bound: port.target,
                    keeps_port,
                }));
            }
        }
        let mut entries: Vec<_> = self.input.resources.istio.service_entries.iter().collect();
        entries.sort_by(|a, b| names::order(a, b));
        for entry in entries {
            let selector = entry.spec.workload_selector.as_ref();
            let by_label = selector.is_some_and(|selector| {
                entry.meta.namespace() == workload.namespace
                    && !selector.labels.is_empty()
                    && workload.is_selected_by(&selector.labels)
            });
            let address = workload.address.map(|address| address.to_string());
            let endpoint = entry
                .spec
                .endpoints
                .iter()
                .find(|endpoint| Some(&endpoint.address) == address.as_ref());
            if !by_label && endpoint.is_none() {
                continue;
            }
            let keeps_port = entry.meta.labels.contains_key(KEEPS_PORT);
            for host in &entry.spec.hosts {
                let own = of_entry(self.input, entry, host);
                for port in &own.ports {
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
