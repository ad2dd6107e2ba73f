//! Destinations that are not there (`analyzers/virtualservice/{destinationhosts,destinationrules}.go`).

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::virtual_service::{Destination, VirtualService};
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::registry::{Registry, full, users};

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let registry = Registry::new(resources);
    let known = Subsets::new(resources);
    for service in &resources.istio.virtual_services {
        for (path, destination, noun) in destinations(&service.spec) {
            if !service.place.faults.contains(&path.field("host")) {
                host(&registry, service, &path, destination, noun, findings);
                subset(&known, service, &path, destination, noun, findings);
            }
        }
    }
    ineffective(resources, findings);
}

/// Every destination of a virtual service, with what Istio calls it before `host`.
fn destinations(of: &VirtualService) -> Vec<(Path, &Destination, &'static str)> {
    let mut all = Vec::new();
    for (index, route) in of.http.iter().enumerate() {
        let path = Path::of("http").index(index);
        for (at, entry) in route.route.iter().enumerate() {
            let path = path.field("route").index(at).field("destination");
            all.extend(entry.destination.as_ref().map(|to| (path, to, "")));
        }
        all.extend(
            route
                .mirror
                .as_ref()
                .map(|to| (path.field("mirror"), to, "mirror ")),
        );
        for (at, entry) in route.mirrors.iter().enumerate() {
            let path = path.field("mirrors").index(at).field("destination");
            all.extend(entry.destination.as_ref().map(|to| (path, to, "mirror ")));
        }
    }
    let tls = of.tls.iter().map(|route| &route.route).enumerate();
    let tcp = of.tcp.iter().map(|route| &route.route).enumerate();
    for (field, (index, routes)) in tls.map(|r| ("tls", r)).chain(tcp.map(|r| ("tcp", r))) {
        for (at, entry) in routes.iter().enumerate() {
            let path = Path::of(field).index(index).field("route").index(at);
            let path = path.field("destination");
            all.extend(entry.destination.as_ref().map(|to| (path, to, "")));
        }
    }
    all
}

fn host(
    registry: &Registry<'_>,
    service: &Resource<VirtualService>,
    path: &Path,
    to: &Destination,
    noun: &str,
    findings: &mut Vec<Diagnostic>,
) {
    let namespace = service.meta.namespace();
    let name = full(&to.host, namespace);
    let users = users(&service.spec.export_to, namespace);
    let Some(found) = registry.find(&name, &users) else {
        let text = format!("Referenced {noun}host not found: {:?} [IST0101]", to.host);
        let finding = service.warning(Code::MissingDestination, &path.field("host"), text);
        findings.push(finding.help(format!(
            "add a Service or a ServiceEntry for `{name}`: requests are answered with 503 without one"
        )));
        return;
    };
    let ports: Vec<_> = found.ports.iter().map(ToString::to_string).collect();
    let Some(port) = &to.port else {
        if let [first, _, ..] = ports.as_slice() {
            let text = format!(
                "This VirtualService routes to a service {:?} that exposes multiple ports [{}]. Specifying a port in the \
                 destination is required to disambiguate. [IST0112]",
                to.host,
                ports.join(" ")
            );
            let finding = service.warning(Code::PortRequired, path, text);
            findings.push(finding.help(format!("add `port: {{number: {first}}}`")));
        }
        return;
    };
    if !found.ports.contains(&port.number) {
        let said = format!("{}:{}", to.host, port.number);
        let text = format!("Referenced host:port not found: {said:?} [IST0101]");
        let path = path.field("port").field("number");
        let finding = service.warning(Code::MissingDestination, &path, text);
        findings.push(finding.help(format!("the service has the ports {}", ports.join(", "))));
    }
}

/// The namespaces that may name a subset, by host and name.
struct Subsets<'r>(HashMap<String, HashMap<&'r str, HashSet<&'r str>>>);

/// Stands for every namespace.
const ALL: &str = "*";

impl<'r> Subsets<'r> {
    fn new(resources: &'r Resources) -> Self {
        let mut known: HashMap<_, HashMap<_, HashSet<_>>> = HashMap::new();
        let rules = resources.istio.destination_rules.iter();
        for rule in rules.filter(|rule| !rule.spec.subsets.is_empty()) {
            let own = rule.meta.namespace();
            let of_host = known.entry(full(&rule.spec.host, own)).or_default();
            let export_to = rule.spec.export_to.iter().map(String::as_str);
            let export_to = export_to.map(|to| if to == "." { own } else { to });
            let nobody = rule.spec.export_to.is_empty();
            for subset in &rule.spec.subsets {
                let users = of_host.entry(subset.name.as_str()).or_default();
                users.extend(export_to.clone().chain(nobody.then_some(ALL)));
            }
        }
        Self(known)
    }

    fn has(&self, host: &str, subset: &str, user: &str) -> bool {
        let users = self.0.get(host).and_then(|of_host| of_host.get(subset));
        users.is_some_and(|users| users.contains(user) || users.contains(ALL))
    }
}

fn subset(
    known: &Subsets<'_>,
    service: &Resource<VirtualService>,
    path: &Path,
    to: &Destination,
    noun: &str,
    findings: &mut Vec<Diagnostic>,
) {
    if to.subset.is_empty() {
        return;
    }
    let namespace = service.meta.namespace();
    let name = full(&to.host, namespace);
    if !known.has(&name, &to.subset, namespace) {
        let said = format!("{}+{}", to.host, to.subset);
        let text = format!(
            "Referenced {noun}host+subset in destinationrule not found: {said:?} [IST0101]"
        );
        let finding = service.warning(Code::MissingDestination, &path.field("subset"), text);
        findings.push(finding.help("add the subset to the DestinationRule of the host: requests are answered with 503 without it"));
    }
}

/// Subsets that the mesh's own routes choose do not hold for requests from a gateway.
fn ineffective(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let services = &resources.istio.virtual_services;
    let own = services.iter().flat_map(|service| {
        let to = service.spec.http.iter().flat_map(|route| &route.route);
        let to = to.filter_map(|entry| entry.destination.as_ref());
        let hosts: HashSet<_> = service.spec.hosts.iter().collect();
        let to = to.filter(move |to| !to.subset.is_empty() && hosts.contains(&to.host));
        to.map(move |to| (full(&to.host, service.meta.namespace()), service))
    });
    // Of several for one host the first.
    let mut first = HashMap::new();
    for (host, service) in own {
        first.entry(host).or_insert(service);
    }
    for service in services
        .iter()
        .filter(|service| !service.spec.gateways.is_empty())
    {
        for (path, to, noun) in destinations(&service.spec) {
            let name = full(&to.host, service.meta.namespace());
            let Some(other) = first.get(&name) else {
                continue;
            };
            if to.subset.is_empty() && noun.is_empty() && !std::ptr::eq(*other, service) {
                let text = format!(
                    "Subset in virtual service {}/{} has no effect on ingress gateway {}/{} requests [IST0140]",
                    other.meta.namespace(),
                    other.meta.name,
                    service.meta.namespace(),
                    service.meta.name
                );
                let finding = service.warning(Code::SubsetWithoutEffect, &path, text);
                findings.push(finding.help("add `subset` here too"));
            }
        }
    }
}
