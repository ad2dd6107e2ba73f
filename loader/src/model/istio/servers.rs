//! The servers of all Gateways that a workload has, and which of them share a port (`mergeGateways` in
//! `pilot/pkg/model/gateway.go` at 1.32).
//!
//! Where two do not go together the first one in Istio's order of Gateways wins. Istio drops the other one without a
//! word, for TLS by the text of a host with its namespace, so that `ns1/*` and `ns2/*` come to be two filter chains for
//! one SNI, which Envoy refuses. Here hosts are compared as the SNI that they are.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use policy::istio::ServerHost;

use super::label_index::SelectorIndex;
use super::names;
use super::registry::{Target, Targets};
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::istio::gateway::{Gateway, Protocol, Server, TlsMode};
use crate::source::Path;

/// The annotation of Gateways that are made from Kubernetes' own: the services whose workloads they select.
const SERVICES: &str = "internal.istio.io/gateway-service";

/// A server of a Gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatewayServer<'a> {
    pub(super) gateway: &'a Resource<Gateway>,
    pub(super) index: usize,
    pub(super) server: &'a Server,
    /// The number that is written.
    pub(super) number: u16,
    pub(super) protocol: Protocol,
}

impl<'a> GatewayServer<'a> {
    /// The field of the Gateway.
    pub(super) fn path(&self) -> Path {
        Path::of("servers").index(self.index)
    }

    /// The hosts with their namespaces.
    pub(super) fn hosts(&self) -> Vec<ServerHost<'a>> {
        let namespace = self.gateway.meta.namespace();
        let hosts = self.server.hosts.iter();
        hosts
            .map(|host| ServerHost::parse(host, namespace))
            .collect()
    }

    /// The hosts as SNI and Host, each once.
    pub(super) fn host_names(&self) -> Vec<String> {
        let hosts = self.hosts().into_iter();
        let mut names: Vec<_> = hosts.map(|host| host.host.to_ascii_lowercase()).collect();
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    pub(super) fn mode(&self) -> TlsMode {
        let tls = self.server.tls.as_ref();
        tls.map(|tls| tls.mode).unwrap_or_default()
    }

    pub(super) fn redirects(&self) -> bool {
        let tls = self.server.tls.as_ref();
        self.protocol.is_http() && tls.is_some_and(|tls| tls.https_redirect)
    }

    /// Whether it takes requests, and not connections.
    pub(super) fn takes_requests(&self) -> bool {
        match self.protocol {
            Protocol::Https => self.mode().terminates(),
            other => other.is_http(),
        }
    }

    fn class(&self) -> Class {
        match self.protocol {
            protocol if protocol.is_http() => Class::Http,
            protocol if protocol.is_tls() => Class::Tls,
            _ => Class::Tcp,
        }
    }

    fn port_name(&self) -> &str {
        let port = self.server.port.as_ref();
        port.map(|port| port.name.as_str()).unwrap_or_default()
    }
}

/// What can share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Http,
    Tls,
    Tcp,
}

/// A port with its servers.
#[derive(Clone, Debug)]
pub(super) struct Slot<'a> {
    /// The number that is bound.
    pub(super) port: u16,
    pub(super) bind: &'a str,
    pub(super) class: Class,
    pub(super) servers: Vec<GatewayServer<'a>>,
}

impl Slot<'_> {
    /// The name of the route table of a server (`gatewayRDSRouteName`).
    pub(super) fn route_table(&self, server: &GatewayServer<'_>) -> String {
        let bind = match self.bind {
            "" => String::new(),
            bind => format!(".{bind}"),
        };
        let port = self.port;
        if self.class == Class::Http {
            return format!("http.{port}{bind}");
        }
        let gateway = &server.gateway.meta;
        let (name, namespace) = (&gateway.name, gateway.namespace());
        format!(
            "https.{port}.{}.{name}.{namespace}{bind}",
            server.port_name()
        )
    }
}

