//! What of the policies for an inbound has no effect: parts for some of its clients, and rates of connections.

use super::select::Policies;
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Resource;
use crate::resources::kuma::mesh_rate_limit::MeshRates;
use crate::resources::kuma::policy::Policy;
use crate::resources::list::List;
use crate::source::Path;

/// Names them. Where a request could get in that a policy keeps out, it is an error.
pub(in crate::model::kuma) fn name_partial(
    policies: &Policies<'_>,
    findings: &mut Vec<Diagnostic>,
) {
    let all = policies.resources;
    for_some(policies, &all.mesh_timeouts, false, findings);
    for_some(policies, &all.mesh_access_logs, false, findings);
    for_some(policies, &all.mesh_circuit_breakers, false, findings);
    for_some(policies, &all.mesh_fault_injections, false, findings);
    for_some(policies, &all.mesh_rate_limits, true, findings);
    let matched = policies.about_callers(&all.mesh_rate_limits);
    for policy in matched {
        connection_rates(policy, findings);
    }
    // A gateway that is such a source keeps the rate itself, so this is no reason to serve nothing.
    for policy in policies.for_some_sources(&all.rate_limits) {
        findings.push(unserved(policy, false, &Path::of("sources")));
    }
}

/// The same for an `ExternalService` behind an egress.
pub(super) fn name_partial_of_egress(policies: &Policies<'_>, findings: &mut Vec<Diagnostic>) {
    let all = policies.resources;
    for_some(policies, &all.mesh_fault_injections, false, findings);
    for_some(policies, &all.mesh_rate_limits, true, findings);
    let matched = policies.about_callers(&all.mesh_rate_limits);
    for policy in matched {
        connection_rates(policy, findings);
    }
    for policy in policies.for_some_sources(&all.rate_limits) {
        findings.push(unserved(policy, false, &Path::of("sources")));
    }
}

fn for_some<C>(
    policies: &Policies<'_>,
    all: &List<Policy<C>>,
    keeps_out: bool,
    findings: &mut Vec<Diagnostic>,
) {
    let mut say = |policy: &Resource<Policy<C>>, path: &Path| {
        findings.push(unserved(policy, keeps_out, path));
    };
    for policy in policies.about_callers(all) {
        for (index, rule) in policy.spec.rules.iter().enumerate() {
            // Validation has warned about it.
            if keeps_out && !rule.matches.is_empty() {
                say(policy, &Path::of("rules").index(index).field("matches"));
            }
        }
        for (index, entry) in policy.spec.from.iter().enumerate() {
            if entry.target_ref.kind != "Mesh" {
                say(policy, &Path::of("from").index(index).field("targetRef"));
            }
        }
    }
}

fn unserved<T>(policy: &Resource<T>, keeps_out: bool, path: &Path) -> Diagnostic {
    let message =
        "not served: a policy holds for all clients of a service, and this part of it for none";
    let code = Code::PolicyForSomeClients;
    let finding = if keeps_out {
        policy.error(code, path, message)
    } else {
        policy.warning(code, path, message)
    };
    finding.help("write it for all clients, if that is what is wanted")
}

fn connection_rates(policy: &Resource<Policy<MeshRates>>, findings: &mut Vec<Diagnostic>) {
    let rules = policy.spec.rules.iter().map(|rule| &rule.conf).enumerate();
    let rules = rules.map(|(index, conf)| (Path::of("rules").index(index), conf));
    let from = policy.spec.from.iter().map(|entry| &entry.conf).enumerate();
    let from = from.map(|(index, conf)| (Path::of("from").index(index), conf));
    for (path, conf) in rules.chain(from) {
        let tcp = conf.local.as_ref().and_then(|local| local.tcp.as_ref());
        if tcp.is_some_and(|tcp| tcp.disabled != Some(true)) {
            let path = path.field("default").field("local").field("tcp");
            let message = "not served: connections that it would refuse would get in";
            findings.push(policy.error(Code::NotServedField, &path, message));
        }
    }
}
