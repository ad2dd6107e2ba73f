//! Findings about resources together: what each says alone is right, and still it does not work.

mod certificates;
mod istio;
mod made;
mod meshes;
mod passthrough;
mod permissions;
mod shadowed;

use std::collections::{BTreeSet, HashSet};

use policy::Tags;

use self::shadowed::Shadowed;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{self, Input, Lookup};
use crate::model::{Listener, Port};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, Inbound, ZoneListenerType};
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::source::Path;

pub use certificates::certificates;
pub use istio::unnamed;
pub use made::Made;
pub use meshes::authorities;

/// Everything that is wrong with the resources together.
///
/// Each proxy is made as it would be served, so that what is said here and what is served cannot differ.
pub fn all(input: Input<'_>) -> Vec<Diagnostic> {
    with_proxies(input, &mut Made::default())
}

/// [`all`], with the proxies that are made on the way.
pub fn with_proxies(input: Input<'_>, made: &mut Made) -> Vec<Diagnostic> {
    let lookup = Lookup::new(input);
    let mut findings = Vec::new();
    let mut served = Served::default();
    for dataplane in input
        .resources
        .dataplanes
        .iter()
        .filter(|d| kuma::is_builtin_gateway(d))
    {
        let mut quiet = Vec::new();
        if let Some(gateway) = lookup.gateway_of(dataplane, &mut quiet) {
            served.gateways.insert(gateway.meta.to_string());
        }
        if let Some(proxy) = lookup.proxy(dataplane, &mut findings) {
            served.add(&proxy.ports);
            made.add_dataplane(&dataplane.meta, proxy);
        }
    }
    // A Dataplane of a service says where it is called; that a proxy of ours is next to it shows in what it calls, and,
    // in a mesh with mTLS, in a place of its own for the service.
    for dataplane in input
        .resources
        .dataplanes
        .iter()
        .filter(|d| is_sidecar(&lookup, d))
    {
        if let Some(proxy) = lookup.proxy(dataplane, &mut findings) {
            served.add(&proxy.ports);
            made.add_dataplane(&dataplane.meta, proxy);
        }
    }
    for egress in &input.resources.zone_egresses {
        if let Some(proxy) = lookup.zone_egress(egress, &mut findings) {
            made.add_egress(&egress.meta, proxy);
        }
    }
    for gateway in &input.resources.mesh_gateways {
        if !served.gateways.contains(&gateway.meta.to_string()) {
            findings.push(unused(gateway));
            served.add(&as_if_selected(&lookup, gateway, &mut findings));
        }
    }
    findings.extend(meshes::cross_mesh(input, &lookup));
    for dataplane in &input.resources.dataplanes {
        // Only what it finds is wanted: who has no name is served nowhere.
        let _ = lookup.identity(dataplane, &mut findings);
    }
    unattached(input, &served, &mut findings);
    permissions::unused(&lookup, &mut findings);
    permissions::without_requests(&lookup, &mut findings);
    passthrough::unused(input, &mut findings);
    served.shadowed.report(input, &mut findings);
    findings.extend(istio::all(input, made));
    // Several Dataplanes of one gateway find the same.
    let mut seen = HashSet::new();
    findings.retain(|f| seen.insert((f.code, f.span, f.message.clone())));
    findings
}

fn is_sidecar(lookup: &Lookup<'_>, dataplane: &Resource<Dataplane>) -> bool {
    let networking = &dataplane.spec.networking;
    let is_caught = networking.transparent_proxying.is_some();
    let mut labels = dataplane.meta.labels.keys();
    let calls = !networking.outbound.is_empty() || labels.any(|l| l.starts_with("meshgate.io/"));
    let is_apart = |inbound: &Inbound| {
        !matches!(inbound.service_port, 0) || !inbound.service_address.is_empty()
    };
    let has_mtls = lookup.has_mtls(&dataplane.meta.mesh);
    let mut listeners = networking.listeners.iter();
    let is_egress = listeners.any(|listener| listener.kind == ZoneListenerType::ZoneEgress);
    let is_called = has_mtls && networking.inbound.iter().any(is_apart);
    !kuma::is_builtin_gateway(dataplane) && (is_caught || calls || is_called || is_egress)
}