/// All Gateways in Istio's order, by what they select.
#[derive(Debug)]
pub(super) struct Gateways<'a> {
    all: Vec<&'a Resource<Gateway>>,
    by_label: SelectorIndex<'a>,
    /// Those that are made from Kubernetes' own, by their namespaces and the services that they name.
    by_service: HashMap<(&'a str, &'a str), Vec<usize>>,
    targets: Targets<'a>,
}

impl<'a> Gateways<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let mut all: Vec<_> = input.resources.istio.gateways.iter().collect();
        all.sort_by(|a, b| names::order(a, b));
        let mut by_service: HashMap<_, Vec<_>> = HashMap::new();
        let mut selectors = Vec::new();
        for (place, &gateway) in all.iter().enumerate() {
            let Some(services) = gateway.meta.annotations.get(SERVICES) else {
                selectors.push((place, "", &gateway.spec.selector));
                continue;
            };
            for service in services.split(',') {
                let name = (gateway.meta.namespace(), service);
                by_service.entry(name).or_default().push(place);
            }
        }
        Self {
            all,
            by_label: SelectorIndex::new(selectors.into_iter()),
            by_service,
            targets: Targets::new(input),
        }
    }

    /// The servers of all Gateways that select the workload, in Istio's order, each with the port that it is bound to.
    pub(super) fn of_workload(&self, workload: &Workload) -> Vec<(u16, GatewayServer<'a>)> {
        let targets = self.targets.of(workload);
        let mut behind: BTreeMap<usize, ByPort<'_>> = BTreeMap::new();
        let mut all = ByPort::default();
        for target in &targets {
            all.entry(target.port).or_default().push(target);
            let service = (target.namespace.as_str(), target.host.as_str());
            let places: BTreeSet<_> = self
                .by_service
                .get(&service)
                .into_iter()
                .flatten()
                .collect();
            for place in places {
                let own = behind.entry(*place).or_default();
                own.entry(target.port).or_default().push(target);
            }
        }
        let by_label = self.by_label.selecting("", &workload.labels);
        let mut selected: BTreeSet<usize> = by_label.collect();
        selected.extend(behind.keys());
        let mut servers = Vec::new();
        for place in selected {
            let Some(&gateway) = self.all.get(place) else {
                continue;
            };
            let (own, by_label) = match behind.get(&place) {
                Some(own) => (own, false),
                None => (&all, true),
            };
            for (index, server) in gateway.spec.servers.iter().enumerate() {
                let Some(server) = read(gateway, index, server) else {
                    continue;
                };
                let targets = own.get(&server.number).map_or(&[][..], Vec::as_slice);
                let ports = bound_ports(server.number, targets, by_label);
                servers.extend(ports.into_iter().map(|port| (port, server)));
            }
        }
        servers
    }
}

/// The ports of services that a workload is behind, by their numbers.
type ByPort<'t> = HashMap<u16, Vec<&'t Target>>;

/// What validation has named already is left out.
fn read<'a>(
    gateway: &'a Resource<Gateway>,
    index: usize,
    server: &'a Server,
) -> Option<GatewayServer<'a>> {
    let port = server.port.as_ref()?;
    let protocol = Protocol::parse(&port.protocol)?;
    let number = u16::try_from(port.number).ok()?;
    let is_bound = number > 0 || server.bind.starts_with("unix://");
    (is_bound && !server.hosts.is_empty()).then_some(GatewayServer {
        gateway,
        index,
        server,
        number,
        protocol,
    })
}

/// The ports of the workload behind the ports of its services with a number; the number itself where no service has it (`resolvePorts`).
fn bound_ports(number: u16, targets: &[&Target], by_label: bool) -> Vec<u16> {
    let of_number = targets
        .iter()
        .filter(|target| !(by_label && target.keeps_port));
    let mut ports: Vec<u16> = of_number.map(|target| target.bound).collect();
    ports.dedup();
    if by_label {
        ports.truncate(1);
        if ports.is_empty() {
            ports.push(number);
        }
    }
    ports
}

