//! What services are called by those who write resources; inside of a proxy they have longer names.

use std::collections::{BTreeSet, HashMap};

use crate::model::{Action, Listener, Port, Proxy, Role};

/// What people call the service of each cluster, by the cluster's name.
pub(super) struct Services<'a>(HashMap<&'a str, String>);

impl<'a> Services<'a> {
    pub(super) fn of(proxy: &'a Proxy) -> Self {
        let clusters = proxy.clusters.iter();
        let named = clusters.map(|cluster| {
            let service = cluster.destination.get("kuma.io/service");
            (
                cluster.name.as_str(),
                said(service.unwrap_or(&cluster.name)),
            )
        });
        Self(named.collect())
    }
}

/// The services that a listener's requests go to, as people call them.
pub(super) fn backends(services: &Services<'_>, port: &Port, listener: &Listener) -> Vec<String> {
    let routes = listener.virtual_hosts.iter().flat_map(|v| &v.routes);
    let of_routes = routes.filter_map(|route| match &route.action {
        Action::Forward(forward) => Some(&forward.clusters),
        Action::ForwardAsDecided | Action::Redirect(_) | Action::Respond { .. } => None,
    });
    let of_connections = listener.connections.iter().map(|c| &c.clusters);
    let clusters = of_routes.chain(of_connections).flatten();
    let named = clusters.filter_map(|weighted| services.0.get(weighted.cluster.as_str()).cloned());
    let all: BTreeSet<_> = named.chain(decided(port)).collect();
    all.into_iter().collect()
}

/// Where requests go that the filter chooses the destination of.
fn decided(port: &Port) -> Vec<String> {
    let Role::Outbound(outbound) = &port.role else {
        return Vec::new();
    };
    let gateways = outbound.gateways.iter();
    let gateways = gateways.map(|to| format!("{} (mesh {})", to.service, to.mesh));
    let outside = outbound.outside.iter().filter(|outside| !outside.is_alone);
    let outside = outside.flat_map(|outside| &outside.services);
    let outside = outside.map(|service| format!("{} (outside)", service.name));
    gateways.chain(outside).collect()
}

/// The name of a service: of Kuma's `<mesh>_<name>_<namespace>_<zone>_<kind>_<port>` (`pkg/core/kri` and
/// `ResolveServiceName` at 2.14.3) and of Istio's `outbound|<port>|<subset>|<host>` (`BuildSubsetKey` in
/// `pilot/pkg/model/push_context.go` at 1.32) the parts that a user wrote.
fn said(cluster: &str) -> String {
    if let ["outbound", port, subset, host] = *cluster.split('|').collect::<Vec<_>>() {
        let subset = match subset {
            "" => String::new(),
            subset => format!(" (subset {subset})"),
        };
        return format!("{host}:{port}{subset}");
    }
    let parts: Vec<_> = cluster.split('_').collect();
    let [_, name, _, zone, kind, _] = *parts else {
        return cluster.to_owned();
    };
    match (kind, zone) {
        ("extsvc", _) => format!("{name} (outside)"),
        ("msvc" | "mzsvc", "") => name.to_owned(),
        ("msvc" | "mzsvc", zone) => format!("{name} (zone {zone})"),
        _ => cluster.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_the_names_that_users_wrote() {
        for (cluster, service) in [
            ("backend", "backend"),
            ("backend_kuma-demo_svc_80", "backend_kuma-demo_svc_80"),
            ("default_api___extsvc_80", "api (outside)"),
            ("default_web___msvc_80", "web"),
            ("default_web_ns_east_msvc_80", "web (zone east)"),
            ("outbound|80||web.test", "web.test:80"),
            ("outbound|80|v1|web.test", "web.test:80 (subset v1)"),
        ] {
            assert_eq!(said(cluster), service);
        }
    }
}
