//! Delegates that nobody delegates to, which Istio says nothing about.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Resources;
use crate::resources::istio::virtual_service::VirtualService;
use crate::resources::{Meta, Resource};
use crate::source::Path;

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let services = &resources.istio.virtual_services;
    for delegate in services.iter().filter(|own| own.spec.hosts.is_empty()) {
        if !services.iter().any(|root| names(root, &delegate.meta)) {
            let message =
                "it has no hosts, and no VirtualService delegates to it: it serves nothing";
            let finding = delegate.warning(Code::UnusedDelegate, &Path::root(), message);
            let help =
                "add `hosts` and `gateways`, or `delegate` to it in a VirtualService that has them";
            findings.push(finding.help(help));
        }
    }
}

fn names(root: &Resource<VirtualService>, delegate: &Meta) -> bool {
    let mut delegates = root
        .spec
        .http
        .iter()
        .filter_map(|own| own.delegate.as_ref());
    delegates.any(|own| {
        let namespace = match own.namespace.as_str() {
            "" => root.meta.namespace(),
            other => other,
        };
        own.name == delegate.name && namespace == delegate.namespace()
    })
}
