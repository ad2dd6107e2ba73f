//! Which VirtualServices serve at which servers, and in which order.

use std::collections::{BTreeSet, HashSet};

use policy::istio;

use super::delegates::{self, Entry};
use super::host_index::HostIndex;
use super::names;
use super::servers::{GatewayServer, Slot};
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::Port;
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::istio::virtual_service::VirtualService;
use crate::source::Path;

/// A VirtualService that the workload may use.
#[derive(Debug)]
pub(super) struct Binding<'a> {
    pub(super) service: &'a Resource<VirtualService>,
    /// Its hosts, with names of the namespace in full.
    pub(super) hosts: Vec<String>,
    /// Its routes for requests, with those of its delegates.
    pub(super) http: Vec<Entry<'a>>,
    gateways: Vec<(String, String)>,
}

impl Binding<'_> {
    /// Whether it names the gateway of this server.
    fn names(&self, server: &GatewayServer<'_>) -> bool {
        let meta = &server.gateway.meta;
        let mut gateways = self.gateways.iter();
        gateways.any(|(namespace, name)| namespace == meta.namespace() && *name == meta.name)
    }

    /// The hosts that it has at a server: of those that its namespace may use (`Names.Intersection`).
    pub(super) fn hosts_at(&self, server: &GatewayServer<'_>) -> Vec<String> {
        let hosts = server.hosts();
        let admitted = istio::names_for_namespace(&hosts, self.service.meta.namespace());
        let own: Vec<_> = self.hosts.iter().map(String::as_str).collect();
        let both = istio::intersection(&admitted, &own).into_iter();
        both.map(str::to_owned).collect()
    }

    /// Whether an entry that lists gateways of its own serves at this server.
    pub(super) fn entry_serves(&self, gateways: &[String], server: &GatewayServer<'_>) -> bool {
        lists(gateways, self.service.meta.namespace(), server)
    }
}

/// Whether `gateways`, as a resource of `namespace` writes them, have this server among theirs.
pub(super) fn lists(gateways: &[String], namespace: &str, server: &GatewayServer<'_>) -> bool {
    let meta = &server.gateway.meta;
    let own = (meta.namespace().to_owned(), meta.name.clone());
    let mut gateways = gateways.iter();
    gateways.any(|text| names::gateway(text, namespace) == own)
}

/// The VirtualServices that the workload may use, in the order in which their routes are tried: those that only its own
/// namespace has, those that are exported to it, those of everybody; each by age, name and namespace
/// (`VirtualServicesForGateway`).
#[derive(Debug)]
pub(super) struct Bindings<'a> {
    all: Vec<Binding<'a>>,
    /// The places of those with a host.
    by_host: HostIndex,
}

impl<'a> Bindings<'a> {
    pub(super) fn new(
        input: Input<'a>,
        workload: &Workload,
        findings: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut visible: Vec<_> = input
            .resources
            .istio
            .virtual_services
            .iter()
            .filter_map(|service| {
                let owner = service.meta.namespace();
                let seen = names::visibility(&service.spec.export_to, owner, &workload.namespace)?;
                Some((seen, service))
            })
            .collect();
        visible.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| names::order(one, other)));
        let mut binding = |(_, service): (_, &'a Resource<VirtualService>)| {
            let namespace = service.meta.namespace();
            let hosts = service.spec.hosts.iter();
            let gateways = service.spec.gateways.iter();
            let gateways: Vec<_> = gateways
                .filter(|name| *name != "mesh")
                .map(|name| names::gateway(name, namespace))
                .collect();
            // A delegate is served in the place of its root, what is for the mesh alone nowhere here.
            (!service.spec.hosts.is_empty() && !gateways.is_empty()).then(|| Binding {
                service,
                hosts: hosts.map(|host| names::full(host, namespace)).collect(),
                http: delegates::entries(input, service, findings),
                gateways,
            })
        };
        let all: Vec<_> = visible.into_iter().filter_map(&mut binding).collect();
        let mut by_host = HostIndex::default();
        for (place, binding) in all.iter().enumerate() {
            for host in &binding.hosts {
                by_host.add(host, place);
            }
        }
        Self { all, by_host }
    }

    /// Those that name the gateway of a server and have a host that is one of its hosts.
    pub(super) fn of<'b>(
        &'b self,
        server: &'b GatewayServer<'_>,
    ) -> impl Iterator<Item = &'b Binding<'a>> {
        let hosts = server.hosts().into_iter();
        let places: BTreeSet<usize> = hosts
            .flat_map(|host| self.by_host.meeting(host.host))
            .collect();
        let meeting = places.into_iter().filter_map(|place| self.all.get(place));
        meeting.filter(move |binding| binding.names(server))
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
        // Where an error has left out routes, more words about that say nothing.
        let errors = findings.iter().filter(|f| f.severity == Severity::Error);
        let wrong: HashSet<_> = errors.filter_map(|f| f.resource.clone()).collect();
        for binding in &self.all {
            let mut servers = slots.iter().flat_map(|slot| &slot.servers);
            let is_named = servers.any(|server| binding.names(server));
            let entries = binding.http.iter().map(|entry| entry.service);
            let mut owners = entries.chain([binding.service]);
            let is_used = owners.any(|own| used.contains(own.meta.to_string().as_str()));
            let is_wrong = wrong.contains(&binding.service.meta.to_string());
            if is_named && !is_used && !is_wrong {
                findings.extend(unused(binding, slots));
            }
        }
    }
}

/// That hosts do not meet is a matter of the resources alone, and said where those are checked.
fn unused(binding: &Binding<'_>, slots: &[Slot<'_>]) -> Option<Diagnostic> {
    let mut servers = slots.iter().flat_map(|slot| &slot.servers);
    let meets =
        |server: &GatewayServer<'_>| binding.names(server) && !binding.hosts_at(server).is_empty();
    let message = "no server of its gateways has this VirtualService's hosts and takes what it has routes for";
    servers.any(meets).then(|| {
        binding
            .service
            .warning(Code::NotBound, &Path::root(), message)
    })
}
