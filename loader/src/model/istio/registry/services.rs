//! Services and what is behind them, as resources say it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Backend, Service, ServicePort};
use crate::model::istio::{localities, names};
use crate::model::kuma::Input;
use crate::model::{Locality, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::istio::service_entry::{Location, Resolution, ServiceEntry, WorkloadEntry};
use crate::resources::kubernetes::endpoint_slice;
use crate::resources::kubernetes::endpoints::TargetRef;
use crate::resources::kubernetes::service::Service as KubernetesService;
use crate::resources::kubernetes::{Kubernetes, Pod};

pub(super) fn of_kubernetes<'a>(
    input: Input<'a>,
    service: &'a Resource<KubernetesService>,
) -> Service<'a> {
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
            is_udp: is_udp(&port.protocol),
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
        is_external: false,
        is_passthrough: false,
        subject_names: &[],
        prefers: localities::preferred(meta, &service.spec.traffic_distribution),
        workloads: backends_of(input, service),
    }
}

/// The addresses behind a service: those of its slices, or else of its Endpoints.
fn backends_of(input: Input<'_>, service: &Resource<KubernetesService>) -> Vec<Backend> {
    let kubernetes = &input.resources.kubernetes;
    let namespace = service.meta.namespace();
    let pod = |target: Option<&TargetRef>| {
        let target = target.filter(|target| target.kind == "Pod")?;
        pod(input, namespace, &target.name)
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
            let pod = pod(endpoint.target_ref.as_ref());
            let at = At {
                node: &endpoint.node_name,
                zone: &endpoint.zone,
            };
            backends.extend(endpoint.addresses.first().map(|address| Backend {
                ports: named(&slice.spec.ports),
                only_these: true,
                ..of_pod(kubernetes, address, pod, at)
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
        backends.extend(subset.addresses.iter().map(|address| {
            let at = At {
                node: &address.node_name,
                zone: "",
            };
            Backend {
                ports: named(&subset.ports),
                only_these: true,
                ..of_pod(
                    kubernetes,
                    &address.ip,
                    pod(address.target_ref.as_ref()),
                    at,
                )
            }
        }));
    }
    backends
}

pub(super) fn of_entry<'a>(
    input: Input<'a>,
    entry: &'a Resource<ServiceEntry>,
    host: &'a str,
) -> Service<'a> {
    let spec = &entry.spec;
    let ports = spec.ports.iter().filter_map(|port| {
        let number = u16::try_from(port.number).ok()?;
        let target = u16::try_from(port.target_port).ok();
        Some(ServicePort {
            number,
            name: port.name.clone(),
            protocol: protocol(&port.protocol),
            is_udp: is_udp(&port.protocol),
            target: target.filter(|&target| target > 0).unwrap_or(number),
        })
    });
    let by_name = matches!(spec.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    let namespace = entry.meta.namespace();
    let written = |own: &WorkloadEntry| of_workload_entry(namespace, own);
    let mut workloads: Vec<_> = spec.endpoints.iter().map(written).collect();
    if workloads.is_empty() && by_name && !host.contains('*') {
        workloads.push(written(&WorkloadEntry {
            address: host.to_owned(),
            ..WorkloadEntry::default()
        }));
    }
    if let Some(selector) = &spec.workload_selector {
        workloads.extend(selected(input, namespace, &selector.labels));
    }
    Service {
        host: host.to_owned(),
        namespace,
        export_to: &spec.export_to,
        ports: ports.collect(),
        alias: None,
        is_external: spec.location == Location::External,
        is_passthrough: matches!(spec.resolution, Resolution::None | Resolution::DynamicDns),
        subject_names: &spec.subject_alt_names,
        prefers: localities::preferred(&entry.meta, ""),
        workloads,
    }
}

fn pod<'a>(input: Input<'a>, namespace: &str, name: &str) -> Option<&'a Resource<Pod>> {
    input.resources.kubernetes.pods.find(namespace, name)
}

/// Where an address is, as those say that list it.
#[derive(Clone, Copy)]
struct At<'a> {
    node: &'a str,
    zone: &'a str,
}

/// What is at an address, with what its Pod says.
fn of_pod(of: &Kubernetes, address: &str, pod: Option<&Resource<Pod>>, at: At<'_>) -> Backend {
    let account = pod.and_then(|pod| account(pod.meta.namespace(), &pod.spec.service_account_name));
    let locality = pod.and_then(|pod| localities::of_pod(of, pod));
    let locality = locality.or_else(|| localities::of_address(of, at.node, at.zone));
    let node = pod.map(|pod| pod.spec.node_name.as_str());
    let node = node.filter(|node| !node.is_empty()).unwrap_or(at.node);
    let none = BTreeMap::new();
    let labels = pod.map_or(&none, |pod| &pod.meta.labels);
    Backend {
        address: address.to_owned(),
        labels: localities::added(labels, locality.as_ref(), node, ""),
        weight: None,
        ports: BTreeMap::new(),
        only_these: false,
        account,
        locality,
    }
}

fn account(namespace: &str, name: &str) -> Option<String> {
    (!name.is_empty()).then(|| format!("{namespace}/{name}"))
}

fn of_workload_entry(namespace: &str, entry: &WorkloadEntry) -> Backend {
    let ports = entry.ports.iter();
    let locality = match entry.locality.as_str() {
        "" => localities::of_labels(&entry.labels),
        text => Locality::read(text),
    };
    Backend {
        address: entry.address.clone(),
        labels: localities::added(&entry.labels, locality.as_ref(), "", &entry.network),
        weight: (entry.weight > 0).then_some(entry.weight),
        ports: ports
            .filter_map(|(name, &port)| Some((name.clone(), u16::try_from(port).ok()?)))
            .collect(),
        only_these: false,
        account: account(namespace, &entry.service_account),
        locality,
    }
}

/// The WorkloadEntries of a namespace with these labels, and its Pods, where Endpoints say what address they have.
fn selected(input: Input<'_>, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Backend> {
    let has_labels = |own: &BTreeMap<String, String>| {
        let mut wanted = labels.iter();
        wanted.all(|(name, value)| own.get(name) == Some(value))
    };
    let entries = input.resources.istio.workload_entries.iter();
    let entries = entries
        .filter(|entry| entry.meta.namespace() == namespace && has_labels(&entry.spec.labels))
        .map(|entry| of_workload_entry(namespace, &entry.spec));
    let slices = input.resources.kubernetes.endpoint_slices.iter();
    let endpoints = slices
        .filter(|slice| slice.meta.namespace() == namespace)
        .flat_map(|slice| &slice.spec.endpoints);
    let pods = endpoints
        .filter_map(|endpoint| {
            let target = endpoint.target_ref.as_ref()?;
            let pod = pod(input, namespace, &target.name)?;
            let address = endpoint.addresses.first()?;
            let at = At {
                node: &endpoint.node_name,
                zone: &endpoint.zone,
            };
            has_labels(&pod.meta.labels)
                .then(|| of_pod(&input.resources.kubernetes, address, Some(pod), at))
        })
        .filter(|backend| backend.address.parse::<IpAddr>().is_ok());
    entries.chain(pods).collect()
}

fn is_udp(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("udp")
}

/// What is spoken behind a port (`pkg/config/protocol` at 1.32).
fn protocol(spoken: &str) -> UpstreamProtocol {
    match spoken.to_ascii_lowercase().as_str() {
        "grpc" | "grpc-web" | "http2" | "kubernetes.io/h2c" => UpstreamProtocol::Http2,
        _ => UpstreamProtocol::Http1,
    }
}
