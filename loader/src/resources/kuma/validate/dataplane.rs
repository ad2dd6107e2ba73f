//! `Dataplane` (Kuma `pkg/core/resources/apis/mesh/dataplane_validator.go` at 2.14.3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::resources::kuma::dataplane::{
    BackendRef, Dataplane, Gateway, GatewayType, Inbound, Metrics, Networking, Outbound, Probes,
    ServiceProbe, ZoneListenerType,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{is_domain, is_ip, port, tags};

const PROTOCOLS: [&str; 7] = ["grpc", "http", "http2", "kafka", "mysql", "tcp", "tls"];
const ALLOWED_PROTOCOLS: &str = "Allowed values: grpc, http, http2, kafka, tcp";
const SAME_SERVICE: &str = "serviceAddress and servicePort has to differ from address and port";
const BACKENDS: [&str; 3] = ["MeshExternalService", "MeshMultiZoneService", "MeshService"];
const ALLOWED_BACKENDS: &str =
    "invalid value. Available values are: MeshExternalService,MeshMultiZoneService,MeshService";

impl Validate for Dataplane {
    fn validate(&self, report: &mut Report<'_>) {
        let root = Path::of("networking");
        if report.node().get("networking").is_none() {
            return report.violation(&root, "must be defined");
        }
        let net = &self.networking;
        admin(report, &root, net);
        if let Some(gateway) = &net.gateway {
            return self.gateway(report, &root, gateway);
        }
        networking(report, &root, net);
        probes(report, self.probes.as_ref());
        metrics(report, self.metrics.as_ref());
        listeners(report, &root.field("listeners"), net);
    }
}

impl Dataplane {
    fn gateway(&self, report: &mut Report<'_>, root: &Path, gateway: &Gateway) {
        let net = &self.networking;
        let is_builtin = gateway.kind == GatewayType::Builtin;
        let kind = if is_builtin { "builtin" } else { "delegated" };
        let mut forbid = |field: &str, is_there: bool| {
            if is_there {
                let text = format!("{field} cannot be defined for {kind} gateways");
                report.violation(&root.field(field), text);
            }
        };
        forbid("inbound", !net.inbound.is_empty());
        forbid("outbound", is_builtin && !net.outbound.is_empty());
        forbid("listeners", !net.listeners.is_empty());
        forbid("probes", is_builtin && self.probes.is_some());
        gateway_tags(report, &root.join(&Path::of("gateway.tags")), gateway);
        networking(report, root, net);
        if !is_builtin {
            probes(report, self.probes.as_ref());
        }
    }
}

fn gateway_tags(report: &mut Report<'_>, path: &Path, gateway: &Gateway) {
    if let Some(protocol) = gateway.tags.get(tags::PROTOCOL)
        && !protocol.eq_ignore_ascii_case("tcp")
    {
        report.violation(
            &path.key(tags::PROTOCOL),
            format!("other values than tcp are not allowed, provided value \"{protocol}\""),
        );
    }
    if gateway.tags.is_empty() {
        return;
    }
    tags::own_with_service(report, path, &gateway.tags);
}

/// The admin port must not be one of the proxy's own on loopback.
fn admin(report: &mut Report<'_>, root: &Path, net: &Networking) {
    let Some(admin) = &net.admin else {
        return;
    };
    let path = root.join(&Path::of("admin.port"));
    let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
    let is_inbound = net.inbound.iter().any(|inbound| {
        let address = or(&inbound.address, &net.address);
        let service_port = match inbound.service_port {
            0 => inbound.port,
            port => port,
        };
        let service_address = or(&inbound.service_address, &address);
        admin.port == inbound.port && is_loopback(&address)
            || admin.port == service_port && is_loopback(&service_address)
    });
    if is_inbound {
        report.violation(&path, "must differ from inbound");
    }
    let is_outbound = net.outbound.iter().any(|outbound| {
        admin.port == outbound.port && is_loopback(&or(&outbound.address, "127.0.0.1"))
    });
    if is_outbound {
        report.violation(&path, "must differ from outbound");
    }
}

fn is_loopback(address: &str) -> bool {
    address
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_unspecified() || ip.to_canonical().to_string() == "127.0.0.1")
}

