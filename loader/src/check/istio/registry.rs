//! The services that routes can name.

use std::collections::{BTreeMap, HashMap};

use policy::istio::subset_of;

use crate::resources::Resources;

/// A service by one of its names.
pub(super) struct Service<'r> {
    /// The whole name, which may begin with `*`.
    pub(super) host: String,
    pub(super) namespace: &'r str,
    pub(super) ports: Vec<u32>,
    /// The labels of its endpoints, as far as it says them itself.
    pub(super) endpoints: Vec<&'r BTreeMap<String, String>>,
    export_to: Vec<&'r str>,
}

impl Service<'_> {
    /// Whether resources of one of these namespaces may name it.
    fn is_visible(&self, users: &[&str]) -> bool {
        let mut users = users.iter();
        users.any(|user| is_exported(&self.export_to, self.namespace, user))
    }
}

/// The namespaces that look for what a resource of the namespace `own` names: those that it is exported to.
pub(super) fn users<'n>(export_to: &'n [String], own: &'n str) -> Vec<&'n str> {
    let named = export_to.iter().map(String::as_str);
    let all: Vec<_> = named
        .map(|to| if matches!(to, "." | "*") { own } else { to })
        .collect();
    if all.is_empty() { vec![own] } else { all }
}

/// Whether something of the namespace `own` is for resources of another namespace.
pub(super) fn is_exported(export_to: &[&str], own: &str, namespace: &str) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|to| match *to {
            "*" => true,
            "." => own == namespace,
            name => name == namespace,
        })
}

/// `ResolveShortnameToFQDN`: a name without dots is one of the namespace.
pub(super) fn full(host: &str, namespace: &str) -> String {
    if host.contains('.') || host.starts_with('*') {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

/// All services of the input.
pub(super) struct Registry<'r> {
    all: Vec<Service<'r>>,
    /// The places of those with a name, and of those whose name stands for several.
    by_host: HashMap<String, Vec<usize>>,
    wildcards: Vec<usize>,
}

impl<'r> Registry<'r> {
    pub(super) fn new(resources: &'r Resources) -> Self {
        let mut all = Vec::new();
        for service in &resources.kubernetes.services {
            let annotation = service.meta.annotations.get("networking.istio.io/exportTo");
            let export_to = annotation.map(|list| list.split(',').map(str::trim).collect());
            all.push(Service {
                host: full(&service.meta.name, service.meta.namespace()),
                namespace: service.meta.namespace(),
                ports: service.spec.ports.iter().map(|port| port.port).collect(),
                endpoints: Vec::new(),
                export_to: export_to.unwrap_or_default(),
            });
        }
        for entry in &resources.istio.service_entries {
            for host in &entry.spec.hosts {
                all.push(Service {
                    host: full(host, entry.meta.namespace()),
                    namespace: entry.meta.namespace(),
                    ports: entry.spec.ports.iter().map(|port| port.number).collect(),
                    endpoints: entry.spec.endpoints.iter().map(|one| &one.labels).collect(),
                    export_to: entry.spec.export_to.iter().map(String::as_str).collect(),
                });
            }
        }
        let mut by_host: HashMap<_, Vec<_>> = HashMap::new();
        let mut wildcards = Vec::new();
        for (place, service) in all.iter().enumerate() {
            by_host.entry(service.host.clone()).or_default().push(place);
            if service.host.starts_with('*') {
                wildcards.push(place);
            }
        }
        Self {
            all,
            by_host,
            wildcards,
        }
    }

    /// The services that resources of one of these namespaces may name, their own ones first.
    pub(super) fn visible(&self, users: &[&str]) -> Vec<&Service<'r>> {
        own_first(self.all.iter(), users)
    }

    /// The service with this whole name, as namespaces see it; names before wildcards.
    pub(super) fn find(&self, host: &str, users: &[&str]) -> Option<&Service<'r>> {
        let first = |places: &[usize]| {
            let services = places.iter().filter_map(|place| self.all.get(*place));
            let holding = services.filter(|service| subset_of(host, &service.host));
            own_first(holding, users).into_iter().next()
        };
        let named = self.by_host.get(host).and_then(|places| first(places));
        named.or_else(|| first(&self.wildcards))
    }
}

fn own_first<'s, 'r>(
    services: impl Iterator<Item = &'s Service<'r>>,
    users: &[&str],
) -> Vec<&'s Service<'r>> {
    let visible = services.filter(|service| service.is_visible(users));
    let (mut own, others): (Vec<_>, Vec<_>) =
        visible.partition(|service| users.contains(&service.namespace));
    own.extend(others);
    own
}
