//! Which VirtualServices serve at which servers, and in which order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use policy::istio::ServerHost;

use super::delegates::{self, ByName, Entry};
use super::host_index::HostIndex;
use super::names;
use super::server_hosts::{Hosts, ServerHosts};
use super::servers::{GatewayServer, Slot};
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::Port;
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::istio::gateway::Gateway;
use crate::resources::istio::virtual_service::{TcpRoute, VirtualService};
use crate::source::Path;

/// A VirtualService with gateways, whoever may use it.
#[derive(Debug)]
pub(super) struct Binding<'a> {
    pub(super) service: &'a Resource<VirtualService>,
    /// Its hosts, with names of the namespace in full.
    pub(super) hosts: Hosts<String>,
    /// Its routes for requests, with those of its delegates.
    pub(super) http: Vec<Entry<'a>>,
    /// Names of gateways by their namespaces.
    gateways: BTreeMap<String, BTreeSet<String>>,
    /// What is wrong with its delegates.
    findings: Vec<Diagnostic>,
}

impl<'a> Binding<'a> {
    /// Nothing for a delegate, which is served in the place of its root, and for what is for the mesh alone.
    fn new(known: &ByName<'a>, service: &'a Resource<VirtualService>) -> Option<Self> {
        let namespace = service.meta.namespace();
        let mut gateways: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for text in service.spec.gateways.iter().filter(|name| *name != "mesh") {
            let (namespace, name) = names::gateway(text, namespace);
            gateways.entry(namespace).or_default().insert(name);
        }
        if service.spec.hosts.is_empty() || gateways.is_empty() {
            return None;
        }
        let hosts = service.spec.hosts.iter();
        let mut findings = Vec::new();
        Some(Self {
            service,
            hosts: Hosts::new(hosts.map(|host| names::full(host, namespace)).collect()),
            http: delegates::entries(known, service, &mut findings),
            gateways,
            findings,
        })
    }

    /// Whether it names this gateway.
    pub(super) fn names(&self, gateway: &Resource<Gateway>) -> bool {
        let meta = &gateway.meta;
        let names = self.gateways.get(meta.namespace());
        names.is_some_and(|names| names.contains(&meta.name))
    }

    /// The hosts that it has at a server: of those that its namespace may use (`Names.Intersection`).
    pub(super) fn hosts_at(&self, hosts: &ServerHosts<'_>) -> Vec<String> {
        hosts.common(&self.hosts, self.service.meta.namespace())
    }

    /// Whether hosts of both overlap, in either direction (`pickMatchingGatewayHosts`).
    pub(super) fn meets(&self, hosts: &ServerHosts<'_>) -> bool {
        hosts.meet(&self.hosts, self.service.meta.namespace())
    }

    /// Whether an entry that lists gateways of its own serves at this server.
    pub(super) fn entry_serves(&self, gateways: &[String], server: &GatewayServer<'_>) -> bool {
        lists(gateways, self.service.meta.namespace(), server)
    }

    fn seen_by(&self, user: &str) -> Option<names::Visibility> {
        let meta = &self.service.meta;
        names::visibility(&self.service.spec.export_to, meta.namespace(), user)
    }
}

/// Whether `gateways`, as a resource of `namespace` writes them, have this server among theirs.
pub(super) fn lists(gateways: &[String], namespace: &str, server: &GatewayServer<'_>) -> bool {
    let meta = &server.gateway.meta;
    let own = (meta.namespace().to_owned(), meta.name.clone());
    let mut gateways = gateways.iter();
    gateways.any(|text| names::gateway(text, namespace) == own)
}

/// All VirtualServices with gateways, by age, name and namespace.
#[derive(Debug)]
pub(super) struct VirtualServices<'a> {
    all: Vec<Binding<'a>>,
    /// The places of those that name a gateway, by its namespace and its name.
    by_gateway: HashMap<String, HashMap<String, Vec<usize>>>,
    /// The places of those that something is wrong with.
    wrong: Vec<usize>,
}