fn networking(report: &mut Report<'_>, root: &Path, net: &Networking) {
    address(report, &root.field("address"), &net.address);
    for (index, entry) in net.inbound.iter().enumerate() {
        inbound(
            report,
            &root.field("inbound").index(index),
            entry,
            &net.address,
        );
    }
    for (index, entry) in net.outbound.iter().enumerate() {
        outbound(report, &root.field("outbound").index(index), entry);
    }
    let backends = net
        .transparent_proxying
        .as_ref()
        .and_then(|transparent| transparent.reachable_backends.as_ref());
    if let Some(backends) = backends {
        let place = root.field("transparentProxying");
        // Kuma's own spelling.
        let name = root.field("transparentProxing");
        let path = place.join(&Path::of("reachableBackends.refs"));
        report.calling(&place, &name, |report| {
            for (index, backend) in backends.refs.iter().enumerate() {
                reachable(report, &path.index(index), backend);
            }
        });
    }
}

/// `validateAddress`; upper-case and `_` are fine for Kuma's notion of a DNS name.
pub(super) fn address(report: &mut Report<'_>, path: &Path, address: &str) {
    if address.is_empty() {
        return report.violation(path, "address can't be empty");
    }
    if matches!(address, "0.0.0.0" | "::") {
        report.violation(path, "must not be 0.0.0.0 or ::");
    }
    let name = address.to_ascii_lowercase().replace('_', "a");
    if !is_ip(address) && !is_domain(name.strip_suffix('.').unwrap_or(&name)) {
        report.violation(path, "address has to be valid IP address or domain name");
    }
}

fn inbound(report: &mut Report<'_>, path: &Path, inbound: &Inbound, dataplane: &str) {
    port(report, &path.field("port"), inbound.port);
    if inbound.service_port != 0 {
        port(report, &path.field("servicePort"), inbound.service_port);
    }
    let same_port = inbound.service_port == 0 || inbound.service_port == inbound.port;
    let service = path.field("serviceAddress");
    if !inbound.service_address.is_empty() {
        if !is_ip(&inbound.service_address) {
            report.violation(&service, "serviceAddress has to be valid IP address");
        }
        if inbound.service_address == dataplane && same_port {
            report.violation(&service, SAME_SERVICE);
        }
    }
    if !inbound.address.is_empty() {
        if !is_ip(&inbound.address) {
            report.violation(&path.field("address"), "address has to be valid IP address");
        }
        if inbound.address == inbound.service_address && same_port {
            report.violation(&service, SAME_SERVICE);
        }
    }
    let tags_path = path.field("tags");
    let is_known = |protocol: &str| PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str());
    if let Some(protocol) = inbound.tags.get(tags::PROTOCOL)
        && !is_known(protocol)
    {
        let text = format!(
            "tag \"{}\" has an invalid value \"{protocol}\". {ALLOWED_PROTOCOLS}",
            tags::PROTOCOL
        );
        report.violation(&tags_path.key(tags::PROTOCOL), text);
    }
    tags::own(report, &tags_path, &inbound.tags);
    if !inbound.protocol.is_empty() && !is_known(&inbound.protocol) {
        let text = format!(
            "has an invalid value \"{}\". {ALLOWED_PROTOCOLS}",
            inbound.protocol
        );
        report.violation(&path.field("protocol"), text);
    }
    service_probe(
        report,
        &path.field("serviceProbe"),
        inbound.service_probe.as_ref(),
    );
    if !inbound.tags.is_empty() && inbound.tags.get(tags::SERVICE).is_none() {
        report.advise(
            &tags_path.key(tags::SERVICE),
            "tag has to exist",
            format!("add `{}: …`, the name of the service", tags::SERVICE),
        );
    }
}

fn service_probe(report: &mut Report<'_>, path: &Path, probe: Option<&ServiceProbe>) {
    let Some(probe) = probe else {
        return;
    };
    for (field, duration) in [("interval", &probe.interval), ("timeout", &probe.timeout)] {
        let Some(duration) = duration else {
            continue;
        };
        // `0s`, and `0` as the tests of Kuma write it.
        let number = duration.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        match number.parse::<f64>() {
            Ok(number) if number > 0.0 => {}
            Ok(_) => report.violation(&path.field(field), "must have a positive value"),
            Err(_) => report.violation(&path.field(field), "must have a valid value"),
        }
    }
    for (field, threshold) in [
        ("unhealthyThreshold", probe.unhealthy_threshold),
        ("healthyThreshold", probe.healthy_threshold),
    ] {
        if threshold == Some(0) {
            report.violation(&path.field(field), "must have a positive value");
        }
    }
}

