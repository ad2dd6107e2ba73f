//! `meshgate hosts`: the names that lead to a sidecar, for `/etc/hosts`.
//!
//! Without a transparent proxy nothing catches connections, and no control plane answers DNS: a name has to lead to the
//! address of the sidecar's port.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Exit, choose, load};
use crate::cli::HostsArgs;
use crate::diagnostic::Severity;
use crate::model::kuma::{self, Input};
use crate::model::{Port, Role};
use crate::output::Output;

pub(super) fn run(args: &HostsArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut loaded = load::load(&args.paths, false, output)?;
    // `validate` has the rest.
    loaded
        .findings
        .retain(|finding| finding.severity == Severity::Error);
    loaded.print(output);
    if loaded.has_fatal_errors() {
        return Ok(Exit::Findings);
    }
    let dataplane =
        choose::choose_dataplane(args.dataplane.as_deref(), args.mesh.as_deref(), &loaded)?;
    let input = Input {
        resources: &loaded.resources,
        sources: &loaded.sources,
    };
    // What is wrong with it was found and printed above.
    let proxy = kuma::proxy(input, dataplane, &mut Vec::new());
    let ports = proxy.as_ref().map_or(&[][..], |proxy| &proxy.ports);
    output.data(text(ports).as_bytes())?;
    Ok(Exit::Fine)
}

/// A line for each name, in the order of names.
fn text(ports: &[Port]) -> String {
    let entries: BTreeSet<_> = ports.iter().flat_map(entries).collect();
    let mut text = String::new();
    for (hostname, address, port) in entries {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{address}\t{hostname}\t# port {port}");
    }
    text
}

fn entries(port: &Port) -> Vec<(&str, IpAddr, u16)> {
    let Role::Outbound(outbound) = &port.role else {
        return Vec::new();
    };
    let gateways = outbound.gateways.iter().map(|gateway| &gateway.hostname);
    let services = outbound
        .outside
        .iter()
        .flat_map(|outside| &outside.services);
    let services = services.flat_map(|service| &service.hostnames);
    let names = outbound.hostnames.iter().chain(gateways).chain(services);
    names
        .map(|name| (name.as_str(), port.address, port.number))
        .collect()
}