impl<'a> VirtualServices<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let known = ByName::new(input);
        let mut written: Vec<_> = input.resources.istio.virtual_services.iter().collect();
        written.sort_by(|a, b| names::order(a, b));
        let bindings = written.into_iter();
        let all: Vec<_> = bindings
            .filter_map(|service| Binding::new(&known, service))
            .collect();
        let mut by_gateway: HashMap<String, HashMap<String, Vec<usize>>> = HashMap::new();
        let mut wrong = Vec::new();
        for (place, binding) in all.iter().enumerate() {
            for (namespace, names) in &binding.gateways {
                let known = by_gateway.entry(namespace.clone()).or_default();
                for name in names {
                    known.entry(name.clone()).or_default().push(place);
                }
            }
            if !binding.findings.is_empty() {
                wrong.push(place);
            }
        }
        Self {
            all,
            by_gateway,
            wrong,
        }
    }

    /// Those of these places that a namespace may use, in the order in which their routes are tried.
    fn visible(&self, places: impl Iterator<Item = usize>, user: &str) -> Vec<&Binding<'a>> {
        let places: BTreeSet<usize> = places.collect();
        let bindings = places.into_iter().filter_map(|place| self.all.get(place));
        let seen = bindings.filter_map(|binding| Some((binding.seen_by(user)?, binding)));
        let mut visible: Vec<_> = seen.collect();
        visible.sort_by_key(|(seen, _)| *seen);
        visible.into_iter().map(|(_, binding)| binding).collect()
    }
}

/// The VirtualServices that name a gateway of the workload and that it may use, in the order in which their routes are
/// tried: those that only its own namespace has, those that are exported to it, those of everybody; each by age, name
/// and namespace (`VirtualServicesForGateway`).
#[derive(Debug)]
pub(super) struct Bindings<'a> {
    all: Vec<&'a Binding<'a>>,
    /// The places of those with a host.
    by_host: HostIndex,
    /// Those with routes for connections, and the places of these, by the port that is asked for; 0 is any.
    by_port: HashMap<u32, BTreeSet<(usize, usize)>>,
}

impl<'a> Bindings<'a> {
    /// What is wrong with delegates is said whichever gateway is meant.
    pub(super) fn new(
        services: &'a VirtualServices<'a>,
        workload: &Workload,
        slots: &[Slot<'_>],
        findings: &mut Vec<Diagnostic>,
    ) -> Self {
        let user = workload.namespace.as_str();
        for binding in services.visible(services.wrong.iter().copied(), user) {
            findings.extend_from_slice(&binding.findings);
        }
        let servers = slots.iter().flat_map(|slot| &slot.servers);
        let gateways = servers.map(|server| &server.gateway.meta);
        let gateways: HashSet<_> = gateways
            .map(|meta| (meta.namespace(), meta.name.as_str()))
            .collect();
        let places = gateways
            .into_iter()
            .filter_map(|(namespace, name)| services.by_gateway.get(namespace)?.get(name));
        let all = services.visible(places.flatten().copied(), user);
        let mut by_host = HostIndex::default();
        let mut by_port: HashMap<_, BTreeSet<_>> = HashMap::new();
        for (place, binding) in all.iter().enumerate() {
            for host in &binding.hosts.all {
                by_host.add(host, place);
            }
            for (index, route) in binding.service.spec.tcp.iter().enumerate() {
                let ports = route.matches.iter().map(|entry| entry.port);
                for port in ports.chain(route.matches.is_empty().then_some(0)) {
                    by_port.entry(port).or_default().insert((place, index));
                }
            }
        }
        Self {
            all,
            by_host,
            by_port,
        }
    }

    /// The routes for connections that may be those of a server, each with its place in its VirtualService.
    pub(super) fn tcp<'b>(
        &'b self,
        server: &'b GatewayServer<'_>,
    ) -> impl Iterator<Item = (&'a Binding<'a>, usize, &'a TcpRoute)> + use<'a, 'b> {
        let ports = [u32::from(server.number), 0];
        let places = ports.into_iter().filter_map(|port| self.by_port.get(&port));
        let places: BTreeSet<_> = places.flatten().copied().collect();
        let (gateway, of_any) = (server.gateway, places.into_iter());
        of_any.filter_map(move |(place, index)| {
            let binding = *self.all.get(place)?;
            let route = binding.service.spec.tcp.get(index)?;
            binding.names(gateway).then_some((binding, index, route))
        })
    }

