//! Services that requests can go to: Kubernetes' own, and ServiceEntries.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::names::{self, Visibility};
use super::workload::Workload;
use crate::model::kuma::Input;
use crate::model::{Endpoint, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::istio::service_entry::{Resolution, ServiceEntry, WorkloadEntry};
use crate::resources::kubernetes::endpoint_slice;
use crate::resources::kubernetes::endpoints::TargetRef;
use crate::resources::kubernetes::service::Service as KubernetesService;

/// The label of services whose ports are not translated.
const KEEPS_PORT: &str = "experimental.istio.io/disable-gateway-port-translation";

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Service<'a> {
    pub(super) host: String,
    pub(super) namespace: &'a str,
    export_to: &'a [String],
    pub(super) ports: Vec<ServicePort>,
    /// Another name that stands for it.
    pub(super) alias: Option<&'a str>,
    /// Whether each request goes to the address that its client asked for, which no gateway knows.
    pub(super) is_passthrough: bool,
    pub(super) subject_names: &'a [String],
    workloads: Vec<Backend>,
}

/// A port of a service.
#[derive(Clone, Debug)]
pub(super) struct ServicePort {
    pub(super) number: u16,
    pub(super) name: String,
    pub(super) protocol: UpstreamProtocol,
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
        Self {
            input,
            all: services,
        }
    }

    /// The service with this name that a namespace may use: its own before others'.
    pub(super) fn find(&self, host: &str, user: &str) -> Option<&Service<'a>> {
        let visible = self.all.iter().filter(|service| {
            service.host == host
                && names::visibility(service.export_to, service.namespace, user).is_some()
        });
        visible.min_by_key(|service| {
            let visibility = names::visibility(service.export_to, service.namespace, user);
            (
                service.namespace != user,
                visibility.unwrap_or(Visibility::Public),
            )
        })
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

    /// The endpoints of a port that have these labels.
    pub(super) fn endpoints(
        &self,
        port: &ServicePort,
        labels: &BTreeMap<String, String>,
    ) -> Vec<Endpoint> {
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
                    None if backend.only_these => return None,
                    None => port.target,
                    Some(number) => number,
                };
                Some(Endpoint {
                    address: backend.address.clone(),
                    port: number,
                    tls: None,
                    weight: backend.weight,
                })
            })
            .collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }
}

fn of_kubernetes<'a>(input: Input<'a>, service: &'a Resource<KubernetesService>) -> Service<'a> {
    let ports = service.spec.ports.iter().filter_map(|port| {
        let number = u16::try_from(port.port).ok()?;
        let target = port.target_port.as_ref();
        let target = target.and_then(|target| target.0.parse().ok());
        let spoken = match port.app_protocol.as_str() {
            "" => port.name.split('-').next().unwrap_or_default(),
            spoken => spoken,
        };
        Some(ServicePort {
            number,
            name: port.name.clone(),
            protocol: protocol(spoken),
            target: target.unwrap_or(number),
        })
    });
    let meta = &service.meta;
    let is_alias = service.spec.kind == "ExternalName";
    Service {
        host: names::full(&meta.name, meta.namespace()),
        namespace: meta.namespace(),
        export_to: &[],
        ports: ports.collect(),
        alias: is_alias.then_some(service.spec.external_name.as_str()),
        is_passthrough: false,
        subject_names: &[],
        workloads: backends_of(input, service),
    }
}

