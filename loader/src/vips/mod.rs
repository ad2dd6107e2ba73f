//! The virtual addresses (VIPs) of services outside of the mesh.
//!
//! A resource may say its own in `status.vip.ip`, where Kuma's control plane keeps it
//! (`pkg/core/resources/apis/core/vip/allocator.go` at 2.14.3). All others get one of a range, which [`store`] keeps, so
//! that no service moves when others come and go.

mod range;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use range::{InvalidRange, Range};

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::{Meta, Resource, Resources};
use crate::source::{Node, Path};

/// The variable with the range, Kuma's own (`pkg/config/app/kuma-cp/config.go` at 2.14.3).
pub const RANGE: &str = "KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR";
/// The range unless the variable says another one.
pub const DEFAULT_RANGE: &str = "242.0.0.0/8";

/// Where a resource says its own.
const GIVEN: &str = "status.vip.ip";

/// What has been given out of a range, by [`key`].
pub type Kept = BTreeMap<String, IpAddr>;

/// What a service is called where addresses are kept: `<mesh>/<name>`, as Kuma calls resources of Kubernetes
/// `<name>.<namespace>`.
pub fn key(meta: &Meta) -> String {
    let Meta { mesh, name, .. } = meta;
    match meta.namespace() {
        "" => format!("{mesh}/{name}"),
        namespace => format!("{mesh}/{name}.{namespace}"),
    }
}

/// The address that the resource says; nothing if it says none that a service can have.
pub fn given(service: &Resource<MeshExternalService>) -> Option<IpAddr> {
    written(service)?.parse().ok().filter(can_be_one)
}

fn written(service: &Resource<MeshExternalService>) -> Option<&str> {
    let mut node = &*service.place.root;
    for field in GIVEN.split('.') {
        node = node.get(field)?;
    }
    Node::text(node).filter(|text| !text.is_empty())
}

/// Whether an address can be that of one service: not that of all, of many, or of this machine.
fn can_be_one(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_edge = matches!(
                v4.octets(),
                [0 | 255, ..] | [127, 0, 0, 0] | [127, 255, 255, 255]
            );
            !is_edge && !v4.is_multicast()
        }
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

/// Gives each `MeshExternalService` its address. New ones get theirs in the order of names; addresses of services that
/// are gone are given out again when no other is left.
pub fn give(resources: &mut Resources, range: &Range, kept: &mut Kept) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut vips = Kept::new();
    let services: BTreeMap<String, _> = resources
        .mesh_external_services
        .iter()
        .map(|service| (key(&service.meta), service))
        .collect();
    for (key, service) in &services {
        match given(service) {
            Some(address) => {
                vips.insert(key.clone(), address);
            }
            None => findings.extend(unusable(service)),
        }
    }
    let given: BTreeSet<IpAddr> = vips.values().copied().collect();
    for key in services.keys() {
        // Whoever says an address has it.
        if let Some(address) = kept.get(key).filter(|address| !given.contains(address)) {
            vips.entry(key.clone()).or_insert(*address);
        }
    }
    let known: BTreeSet<IpAddr> = given.into_iter().chain(kept.values().copied()).collect();
    let mut free = range
        .addresses()
        .filter(|address| can_be_one(address) && *address != LOCALHOST && !known.contains(address));
    for (key, service) in &services {
        if vips.contains_key(key) {
            continue;
        }
        match free.next().or_else(|| freed(kept, &vips)) {
            Some(address) => {
                kept.insert(key.clone(), address);
                vips.insert(key.clone(), address);
            }
            None => findings.push(without(service, range)),
        }
    }
    findings.extend(twice(&services, &vips));
    resources.vips = vips;
    findings
}

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// An address of a service that does not use it any more.
fn freed(kept: &mut Kept, vips: &Kept) -> Option<IpAddr> {
    let in_use: BTreeSet<&IpAddr> = vips.values().collect();
    let mut others = kept.iter().filter(|(_, address)| !in_use.contains(address));
    let key = others.next()?.0.clone();
    kept.remove(&key)
}

fn unusable(service: &Resource<MeshExternalService>) -> Option<Diagnostic> {
    let written = written(service)?;
    let message = format!("`{GIVEN}`: `{written}` is no address that one service can have");
    let finding = Diagnostic::warning(Code::VipUnusable, message);
    let finding = finding.help("write an IP address, or nothing: the service gets another one");
    Some(placed(finding, service))
}

fn without(service: &Resource<MeshExternalService>, range: &Range) -> Diagnostic {
    let message = format!("no address of {range} is left for {}", service.meta);
    let finding = Diagnostic::warning(Code::VipsUsedUp, message);
    placed(finding, service).help(format!("name a wider range in {RANGE}"))
}

/// Services of a mesh that cannot be told apart.
fn twice(
    services: &BTreeMap<String, &Resource<MeshExternalService>>,
    vips: &Kept,
) -> Vec<Diagnostic> {
    let mut first = BTreeMap::new();
    let mut findings = Vec::new();
    for (key, service) in services {
        let Some(address) = vips.get(key) else {
            continue;
        };
        let port = service.spec.matching.port;
        let place = (&service.meta.mesh, address, port);
        let first = *first.entry(place).or_insert(service);
        if first.meta != service.meta {
            let message = format!(
                "`{GIVEN}`: {address}:{port} leads to {} already",
                first.meta
            );
            let finding = Diagnostic::error(Code::VipTwice, message)
                .help("give the services different addresses, or remove `status` from one of them");
            findings.push(placed(finding, service));
        }
    }
    findings
}

fn placed(finding: Diagnostic, service: &Resource<MeshExternalService>) -> Diagnostic {
    let path = Path::of(GIVEN);
    finding
        .at(service.place.root.locate(&path))
        .about(&service.meta, &path)
}

#[cfg(test)]
mod tests;
