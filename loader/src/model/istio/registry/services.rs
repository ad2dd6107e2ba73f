//! Services and what is behind them, as resources say it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::listed::Listed;
use super::{Backend, Service, ServicePort};
use crate::model::istio::{localities, names};
use crate::model::{Locality, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::istio::service_entry::{Location, Resolution, ServiceEntry, WorkloadEntry};
use crate::resources::kubernetes::Pod;
use crate::resources::kubernetes::endpoints::TargetRef;
use crate::resources::kubernetes::service::Service as KubernetesService;

/// The ports of a service.
pub(super) fn ports_of(service: &Resource<KubernetesService>) -> Vec<ServicePort> {
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
    ports.collect()
}

pub(super) fn of_kubernetes<'a>(
    listed: &Listed<'a>,
    service: &'a Resource<KubernetesService>,
) -> Service<'a> {
    let meta = &service.meta;
    let is_alias = service.spec.kind == "ExternalName";
    Service {
        host: names::full(&meta.name, meta.namespace()),
        namespace: meta.namespace(),
        export_to: &[],
        ports: ports_of(service),
        alias: is_alias.then_some(service.spec.external_name.as_str()),
        is_external: false,
        is_passthrough: false,
        subject_names: &[],
        prefers: localities::preferred(meta, &service.spec.traffic_distribution),
        workloads: backends_of(listed, service).into(),
    }
}

/// The addresses behind a service: those of its slices, or else of its Endpoints.
fn backends_of(listed: &Listed<'_>, service: &Resource<KubernetesService>) -> Vec<Backend> {
    let (namespace, name) = (service.meta.namespace(), service.meta.name.as_str());
    let pods = &listed.kubernetes().pods;
    let pod = |target: Option<&TargetRef>| {
        let target = target.filter(|target| target.kind == "Pod")?;
        pods.find(namespace, &target.name)
    };
    let named = |ports: &[crate::resources::kubernetes::endpoints::Port]| {
        let numbers = ports.iter().filter_map(|port| {
            let number = u16::try_from(port.port).ok()?;
            Some((port.name.clone(), number))
        });
        numbers.collect::<BTreeMap<_, _>>()
    };
    let mut backends = Vec::new();
    for slice in listed.slices(namespace, name) {
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
                ..of_pod(listed, address, pod, at)
            }));
        }
    }
    if !backends.is_empty() {
        return backends;
    }
    let own = listed.endpoints(namespace, name).iter();
    for subset in own.flat_map(|endpoints| &endpoints.spec.subsets) {
        backends.extend(subset.addresses.iter().map(|address| {
            let at = At {
                node: &address.node_name,
                zone: "",
            };
            Backend {
                ports: named(&subset.ports),
                only_these: true,
                ..of_pod(listed, &address.ip, pod(address.target_ref.as_ref()), at)
            }
        }));
    }
    backends
}

/// The ports of an entry.
pub(super) fn ports_of_entry(spec: &ServiceEntry) -> Vec<ServicePort> {
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
    ports.collect()
}

/// A service for each host of an entry.
pub(super) fn of_entry<'a>(
    listed: &Listed<'a>,
    entry: &'a Resource<ServiceEntry>,
) -> impl Iterator<Item = Service<'a>> {
    let spec = &entry.spec;
    let by_name = matches!(spec.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    let namespace = entry.meta.namespace();
    let written = move |own: &WorkloadEntry| of_workload_entry(namespace, own);
    let selector = spec.workload_selector.as_ref();
    let selected = selector.map(|selector| selected(listed, namespace, &selector.labels));
    let selected = selected.unwrap_or_default();
    let endpoints = spec.endpoints.iter().map(written);
    let all: Rc<[Backend]> = endpoints.chain(selected.iter().cloned()).collect();
    let ports = ports_of_entry(spec);
    spec.hosts.iter().map(move |host| {
        // Without endpoints of its own a host is where its name leads.
        let is_own = spec.endpoints.is_empty() && by_name && !host.contains('*');
        let own = is_own.then(|| {
            written(&WorkloadEntry {
                address: host.clone(),
                ..WorkloadEntry::default()
            })
        });
        let workloads = match own {
            Some(own) => std::iter::once(own)
                .chain(selected.iter().cloned())
                .collect(),
            None => Rc::clone(&all),
        };
        Service {
            host: host.clone(),
            namespace,
            export_to: &spec.export_to,
            ports: ports.clone(),
            alias: None,
            is_external: spec.location == Location::External,
            is_passthrough: matches!(spec.resolution, Resolution::None | Resolution::DynamicDns),
            subject_names: &spec.subject_alt_names,
            prefers: localities::preferred(&entry.meta, ""),
            workloads,
        }
    })
}

/// Where an address is, as those say that list it.
#[derive(Clone, Copy)]
struct At<'a> {
    node: &'a str,
    zone: &'a str,
}

/// What is at an address, with what its Pod says.
fn of_pod(listed: &Listed<'_>, address: &str, pod: Option<&Resource<Pod>>, at: At<'_>) -> Backend {
    let of = listed.kubernetes();
    let account = pod.and_then(|pod| account(pod.meta.namespace(), &pod.spec.service_account_name));
    let locality = pod.and_then(|pod| localities::of_pod(of, pod));
    let locality = locality.or_else(|| listed.zones.of_address(at.node, at.zone));
    let node = pod.map(|pod| pod.spec.node_name.as_str());
    let node = node.filter(|node| !node.is_empty()).unwrap_or(at.node);
    let unlabelled = BTreeMap::new();
    let labels = pod.map_or(&unlabelled, |pod| &pod.meta.labels);
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
fn selected(
    listed: &Listed<'_>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Vec<Backend> {
    let all = &listed.input.resources.istio.workload_entries;
    let entries = listed.workload_entries().selected(Some(namespace), labels);
    let entries = entries
        .filter_map(|place| all.get(place))
        .map(|entry| of_workload_entry(namespace, &entry.spec));
    let pods = listed.pods();
    let found = pods.by_label.selected(Some(namespace), labels);
    let found = found.filter_map(|place| {
        let (pod, endpoint) = pods.all.get(place)?;
        let address = endpoint.addresses.first()?;
        let at = At {
            node: &endpoint.node_name,
            zone: &endpoint.zone,
        };
        let is_address = address.parse::<IpAddr>().is_ok();
        is_address.then(|| of_pod(listed, address, Some(pod), at))
    });
    entries.chain(found).collect()
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