/// What the proxies made so far hold.
#[derive(Default)]
struct Served {
    gateways: BTreeSet<String>,
    routes: BTreeSet<String>,
    shadowed: Shadowed,
}

impl Served {
    fn add(&mut self, ports: &[Port]) {
        let listeners = ports.iter().flat_map(|port| &port.listeners);
        let connections = listeners.clone().flat_map(|listener| &listener.connections);
        self.routes
            .extend(connections.map(|entry| entry.origin.resource.clone()));
        let hosts = listeners.flat_map(|listener: &Listener| &listener.virtual_hosts);
        let routes = hosts.flat_map(|host| &host.routes);
        self.shadowed.add(ports);
        for route in routes {
            self.routes.insert(route.origin.resource.clone());
            let also = route.also.iter().map(|part| part.origin.resource.clone());
            self.routes.extend(also);
        }
    }
}

fn unused(gateway: &Resource<MeshGateway>) -> Diagnostic {
    gateway
        .warning(
            Code::GatewayUnused,
            &Path::of("selectors"),
            "no built-in gateway Dataplane has the tags of a selector: nothing opens these listeners",
        )
        .help(format!(
            "add a Dataplane of mesh `{}` with `networking.gateway: {{type: BUILTIN, tags: …}}`",
            gateway.meta.mesh
        ))
}

/// The ports of a gateway that no Dataplane has, made for one that has just the tags of the first selector: so the
/// rest of the gateway is checked all the same.
fn as_if_selected<'a>(
    lookup: &'a Lookup<'a>,
    gateway: &'a Resource<MeshGateway>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let tags = gateway.spec.selectors.first();
    let tags = tags.map_or_else(Tags::default, |selector| selector.tags.clone());
    kuma::ports_of(lookup, &tags, gateway, findings)
}

fn unattached(input: Input<'_>, served: &Served, findings: &mut Vec<Diagnostic>) {
    for route in &input.resources.mesh_http_routes {
        if !served.routes.contains(&route.meta.to_string()) {
            let path = Path::of("targetRef");
            findings.push(
                route
                    .warning(Code::RouteUnattached, &path, "no request gets to this route")
                    .help("compare `targetRef`, its tags and `hostnames` with the listeners; of rules for the same requests the narrower policy's serves, then the first by name"),
            );
        }
    }
    for route in &input.resources.mesh_tcp_routes {
        if !served.routes.contains(&route.meta.to_string()) {
            let path = Path::of("targetRef");
            findings.push(
                route
                    .warning(Code::RouteUnattached, &path, "no connection gets to this route")
                    .help("compare `targetRef` and its tags with the TCP and TLS listeners; of several policies the narrower one's backends serve, then those of the first by name"),
            );
        }
    }
    let http = input.resources.mesh_http_routes.iter();
    let http = http.filter(|route| served.routes.contains(&route.meta.to_string()));
    let replacing: BTreeSet<&str> = http.map(|route| route.meta.mesh.as_str()).collect();
    for route in &input.resources.mesh_gateway_routes {
        if served.routes.contains(&route.meta.to_string()) {
            continue;
        }
        let help = if replacing.contains(route.meta.mesh.as_str()) {
            "a MeshHTTPRoute for a gateway switches all its MeshGatewayRoutes off: write this one as a MeshHTTPRoute"
        } else {
            "compare `selectors` and `hostnames` with the listeners of the MeshGateway and their merged tags"
        };
        let path = Path::of("selectors");
        findings.push(
            route
                .warning(
                    Code::RouteUnattached,
                    &path,
                    "no request gets to this route",
                )
                .help(help),
        );
    }
}
