//! Routes of connections, and destinations (`validateTLSRoute`, `validateTCPRoute`, `validateDestination`).

use policy::istio::subset_of;

use crate::diagnostic::Code;
use crate::resources::istio::virtual_service::{
    Destination, RouteDestination, TcpRoute, TlsMatch, TlsRoute, VirtualService,
};
use crate::resources::report::Report;
use crate::source::Path;

use super::virtual_service::gateway_names;
use super::{labels, names, port, warn};

/// `validateTLSRoute`.
pub(super) fn tls(report: &mut Report<'_>, path: &Path, route: &TlsRoute, of: &VirtualService) {
    if route.matches.is_empty() {
        let text = "TLS route must have at least one match condition";
        report.advise(&path.field("match"), text, "add `match: [{sniHosts: […]}]`");
    }
    for (index, entry) in route.matches.iter().enumerate() {
        tls_match(report, &path.field("match").index(index), entry, of);
    }
    if route.route.is_empty() {
        report.violation(&path.field("route"), "TLS route is required");
    }
    destinations(report, &path.field("route"), &route.route);
}

fn tls_match(report: &mut Report<'_>, path: &Path, entry: &TlsMatch, of: &VirtualService) {
    let hosts = path.field("sniHosts");
    if entry.sni_hosts.is_empty() {
        report.violation(&hosts, "TLS match must have at least one SNI host");
    }
    for (index, host) in entry.sni_hosts.iter().enumerate() {
        sni_host(report, &hosts.index(index), host, of);
    }
    subnets(report, path, &entry.destination_subnets);
    if entry.port != 0 {
        port(report, &path.field("port"), entry.port);
    }
    labels(report, &path.field("sourceLabels"), &entry.source_labels);
    gateway_names(report, &path.field("gateways"), &entry.gateways);
}

/// `validateSniHost`.
fn sni_host(report: &mut Report<'_>, path: &Path, host: &str, of: &VirtualService) {
    // `isGateway`, which takes a VirtualService without gateways for one of a gateway.
    let may_be_made_up = !of.is_for_mesh_by_name();
    if let Err(text) = names::gateway_domain(may_be_made_up, host) {
        if names::is_ip(host) {
            let text = format!(
                "using an IP address ({host:?}) goes against SNI spec and most clients do not support this"
            );
            warn(report, path, Code::DoubtfulSetting, text);
        } else {
            report.violation(path, text);
        }
        return;
    }
    if !of.hosts.iter().any(|outer| subset_of(host, outer)) {
        let text = format!(
            "SNI host {host:?} is not a compatible subset of any of the virtual service hosts: [{}]",
            of.hosts.join(", ")
        );
        report.advise(path, text, "add it to `hosts`");
    }
}

/// `validateTCPRoute`.
pub(super) fn tcp(report: &mut Report<'_>, path: &Path, route: &TcpRoute) {
    for (index, entry) in route.matches.iter().enumerate() {
        let path = path.field("match").index(index);
        if report.is_null(&path) {
            let help = "write what it asks for, or `{}`";
            report.advise(&path, "tcp match may not be nil", help);
        }
        subnets(report, &path, &entry.destination_subnets);
        if entry.port != 0 {
            port(report, &path.field("port"), entry.port);
        }
        labels(report, &path.field("sourceLabels"), &entry.source_labels);
        report.errors_only(|report| {
            gateway_names(report, &path.field("gateways"), &entry.gateways);
        });
    }
    if route.route.is_empty() {
        report.violation(&path.field("route"), "TCP route is required");
    }
    destinations(report, &path.field("route"), &route.route);
}

fn subnets(report: &mut Report<'_>, path: &Path, subnets: &[String]) {
    for (index, subnet) in subnets.iter().enumerate() {
        if let Err(text) = names::subnet(subnet) {
            report.violation(&path.field("destinationSubnets").index(index), text);
        }
    }
}

/// `validateRouteDestinations`.
fn destinations(report: &mut Report<'_>, path: &Path, entries: &[RouteDestination]) {
    for (index, entry) in entries.iter().enumerate() {
        let to = entry.destination.as_ref();
        weighted(report, &path.index(index), to, entry.weight);
    }
    let weights: Vec<_> = entries.iter().map(|entry| entry.weight).collect();
    total(report, path, &weights);
}

/// One of several destinations.
pub(super) fn weighted(
    report: &mut Report<'_>,
    path: &Path,
    to: Option<&Destination>,
    weight: i32,
) {
    match to {
        None => report.violation(path, "destination is required"),
        Some(to) => destination(report, &path.field("destination"), to),
    }
    if weight < 0 {
        report.violation(&path.field("weight"), format!("weight {weight} < 0"));
    }
}

/// That somebody gets something.
pub(super) fn total(report: &mut Report<'_>, path: &Path, weights: &[i32]) {
    let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
    if weights.len() > 1 && sum == 0 {
        report.advise(path, "total destination weight = 0", "give each a `weight`");
    }
}

/// `validateDestination`.
pub(super) fn destination(report: &mut Report<'_>, path: &Path, to: &Destination) {
    let at = path.field("host");
    if to.host == "*" {
        report.violation(&at, "invalid destination host *");
    } else if let Err(text) = names::wildcard_domain(&to.host) {
        report.violation(&at, text);
    }
    if !to.subset.is_empty() {
        subset_name(report, &path.field("subset"), &to.subset);
    }
    if let Some(selector) = &to.port {
        port(report, &path.field("port").field("number"), selector.number);
    }
}

/// `validateSubsetName`.
pub(super) fn subset_name(report: &mut Report<'_>, path: &Path, name: &str) {
    if name.is_empty() {
        report.violation(path, "subset name cannot be empty");
    } else if !names::is_label(name) {
        report.violation(path, format!("subset name is invalid: {name}"));
    }
}
