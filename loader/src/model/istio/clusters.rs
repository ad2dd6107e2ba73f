//! Clusters for the destinations of routes.

mod keys;

use std::collections::BTreeMap;

use policy::Tags;

use super::destination_rules::{ByHost, Calls, Labelled, OfWorkload, Rules};
use super::names;
use super::registry::{Registry, Service, ServicePort};
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::policy::ClusterPolicy;
use crate::model::{Cluster, Endpoint, Origin};
use crate::resources::Resource;
use crate::resources::istio::virtual_service::{Destination, VirtualService};
use crate::source::Path;

/// The clusters that routes need.
#[derive(Debug)]
pub(super) struct Clusters<'a> {
    input: Input<'a>,
    registry: &'a Registry<'a>,
    workload: &'a Workload,
    rules: OfWorkload<'a>,
    made: BTreeMap<String, (Cluster, Calls)>,
}

/// The cluster of a destination.
#[derive(Debug)]
pub(super) struct Found {
    /// `outbound|<port>|<subset>|<host>`.
    pub(super) name: String,
    /// What the rules say about those who call it.
    pub(super) calls: Calls,
}

impl<'a> Clusters<'a> {
    pub(super) fn new(
        input: Input<'a>,
        registry: &'a Registry<'a>,
        rules: &'a ByHost<'a>,
        workload: &'a Workload,
    ) -> Self {
        Self {
            input,
            registry,
            workload,
            rules: OfWorkload::new(rules, workload),
            made: BTreeMap::new(),
        }
    }

    pub(super) fn into_clusters(self) -> Vec<Cluster> {
        self.made
            .into_values()
            .map(|(cluster, _)| cluster)
            .collect()
    }

    /// The cluster of a destination of `service`, which is made if the registry has it (`GetDestinationCluster`). The
    /// port is that of the server where nothing else says it.
    pub(super) fn of(
        &mut self,
        destination: &Destination,
        service: &Resource<VirtualService>,
        path: &Path,
        server_port: u16,
        findings: &mut Vec<Diagnostic>,
    ) -> Found {
        let host = names::full(&destination.host, service.meta.namespace());
        let mut found = self.registry.find(&host, &self.workload.namespace);
        let mut known = host.as_str();
        if let Some(alias) = found.and_then(|own| own.alias)
            && let Some(other) = self.registry.find(alias, &self.workload.namespace)
        {
            found = Some(other);
            known = alias;
        }
        let given = destination.port.as_ref();
        let given = given.and_then(|port| u16::try_from(port.number).ok());
        let only = found.and_then(|own| match own.ports.as_slice() {
            [port] => Some(port.number),
            _ => None,
        });
        let number = given.or(only).unwrap_or(server_port);
        let subset = &destination.subset;
        let name = format!("outbound|{number}|{subset}|{known}");
        if let Some((_, calls)) = self.made.get(&name) {
            let calls = calls.clone();
            return Found { name, calls };
        }
        let warn = |field: &str, message: String| {
            service.warning(Code::MissingDestination, &path.field(field), message)
        };
        let Some(own) = found else {
            let message = format!("no Service or ServiceEntry is called {known}");
            findings.push(warn("host", message).help(
                "its requests get 503; add a Service with Endpoints, or a ServiceEntry with this host",
            ));
            return Found::nowhere(name);
        };
        let Some(port) = own.port(number) else {
            let ports: Vec<_> = own
                .ports
                .iter()
                .map(|port| port.number.to_string())
                .collect();
            let message = format!("{known} has no port {number}, it has {}", ports.join(", "));
            findings.push(if given.is_some() {
                let path = path.field("port").field("number");
                service.warning(Code::MissingDestination, &path, message)
            } else {
                service.warning(Code::PortRequired, path, message)
            });
            return Found::nowhere(name);
        };
        let rules = Rules::new(self.input, &self.rules, known, own);
        let Some(labels) = rules.labels(subset) else {
            let message = format!("no DestinationRule for {known} has a subset {subset}");
            findings.push(warn("subset", message));
            return Found::nowhere(name);
        };
        let origin = self.input.origin(service, path);
        let mut cluster = cluster(name.clone(), port, origin);
        let none = BTreeMap::new();
        let endpoints = endpoints(own, port, &labels, &none);
        if endpoints.is_empty() {
            let why = if own.is_passthrough {
                "requests go to the address that the client asked for, which a gateway does not know: give \
                 `resolution: STATIC` or `DNS`"
            } else {
                "no endpoints of it are known"
            };
            findings.push(warn("host", format!("{name}: {why}")));
        }
        let calls = rules.apply(&mut cluster, endpoints, subset, number, findings);
        rules.secure(&mut cluster, subset, number, findings);
        self.made.insert(name.clone(), (cluster, calls.clone()));
        Found { name, calls }
    }
}