/// The servers by port and address.
pub(super) fn merge<'a>(
    servers: Vec<(u16, GatewayServer<'a>)>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Slot<'a>> {
    let mut slots: BTreeMap<(u16, &str), (Slot<'a>, Taken)> = BTreeMap::new();
    for (port, server) in servers {
        if server.protocol == Protocol::Udp {
            let path = server.path().field("port").field("protocol");
            let message = "port.protocol: UDP is not served: Istio opens a TCP port for it";
            let finding = server.gateway.error(Code::NotServedField, &path, message);
            findings.push(finding.help("write TCP if that is meant"));
            continue;
        }
        let bind = match server.server.bind.as_str() {
            "0.0.0.0" => "",
            bind => bind,
        };
        match slots.entry((port, bind)) {
            Entry::Vacant(place) => {
                let mut slot = Slot {
                    port,
                    bind,
                    class: server.class(),
                    servers: Vec::new(),
                };
                let mut taken = Taken::default();
                taken.add(&mut slot, server);
                place.insert((slot, taken));
            }
            Entry::Occupied(mut place) => {
                let (slot, taken) = place.get_mut();
                match conflict(slot, taken, &server) {
                    None => taken.add(slot, server),
                    Some(Conflict {
                        with: other,
                        code,
                        path,
                        why,
                    }) => findings.push(
                        server
                            .gateway
                            .warning(code, &path, why)
                            .also(other.gateway.span(&other.path()), "this server wins"),
                    ),
                }
            }
        }
    }
    slots.into_values().map(|(slot, _)| slot).collect()
}

/// What the servers of a port that say something about TLS have, each with the place of the server among them.
#[derive(Debug, Default)]
struct Taken {
    hosts: HashMap<String, usize>,
    route_tables: HashMap<String, usize>,
}

impl Taken {
    fn add<'a>(&mut self, slot: &mut Slot<'a>, server: GatewayServer<'a>) {
        if server.server.tls.is_some() {
            let place = slot.servers.len();
            for host in server.host_names() {
                self.hosts.entry(host).or_insert(place);
            }
            let table = slot.route_table(&server);
            self.route_tables.entry(table).or_insert(place);
        }
        slot.servers.push(server);
    }
}

/// Why a server is left out.
struct Conflict<'a> {
    /// The server that keeps it out.
    with: GatewayServer<'a>,
    code: Code,
    path: Path,
    why: String,
}

fn conflict<'a>(
    slot: &Slot<'a>,
    taken: &Taken,
    server: &GatewayServer<'_>,
) -> Option<Conflict<'a>> {
    let first = slot.servers.first()?;
    let (port, gateway) = (slot.port, &first.gateway.meta);
    let with = |with: GatewayServer<'a>, why: String| {
        Some(Conflict {
            with,
            code: Code::ServerConflict,
            path: server.path(),
            why,
        })
    };
    if slot.class != server.class() {
        let why = format!("port {port} is one of {gateway} already, for another kind of protocol");
        return with(*first, why);
    }
    if slot.class == Class::Tcp {
        let why = format!("port {port} is one of {gateway} already: connections name no host");
        return with(*first, why);
    }
    // Servers without TLS share a route table, unless both say something about TLS.
    server.server.tls.as_ref()?;
    let hosts = server.host_names();
    let known = |host: &String| Some((*taken.hosts.get(host)?, host.clone()));
    // Of several that keep it out the first one is named, and of its hosts the first.
    let by_host = hosts
        .iter()
        .filter_map(known)
        .min_by_key(|(place, _)| *place);
    let table = (slot.class == Class::Tls).then(|| slot.route_table(server));
    let by_table = table.and_then(|table| taken.route_tables.get(&table).copied());
    if let Some((place, host)) = by_host
        && by_table.is_none_or(|other| place <= other)
    {
        let other = slot.servers.get(place)?;
        let why = format!(
            "{host} on port {port} is served by {} already",
            other.gateway.meta
        );
        return Some(Conflict {
            with: *other,
            code: Code::ConflictingGateways,
            path: server.path().field("hosts"),
            why,
        });
    }
    let other = slot.servers.get(by_table?)?;
    let why = "two servers of one Gateway have the same port name and number".to_owned();
    with(*other, why)
}
