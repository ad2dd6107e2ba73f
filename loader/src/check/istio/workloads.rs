//! Gateways without a workload, and ports that the workload's Services do not have
//! (`analyzers/gateway/gateway.go`).

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::gateway::Gateway;
use crate::resources::kubernetes::Kubernetes;
use crate::resources::kubernetes::service::ServicePort;
use crate::resources::{Resource, Resources};
use crate::source::Path;

type Labels = BTreeMap<String, String>;

/// A Pod, or what a Deployment makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload<'r> {
    pub(super) namespace: &'r str,
    pub(super) labels: &'r Labels,
}

/// All workloads of the input.
pub(super) fn workloads(of: &Kubernetes) -> impl Iterator<Item = Workload<'_>> {
    let pods = of.pods.iter().map(|pod| Workload {
        namespace: pod.meta.namespace(),
        labels: &pod.meta.labels,
    });
    let made = of.deployments.iter().map(|deployment| Workload {
        namespace: deployment.meta.namespace(),
        labels: &deployment.spec.template.metadata.labels,
    });
    pods.chain(made)
}

/// Whether `labels` has all of `wanted`.
pub(super) fn selects(wanted: &Labels, labels: &Labels) -> bool {
    wanted
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

/// A selector as Kubernetes writes it.
pub(super) fn written(selector: &Labels) -> String {
    let parts: Vec<_> = selector
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join(",")
}

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let kubernetes = &resources.kubernetes;
    // Where nobody names workloads, the gateway's are given on the command line.
    if workloads(kubernetes).next().is_none() {
        return;
    }
    for gateway in &resources.istio.gateways {
        let selector = &gateway.spec.selector;
        let selected: Vec<_> = workloads(kubernetes)
            .filter(|workload| selects(selector, workload.labels))
            .collect();
        if selected.is_empty() {
            let text = format!(
                "Referenced selector not found: {:?} [IST0101]",
                written(selector)
            );
            let path = Path::of("selector");
            let finding = gateway.warning(Code::SelectorWithoutWorkload, &path, text);
            findings
                .push(finding.help("compare the labels with those of the Pods and Deployments"));
        } else {
            ports(kubernetes, gateway, &selected, findings);
        }
    }
}

fn ports(
    kubernetes: &Kubernetes,
    gateway: &Resource<Gateway>,
    selected: &[Workload<'_>],
    findings: &mut Vec<Diagnostic>,
) {
    let mut has_service = false;
    let mut open = Vec::new();
    for service in &kubernetes.services {
        let is_in_front = |workload: &Workload<'_>| {
            workload.namespace == service.meta.namespace()
                && !service.spec.selector.is_empty()
                && selects(&service.spec.selector, workload.labels)
        };
        if selected.iter().any(is_in_front) {
            has_service = true;
            open.extend(
                service
                    .spec
                    .ports
                    .iter()
                    .filter(|port| is_tcp(port))
                    .flat_map(numbers),
            );
        }
    }
    if !has_service {
        return;
    }
    for (index, server) in gateway.spec.servers.iter().enumerate() {
        let path = Path::of("servers")
            .index(index)
            .field("port")
            .field("number");
        if let Some(port) = &server.port
            && port.number != 0
            && !open.contains(&port.number)
        {
            let text = format!(
                "The gateway is listening on a target port (port {}) that is not defined in the Service associated with \
                 its workload instances (Pod selector {}). If you need to access the gateway port through the gateway \
                 Service, it will not be available. [IST0162]",
                port.number,
                written(&gateway.spec.selector)
            );
            let finding = gateway.warning(Code::PortNotOnService, &path, text);
            findings.push(
                finding.help("add it to the `ports` of the Service: the number is a `targetPort`"),
            );
        }
    }
}

fn is_tcp(port: &ServicePort) -> bool {
    matches!(port.protocol.as_str(), "" | "TCP")
}

/// The port of the Pods, and the Service's own, which Istio translates.
fn numbers(port: &ServicePort) -> [u32; 2] {
    let target = port
        .target_port
        .as_ref()
        .and_then(|target| target.0.parse().ok());
    [port.port, target.unwrap_or(port.port)]
}