fn outbound(report: &mut Report<'_>, path: &Path, outbound: &Outbound) {
    port(report, &path.field("port"), outbound.port);
    if !outbound.address.is_empty() && !is_ip(&outbound.address) {
        report.violation(&path.field("address"), "address has to be valid IP address");
    }
    let has_tags = !outbound.tags.is_empty();
    match &outbound.backend_ref {
        Some(backend) => {
            let path = path.field("backendRef");
            if !BACKENDS.contains(&backend.kind.as_str()) {
                report.violation(&path.field("kind"), ALLOWED_BACKENDS);
            }
            if backend.name.is_empty() && backend.labels.is_empty() {
                report.violation(&path, "either 'name' or 'labels' should be specified");
            }
            if backend.kind != "MeshExternalService" {
                port(report, &path.field("port"), backend.port);
            }
            if has_tags {
                report.violation(&path, "both backendRef and tags/service cannot be defined");
            }
        }
        None if has_tags => tags::own_with_service(report, &path.field("tags"), &outbound.tags),
        None => {
            report.violation(
                &path.field("tags"),
                "mandatory tag \"kuma.io/service\" is missing",
            );
        }
    }
}

fn reachable(report: &mut Report<'_>, path: &Path, backend: &BackendRef) {
    if !BACKENDS.contains(&backend.kind.as_str()) {
        report.violation(&path.field("kind"), ALLOWED_BACKENDS);
    }
    let name = path.field("name");
    if !backend.name.is_empty() && !is_domain(&backend.name) {
        report.violation(
            &name,
            "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character",
        );
    }
    match (
        backend.name.is_empty(),
        backend.namespace.is_empty(),
        backend.labels.is_empty(),
    ) {
        (true, true, true) => report.violation(&name, "name or labels are required"),
        (true, false, _) => report.violation(&name, "name is required, when namespace is defined"),
        _ => {}
    }
    let has_name = !backend.name.is_empty() || !backend.namespace.is_empty();
    if has_name && !backend.labels.is_empty() {
        let text = "labels cannot be defined when name is specified";
        report.violation(&path.field("labels"), text);
    }
}

fn probes(report: &mut Report<'_>, probes: Option<&Probes>) {
    let Some(probes) = probes else {
        return;
    };
    let path = Path::of("probes");
    port(report, &path.field("port"), probes.port);
    for (index, endpoint) in probes.endpoints.iter().enumerate() {
        let path = path.field("endpoints").index(index);
        port(report, &path.field("inboundPort"), endpoint.inbound_port);
        for (field, value) in [
            ("inboundPath", &endpoint.inbound_path),
            ("path", &endpoint.path),
        ] {
            if !value.starts_with('/') && !value.contains("://") {
                report.violation(&path.field(field), "should be a valid URL Path");
            }
        }
    }
}

fn metrics(report: &mut Report<'_>, metrics: Option<&Metrics>) {
    let Some(metrics) = metrics else {
        return;
    };
    if metrics.kind != "prometheus" {
        report.violation(
            &Path::of("metrics.type"),
            "unknown backend type. Available backends: \"prometheus\"",
        );
        return;
    }
    let mut names = BTreeSet::new();
    for (index, entry) in metrics.conf.aggregate.iter().enumerate() {
        if !names.insert(&entry.name) {
            report.violation(
                &Path::of("metrics.conf.aggregate")
                    .index(index)
                    .field("name"),
                format!("duplicate entry: {}, values have to be unique", entry.name),
            );
        }
    }
}

fn listeners(report: &mut Report<'_>, path: &Path, net: &Networking) {
    let mut names: BTreeSet<&str> = net
        .inbound
        .iter()
        .map(|inbound| inbound.name.as_str())
        .collect();
    let mut taken: BTreeMap<String, ZoneListenerType> = BTreeMap::new();
    for (index, listener) in net.listeners.iter().enumerate() {
        let path = path.index(index);
        if listener.kind == ZoneListenerType::Unspecified {
            report.violation(
                &path.field("type"),
                "type must be ZoneIngress or ZoneEgress",
            );
        }
        address(report, &path.field("address"), &listener.address);
        port(report, &path.field("port"), listener.port);
        if !listener.name.is_empty() && !names.insert(&listener.name) {
            let text = format!(
                "name \"{}\" must be unique across inbounds and listeners",
                listener.name
            );
            report.violation(&path.field("name"), text);
        }
        let place = format!("{}:{}", listener.address, listener.port);
        match taken.get(&place) {
            Some(kind) if *kind == listener.kind => {
                let text = format!("address:port {place} is already used by another listener");
                report.violation(&path, text);
            }
            Some(_) => {
                let text = format!("address:port {place} is used by listeners of different types");
                report.violation(&path, text);
            }
            None => {
                taken.insert(place.clone(), listener.kind);
            }
        }
        let collides = net.inbound.iter().any(|inbound| {
            let address = match inbound.address.as_str() {
                "" => &net.address,
                address => address,
            };
            format!("{address}:{}", inbound.port) == place
        });
        if collides {
            let text = format!("address:port {place} collides with an inbound listener");
            report.violation(&path, text);
        }
    }
}
