//! Delegates that nobody delegates to, which Istio says nothing about.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Resource;
use crate::resources::Resources;
use crate::resources::istio::virtual_service::VirtualService;
use crate::source::Path;

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let services = &resources.istio.virtual_services;
    let delegated: HashSet<_> = services.iter().flat_map(named).collect();
    for delegate in services.iter().filter(|own| own.spec.hosts.is_empty()) {
        let name = (delegate.meta.namespace(), delegate.meta.name.as_str());
        if !delegated.contains(&name) {
            let message =
                "it has no hosts, and no VirtualService delegates to it: it serves nothing";
            let finding = delegate.warning(Code::UnusedDelegate, &Path::root(), message);
            let help =
                "add `hosts` and `gateways`, or `delegate` to it in a VirtualService that has them";
            findings.push(finding.help(help));
        }
    }
}

/// The namespaces and names that a VirtualService delegates to.
fn named(root: &Resource<VirtualService>) -> impl Iterator<Item = (&str, &str)> {
    let routes = root.spec.http.iter();
    let delegates = routes.filter_map(|own| own.delegate.as_ref());
    delegates.map(|own| {
        let namespace = match own.namespace.as_str() {
            "" => root.meta.namespace(),
            other => other,
        };
        (namespace, own.name.as_str())
    })
}
