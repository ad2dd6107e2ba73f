//! The services that routes can name.

use policy::istio::subset_of;

use crate::resources::Resources;

/// A service by one of its names.
pub(super) struct Service<'r> {
    /// The whole name, which may begin with `*`.
    pub(super) host: String,
    pub(super) namespace: &'r str,
    pub(super) ports: Vec<u32>,
    export_to: Vec<&'r str>,
}

impl Service<'_> {
    /// Whether resources of a namespace may name it.
    fn is_visible(&self, namespace: &str) -> bool {
        is_exported(&self.export_to, self.namespace, namespace)
    }
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
pub(super) struct Registry<'r>(Vec<Service<'r>>);

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
                export_to: export_to.unwrap_or_default(),
            });
        }
        for entry in &resources.istio.service_entries {
            for host in &entry.spec.hosts {
                all.push(Service {
                    host: full(host, entry.meta.namespace()),
                    namespace: entry.meta.namespace(),
                    ports: entry.spec.ports.iter().map(|port| port.number).collect(),
                    export_to: entry.spec.export_to.iter().map(String::as_str).collect(),
                });
            }
        }
        Self(all)
    }

    /// The service with this whole name, as a namespace sees it: its own one first, and names before wildcards.
    pub(super) fn find(&self, host: &str, namespace: &str) -> Option<&Service<'r>> {
        let visible = || {
            self.0
                .iter()
                .filter(|service| service.is_visible(namespace))
        };
        let named = || visible().filter(|service| service.host == host);
        let own = named().find(|service| service.namespace == namespace);
        own.or_else(|| named().next())
            .or_else(|| visible().find(|service| subset_of(host, &service.host)))
    }
}
