//! Gateways without a workload, and ports that the workload's Services do not have
//! (`analyzers/gateway/gateway.go`).

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::label_index::{LabelIndex, Labels, SelectorIndex};
use crate::resources::istio::gateway::Gateway;
use crate::resources::kubernetes::Kubernetes;
use crate::resources::kubernetes::service::ServicePort;
use crate::resources::{Resource, Resources};
use crate::source::Path;

/// A Pod, or what a Deployment makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    let behind = Behind::new(kubernetes);
    // Most Gateways have the selector of another one.
    let mut known: HashMap<&Labels, Selected> = HashMap::new();
    for gateway in &resources.istio.gateways {
        let selector = &gateway.spec.selector;
        let selected = known.entry(selector);
        match selected.or_insert_with(|| behind.selected(selector)) {
            Selected::None => {
                let text = format!(
                    "Referenced selector not found: {:?} [IST0101]",
                    written(selector)
                );
                let path = Path::of("selector");
                let finding = gateway.warning(Code::SelectorWithoutWorkload, &path, text);
                findings.push(
                    finding.help("compare the labels with those of the Pods and Deployments"),
                );
            }
            Selected::WithoutService => {}
            Selected::Open(open) => ports(gateway, open, findings),
        }
    }
}

/// The workloads that a selector has.
enum Selected {
    None,
    /// No Service is in front of them.
    WithoutService,
    /// The ports that Services open to them.
    Open(HashSet<u32>),
}

/// Workloads with the Services in front of them.
struct Behind<'r> {
    kubernetes: &'r Kubernetes,
    workloads: Vec<Workload<'r>>,
    by_label: LabelIndex<'r>,
    services: SelectorIndex<'r>,
}

impl<'r> Behind<'r> {
    fn new(kubernetes: &'r Kubernetes) -> Self {
        let workloads: Vec<_> = workloads(kubernetes).collect();
        let services = kubernetes.services.iter().enumerate();
        let services =
            services.map(|(place, own)| (place, own.meta.namespace(), &own.spec.selector));
        Self {
            kubernetes,
            by_label: LabelIndex::new(workloads.iter().map(|own| (own.namespace, own.labels))),
            workloads,
            services: SelectorIndex::new(services.filter(|(.., own)| !own.is_empty())),
        }
    }

    fn selected(&self, selector: &Labels) -> Selected {
        let places = self.by_label.selected(None, selector);
        let selected: HashSet<_> = places
            .filter_map(|place| self.workloads.get(place))
            .collect();
        if selected.is_empty() {
            return Selected::None;
        }
        let places = selected.into_iter();
        let places = places.flat_map(|own| self.services.selecting(own.namespace, own.labels));
        let places: HashSet<_> = places.collect();
        if places.is_empty() {
            return Selected::WithoutService;
        }
        let services = places.into_iter();
        let services = services.filter_map(|place| self.kubernetes.services.get(place));
        let ports = services.flat_map(|service| &service.spec.ports);
        Selected::Open(
            ports
                .filter(|port| is_tcp(port))
                .flat_map(numbers)
                .collect(),
        )
    }
}

fn ports(gateway: &Resource<Gateway>, open: &HashSet<u32>, findings: &mut Vec<Diagnostic>) {
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