impl<'a> Clusters<'a> {
    /// The ports and subsets of all services of the mesh that `takes` says yes to, for its host and namespace.
    pub(super) fn mesh_destinations(
        &self,
        takes: impl Fn(&str, &str) -> bool,
    ) -> Vec<MeshDestination<'a>> {
        let registry: &'a Registry<'a> = self.registry;
        let user = self.workload.namespace.as_str();
        let services: Vec<&'a Service<'a>> = registry.visible(user);
        let mut all = Vec::new();
        for service in services {
            if service.is_external || !takes(&service.host, service.namespace) {
                continue;
            }
            let rules = Rules::new(self.input, &self.rules, &service.host, service);
            let subsets = rules.subsets();
            for port in service.ports.iter().filter(|port| !port.is_udp) {
                let names = std::iter::once("").chain(subsets.iter().copied());
                all.extend(names.map(|subset| MeshDestination {
                    service,
                    port,
                    subset: subset.to_owned(),
                }));
            }
        }
        all
    }

    /// The cluster for connections that bring their TLS along.
    pub(super) fn passed(
        &mut self,
        to: &MeshDestination<'a>,
        origin: &Origin,
        findings: &mut Vec<Diagnostic>,
    ) -> Found {
        let name = to.sni();
        let rules = Rules::new(self.input, &self.rules, &to.service.host, to.service);
        let labels = rules.labels(&to.subset).unwrap_or_default();
        let mut cluster = cluster(name.clone(), to.port, origin.clone());
        let none = BTreeMap::new();
        let endpoints = endpoints(to.service, to.port, &labels, &none);
        let calls = rules.apply(
            &mut cluster,
            endpoints,
            &to.subset,
            to.port.number,
            findings,
        );
        self.made.insert(name.clone(), (cluster, calls.clone()));
        Found { name, calls }
    }
}

/// A port of a service of the mesh, or of one of its subsets.
#[derive(Debug)]
pub(super) struct MeshDestination<'a> {
    service: &'a Service<'a>,
    port: &'a ServicePort,
    subset: String,
}

impl MeshDestination<'_> {
    /// The name that sidecars ask for, which is that of the cluster too.
    pub(super) fn sni(&self) -> String {
        names::sni(&self.service.host, self.port.number, &self.subset)
    }
}

/// A cluster that has no endpoint yet.
fn cluster(name: String, port: &ServicePort, origin: Origin) -> Cluster {
    Cluster {
        name,
        protocol: port.protocol,
        endpoints: Vec::new(),
        tls: None,
        origination: None,
        destination: Tags::default(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin,
    }
}

impl Found {
    fn nowhere(name: String) -> Self {
        Self {
            name,
            calls: Calls::default(),
        }
    }
}

fn endpoints<'s>(
    service: &'s Service<'_>,
    port: &ServicePort,
    labels: &BTreeMap<String, String>,
    none: &'s BTreeMap<String, String>,
) -> Vec<Labelled<'s>> {
    let Some(alias) = service.alias else {
        return service.endpoints(port, labels);
    };
    let endpoint = Endpoint {
        address: alias.to_owned(),
        port: port.number,
        tls: None,
        weight: None,
        priority: 0,
        locality: None,
    };
    vec![Labelled {
        endpoint,
        labels: none,
    }]
}
