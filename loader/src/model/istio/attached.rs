//! Which policies are for a workload (`getConfigsForWorkload` in `pilot/pkg/model/authentication.go` and
//! `policyattachment.go` at 1.32).

use super::names;
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Resource;
use crate::resources::istio::request_authentication::{Attached, TargetRef};
use crate::source::Path;

/// The namespace whose resources are for all others, too.
const ROOT: &str = "istio-system";

/// The label of workloads that are gateways of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The group of those gateways.
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// The resources that are for a workload: those of its namespace, then those of the root namespace.
pub(super) fn to<'a, T: Attached>(
    all: &'a [Resource<T>],
    workload: &Workload,
) -> Vec<&'a Resource<T>> {
    let mut namespaces = vec![workload.namespace.as_str(), ROOT];
    namespaces.dedup();
    let mut attached = Vec::new();
    for namespace in namespaces {
        let own = all.iter().filter(|own| own.meta.namespace() == namespace);
        let mut own: Vec<_> = own.filter(|own| is_attached(own, workload)).collect();
        own.sort_by(|a, b| names::order(a, b));
        attached.extend(own);
    }
    attached
}

/// `ShouldAttachPolicy`: targets are for gateways of the Gateway API, and for no other workload.
fn is_attached<T: Attached>(own: &Resource<T>, workload: &Workload) -> bool {
    let targets = own.spec.targets();
    if targets.is_empty() {
        let selector = own.spec.selector();
        return selector.is_none_or(|of| workload.is_selected_by(&of.match_labels));
    }
    let Some(gateway) = workload.labels.get(GATEWAY_NAME) else {
        return false;
    };
    let names = |target: &&TargetRef| is_gateway(target) && target.name == *gateway;
    own.meta.namespace() == workload.namespace && targets.iter().any(names)
}

fn is_gateway(target: &TargetRef) -> bool {
    target.group == GATEWAY_API && target.kind == "Gateway"
}

/// Names the resources that are for none of the workloads: nothing looks at what they say.
pub(super) fn unused<T: Attached>(
    all: &[Resource<T>],
    workloads: &[Workload],
    findings: &mut Vec<Diagnostic>,
) {
    for own in all {
        let is_of_root = own.meta.namespace() == ROOT;
        let is_for = |workload: &Workload| {
            (is_of_root || own.meta.namespace() == workload.namespace) && is_attached(own, workload)
        };
        if workloads.iter().any(is_for) {
            continue;
        }
        let targets = own.spec.targets();
        let path = Path::of(if targets.is_empty() {
            "selector"
        } else if own
            .place
            .root
            .at(&own.place.spec.field("targetRef"))
            .is_some()
        {
            "targetRef"
        } else {
            "targetRefs"
        });
        findings.push(if targets.iter().any(|target| is_gateway(target)) {
            let text = "the gateway is none of the Gateway API: Istio does not attach this to it, and requests that it \
                        refuses get in";
            let finding = own.error(Code::UnattachedPolicy, &path, text);
            finding.help("write `selector: {matchLabels: …}` with the labels of the gateway's workload")
        } else {
            let text = "no gateway is selected, so that nothing is refused";
            let finding = own.warning(Code::UnattachedPolicy, &path, text);
            finding.help(format!(
                "compare the labels with those of the gateway's workload, and put it into the namespace of that or into {ROOT}; \
                 for proxies next to services nothing is made here"
            ))
        });
    }
}
