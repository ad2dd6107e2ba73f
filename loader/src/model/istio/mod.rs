//! From Istio's resources to what one ingress gateway has to do (Istio 1.32).
//!
//! ```text
//! workload ─selectors─▶ Gateways ─servers─▶ ports ─┬─ tls, credentials
//!                                                  ├─ http: VirtualServices, in Istio's order
//!                                                  └─ connections: routes for TLS and TCP
//! RequestAuthentications ─tokens─▶ issuers, whose claims routes may ask for
//! AuthorizationPolicies ─access─▶ who may send what
//! destinations ─registry─▶ clusters ─destination_rules─▶ the same, with what DestinationRules say
//! ```
//!
//! Istio drops what does not fit without a word; here each of these is a finding.

mod access;
mod attached;
mod auto_passthrough;
mod bindings;
mod clusters;
mod connections;
pub mod credentials;
mod delegates;
mod destination_rules;
pub(crate) mod host_index;
mod http;
mod identities;
pub(crate) mod label_index;
mod localities;
mod matches;
mod names;
mod parameters;
mod ports;
mod registry;
mod secrets;
mod server_hosts;
mod servers;
mod shared;
mod tls;
mod tokens;
mod workload;

use std::net::{IpAddr, Ipv4Addr};

use self::bindings::Bindings;
use self::clusters::Clusters;
use self::http::Shadows;
use self::ports::Maker;
use self::secrets::Certificates;
use self::shared::Shared;
use super::kuma::Input;
use super::{Dialect, Proxy};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Path;

pub use identities::{identities, mesh};
pub(crate) use tls::files_of;
pub use workload::{Workload, named, workloads};

/// Where ports without `bind` are opened.
const ANY_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What the gateway `workload` has to do; nothing if no server is left for it. Whatever is wrong is added to
/// `findings`.
pub fn gateway(
    input: Input<'_>,
    workload: &Workload,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    of_workload(&Shared::new(input), workload, findings)
}

fn of_workload<'a>(
    shared: &'a Shared<'a>,
    workload: &'a Workload,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    let before = findings.len();
    let proxy = made(shared, workload, findings);
    for finding in findings.iter_mut().skip(before) {
        advise(finding);
    }
    proxy
}

/// Says what to do where the finding does not.
fn advise(finding: &mut Diagnostic) {
    let fix = finding.code.explanation().fix;
    let mut letters = fix.trim_end_matches('.').chars();
    if finding.help.is_none()
        && !fix.starts_with("Follow")
        && let Some(first) = letters.next()
    {
        finding.help = Some(first.to_lowercase().chain(letters).collect());
    }
}

fn made<'a>(
    shared: &'a Shared<'a>,
    workload: &'a Workload,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    let input = shared.input;
    let selected = shared.gateways.of_workload(workload);
    let slots = servers::merge(selected, findings);
    let bindings = Bindings::new(&shared.virtual_services, workload, &slots, findings);
    let mut clusters = Clusters::new(input, &shared.registry, &shared.rules, workload);
    let policies = shared.request_authentications.to(workload);
    let tokens = tokens::of_workload(input, policies, &mut clusters, findings);
    let ports = ports::ports(
        Maker {
            input,
            workload,
            bindings: &bindings,
            knows_claims: !tokens.is_empty(),
            clusters: &mut clusters,
            shadows: Shadows::default(),
            certificates: Certificates::default(),
            findings,
        },
        &slots,
    );
    bindings.report(&slots, &ports, findings);
    let policies = shared.authorization_policies.to(workload);
    let access = access::of_workload(policies, &tokens, &ports, findings);
    if ports.is_empty() {
        return None;
    }
    let mut proxy = Proxy {
        dialect: Dialect::Istio,
        name: workload.name.clone(),
        mesh: workload.namespace.clone(),
        service: workload.name.clone(),
        address: workload.address.unwrap_or(ANY_ADDRESS),
        identity: None,
        ports,
        clusters: clusters.into_clusters(),
        dns: None,
        transparent: None,
        tokens,
        access,
    };
    proxy.identity = identities::of_proxy(input, workload, &proxy, findings);
    Some(proxy)
}

/// Everything that is wrong with the gateways of all workloads that the resources hold, but for what does nothing as
/// long as nobody says where a gateway is; `keep` gets that with what was made.
pub fn check(
    input: Input<'_>,
    mut keep: impl FnMut(&Workload, Proxy, Vec<Diagnostic>),
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let workloads = workloads(input.resources);
    let shared = Shared::new(input);
    for workload in &workloads {
        let before = findings.len();
        let proxy = of_workload(&shared, workload, &mut findings);
        let own = findings.split_off(before).into_iter();
        let is_unplaced = |finding: &Diagnostic| finding.code == Code::UnknownLocality;
        let (unplaced, own): (Vec<_>, Vec<_>) = own.partition(is_unplaced);
        findings.extend(own);
        match proxy {
            Some(proxy) => keep(workload, proxy, unplaced),
            None => findings.extend(nothing_left(&shared, workload)),
        }
    }
    let istio = &input.resources.istio;
    attached::unused(&istio.request_authentications, &workloads, &mut findings);
    attached::unused(&istio.authorization_policies, &workloads, &mut findings);
    findings
}

fn nothing_left(shared: &Shared<'_>, workload: &Workload) -> Option<Diagnostic> {
    let gateway = shared.first_selecting(workload)?;
    let message = format!("nothing is left to serve for the gateway {workload}");
    Some(gateway.warning(Code::NoGatewayServer, &Path::of("servers"), message))
}