    /// Those that name the gateway of a server and have a host that is one of its hosts.
    pub(super) fn of<'b>(
        &'b self,
        server: &'b GatewayServer<'_>,
    ) -> impl Iterator<Item = &'a Binding<'a>> {
        let hosts = server.server.hosts.iter();
        let hosts = hosts.map(|host| host.split_once('/').map_or(host.as_str(), |(_, own)| own));
        let places: BTreeSet<usize> = hosts.flat_map(|host| self.by_host.meeting(host)).collect();
        let meeting = places.into_iter().filter_map(|place| self.all.get(place));
        meeting
            .copied()
            .filter(move |binding| binding.names(server.gateway))
    }

    /// Names those that name a gateway of the workload and got no request or connection.
    pub(super) fn report(
        &self,
        slots: &[Slot<'_>],
        ports: &[Port],
        findings: &mut Vec<Diagnostic>,
    ) {
        let listeners = || ports.iter().flat_map(|port| &port.listeners);
        let routes = listeners()
            .flat_map(|listener| &listener.virtual_hosts)
            .flat_map(|host| &host.routes);
        let mut used: HashSet<_> = listeners()
            .flat_map(|listener| &listener.connections)
            .map(|connections| connections.origin.resource.as_str())
            .collect();
        for route in routes {
            used.insert(&route.origin.resource);
            used.extend(route.also.iter().map(|part| part.origin.resource.as_str()));
        }
        let is_unused = |binding: &&&Binding<'_>| {
            let entries = binding.http.iter().map(|entry| entry.service);
            let mut owners = entries.chain([binding.service]);
            !owners.any(|own| used.contains(own.meta.to_string().as_str()))
        };
        let all_unused: Vec<_> = self.all.iter().filter(is_unused).collect();
        if all_unused.is_empty() {
            return;
        }
        // Where an error has left out routes, more words about that say nothing.
        let errors = findings.iter().filter(|f| f.severity == Severity::Error);
        let wrong: HashSet<_> = errors.filter_map(|f| f.resource.clone()).collect();
        let servers = Servers::new(slots);
        for binding in all_unused {
            if !wrong.contains(&binding.service.meta.to_string()) {
                findings.extend(unused(binding, &servers));
            }
        }
    }
}

/// The servers of a workload by their hosts.
struct Servers<'s, 'a> {
    all: Vec<(&'s GatewayServer<'a>, ServerHost<'a>)>,
    by_host: HostIndex,
}

impl<'s, 'a> Servers<'s, 'a> {
    fn new(slots: &'s [Slot<'a>]) -> Self {
        let servers = slots.iter().flat_map(|slot| &slot.servers);
        let hosts = servers.flat_map(|server| {
            let hosts = server.hosts().into_iter();
            hosts.map(move |host| (server, host))
        });
        let all: Vec<_> = hosts.collect();
        let mut by_host = HostIndex::default();
        for (place, (_, host)) in all.iter().enumerate() {
            by_host.add(host.host, place);
        }
        Self { all, by_host }
    }
}

/// That hosts do not meet is a matter of the resources alone, and said where those are checked.
fn unused(binding: &Binding<'_>, servers: &Servers<'_, '_>) -> Option<Diagnostic> {
    let namespace = binding.service.meta.namespace();
    let hosts = binding.hosts.all.iter();
    let places = hosts.flat_map(|host| servers.by_host.meeting(host));
    let mut meeting = places.filter_map(|place| servers.all.get(place));
    let message = "no server of its gateways has this VirtualService's hosts and takes what it has routes for";
    let meets =
        meeting.any(|(server, host)| host.admits(namespace) && binding.names(server.gateway));
    meets.then(|| {
        binding
            .service
            .warning(Code::NotBound, &Path::root(), message)
    })
}