/// The addresses behind a service: those of its slices, or else of its Endpoints.
fn backends_of(input: Input<'_>, service: &Resource<KubernetesService>) -> Vec<Backend> {
    let kubernetes = &input.resources.kubernetes;
    let namespace = service.meta.namespace();
    let labels = |target: Option<&TargetRef>| {
        let target = target.filter(|target| target.kind == "Pod");
        let pod = target.and_then(|target| {
            kubernetes
                .pods
                .iter()
                .find(|pod| pod.meta.namespace() == namespace && pod.meta.name == target.name)
        });
        pod.map(|pod| pod.meta.labels.clone()).unwrap_or_default()
    };
    let named = |ports: &[crate::resources::kubernetes::endpoints::Port]| {
        let numbers = ports.iter().filter_map(|port| {
            let number = u16::try_from(port.port).ok()?;
            Some((port.name.clone(), number))
        });
        numbers.collect::<BTreeMap<_, _>>()
    };
    let mut backends = Vec::new();
    let slices = kubernetes.endpoint_slices.iter().filter(|slice| {
        slice.meta.namespace() == namespace
            && slice.meta.labels.get(endpoint_slice::SERVICE) == Some(&service.meta.name)
    });
    for slice in slices {
        let ready = slice.spec.endpoints.iter();
        for endpoint in ready.filter(|endpoint| endpoint.conditions.ready != Some(false)) {
            backends.extend(endpoint.addresses.first().map(|address| Backend {
                address: address.clone(),
                labels: labels(endpoint.target_ref.as_ref()),
                weight: None,
                ports: named(&slice.spec.ports),
                only_these: true,
            }));
        }
    }
    if !backends.is_empty() {
        return backends;
    }
    let own = kubernetes.endpoints.iter().filter(|endpoints| {
        endpoints.meta.namespace() == namespace && endpoints.meta.name == service.meta.name
    });
    for subset in own.flat_map(|endpoints| &endpoints.spec.subsets) {
        backends.extend(subset.addresses.iter().map(|address| Backend {
            address: address.ip.clone(),
            labels: labels(address.target_ref.as_ref()),
            weight: None,
            ports: named(&subset.ports),
            only_these: true,
        }));
    }
    backends
}

fn of_entry<'a>(input: Input<'a>, entry: &'a Resource<ServiceEntry>, host: &'a str) -> Service<'a> {
    let spec = &entry.spec;
    let ports = spec.ports.iter().filter_map(|port| {
        let number = u16::try_from(port.number).ok()?;
        let target = u16::try_from(port.target_port).ok();
        Some(ServicePort {
            number,
            name: port.name.clone(),
            protocol: protocol(&port.protocol),
            target: target.filter(|&target| target > 0).unwrap_or(number),
        })
    });
    let by_name = matches!(spec.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    let mut workloads: Vec<_> = spec.endpoints.iter().map(of_workload_entry).collect();
    if workloads.is_empty() && by_name && !host.contains('*') {
        workloads.push(of_workload_entry(&WorkloadEntry {
            address: host.to_owned(),
            ..WorkloadEntry::default()
        }));
    }
    if let Some(selector) = &spec.workload_selector {
        workloads.extend(selected(input, entry.meta.namespace(), &selector.labels));
    }
    Service {
        host: host.to_owned(),
        namespace: entry.meta.namespace(),
        export_to: &spec.export_to,
        ports: ports.collect(),
        alias: None,
        is_passthrough: matches!(spec.resolution, Resolution::None | Resolution::DynamicDns),
        subject_names: &spec.subject_alt_names,
        workloads,
    }
}

fn of_workload_entry(entry: &WorkloadEntry) -> Backend {
    let ports = entry.ports.iter();
    Backend {
        address: entry.address.clone(),
        labels: entry.labels.clone(),
        weight: (entry.weight > 0).then_some(entry.weight),
        ports: ports
            .filter_map(|(name, &port)| Some((name.clone(), u16::try_from(port).ok()?)))
            .collect(),
        only_these: false,
    }
}

/// The Pods of a namespace with these labels, where Endpoints say what address they have.
fn selected(input: Input<'_>, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Backend> {
    let kubernetes = &input.resources.kubernetes;
    let has_labels = |own: &BTreeMap<String, String>| {
        let mut wanted = labels.iter();
        wanted.all(|(name, value)| own.get(name) == Some(value))
    };
    let slices = kubernetes.endpoint_slices.iter();
    let endpoints = slices
        .filter(|slice| slice.meta.namespace() == namespace)
        .flat_map(|slice| &slice.spec.endpoints);
    endpoints
        .filter_map(|endpoint| {
            let target = endpoint.target_ref.as_ref()?;
            let pod = kubernetes
                .pods
                .iter()
                .find(|pod| pod.meta.namespace() == namespace && pod.meta.name == target.name)?;
            has_labels(&pod.meta.labels).then(|| Backend {
                address: endpoint.addresses.first().cloned().unwrap_or_default(),
                labels: pod.meta.labels.clone(),
                weight: None,
                ports: BTreeMap::new(),
                only_these: false,
            })
        })
        .filter(|backend| backend.address.parse::<IpAddr>().is_ok())
        .collect()
}

/// What is spoken behind a port (`pkg/config/protocol` at 1.32).
fn protocol(spoken: &str) -> UpstreamProtocol {
    match spoken.to_ascii_lowercase().as_str() {
        "grpc" | "grpc-web" | "http2" | "kubernetes.io/h2c" => UpstreamProtocol::Http2,
        _ => UpstreamProtocol::Http1,
    }
}
