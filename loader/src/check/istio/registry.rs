//! The services that routes can name.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use policy::istio::subset_of;

use crate::model::istio::host_index::HostIndex;
use crate::resources::istio::service_entry::ServiceEntry;
use crate::resources::{Resource, Resources};

/// A service by one of its names.
pub(super) struct Service<'r> {
    /// The whole name, which may begin with `*`.
    pub(super) host: String,
    pub(super) namespace: &'r str,
    pub(super) ports: Vec<u32>,
    /// Where it is written with its endpoints.
    pub(super) entry: Option<&'r Resource<ServiceEntry>>,
    export_to: Vec<&'r str>,
}

/// The namespaces that look for what a resource of the namespace `own` names: those that it is exported to.
pub(super) fn users<'n>(export_to: &'n [String], own: &'n str) -> Vec<&'n str> {
    let named = export_to.iter().map(String::as_str);
    let all: Vec<_> = named
        .map(|to| if matches!(to, "." | "*") { own } else { to })
        .collect();
    if all.is_empty() { vec![own] } else { all }
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
    /// Those with a name, and those whose name stands for several by what is behind its `*`.
    by_host: HashMap<String, Places<'r>>,
    by_end: HashMap<String, Places<'r>>,
    /// What wildcards hold, each once.
    index: HostIndex,
    held: RefCell<HashMap<String, Rc<Places<'r>>>>,
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
                entry: None,
                export_to: export_to.unwrap_or_default(),
            });
        }
        for entry in &resources.istio.service_entries {
            for host in &entry.spec.hosts {
                all.push(Service {
                    host: full(host, entry.meta.namespace()),
                    namespace: entry.meta.namespace(),
                    ports: entry.spec.ports.iter().map(|port| port.number).collect(),
                    entry: Some(entry),
                    export_to: entry.spec.export_to.iter().map(String::as_str).collect(),
                });
            }
        }
        let mut by_host: HashMap<_, Places<'r>> = HashMap::new();
        let mut by_end: HashMap<_, Places<'r>> = HashMap::new();
        let mut index = HostIndex::default();
        for (place, service) in all.iter().enumerate() {
            index.add(&service.host, place);
            let known = by_host.entry(service.host.clone()).or_default();
            known.add(place, service);
            if let Some(end) = service.host.strip_prefix('*') {
                by_end
                    .entry(end.to_owned())
                    .or_default()
                    .add(place, service);
            }
        }
        Self {
            all,
            by_host,
            by_end,
            index,
            held: RefCell::default(),
        }
    }

    /// The service with this whole name, as namespaces see it; names before wildcards.
    pub(super) fn find(&self, host: &str, users: &[&str]) -> Option<&Service<'r>> {
        let named = self.by_host.get(host);
        let place = first(named, users).or_else(|| {
            let end = host.strip_prefix('*').unwrap_or(host);
            let ends = end.char_indices().map(|(at, _)| at).chain([end.len()]);
            let around = ends.filter_map(|at| self.by_end.get(end.get(at..)?));
            first(around, users)
        });
        self.all.get(place?)
    }

    /// The first service that a wildcard holds, as namespaces see it.
    pub(super) fn held_by(&self, host: &str, users: &[&str]) -> Option<&Service<'r>> {
        let mut held = self.held.borrow_mut();
        if !held.contains_key(host) {
            let mut places = Places::default();
            for place in self.index.meeting(host) {
                let service = self.all.get(place);
                if let Some(service) = service.filter(|own| subset_of(&own.host, host)) {
                    places.add(place, service);
                }
            }
            held.insert(host.to_owned(), Rc::new(places));
        }
        let place = first(held.get(host).map(Rc::as_ref), users)?;
        self.all.get(place)
    }
}

/// Services by who may name them: of each the first.
#[derive(Default)]
struct Places<'r> {
    public: First<'r>,
    exported: HashMap<&'r str, First<'r>>,
}

/// The first of several services, and of each namespace its own first one.
#[derive(Default)]
struct First<'r> {
    of_all: Option<usize>,
    by_owner: HashMap<&'r str, usize>,
}

impl<'r> Places<'r> {
    /// Places are added in rising order.
    fn add(&mut self, place: usize, service: &Service<'r>) {
        let (own, export_to) = (service.namespace, &service.export_to);
        let add = |known: &mut First<'r>| {
            known.of_all.get_or_insert(place);
            known.by_owner.entry(own).or_insert(place);
        };
        if export_to.is_empty() || export_to.contains(&"*") {
            return add(&mut self.public);
        }
        for to in export_to {
            let user = if *to == "." { own } else { to };
            add(self.exported.entry(user).or_default());
        }
    }
}

/// The first service among lists that resources of these namespaces may name, their own ones before all others.
fn first<'p, 'r: 'p>(
    lists: impl IntoIterator<Item = &'p Places<'r>>,
    users: &[&str],
) -> Option<usize> {
    let (mut own, mut any) = (None, None);
    let earlier = |known: Option<usize>, place: Option<usize>| match (known, place) {
        (Some(known), Some(place)) => Some(known.min(place)),
        (known, place) => known.or(place),
    };
    for list in lists {
        let exported = users.iter().filter_map(|user| list.exported.get(user));
        for visible in exported.chain([&list.public]) {
            any = earlier(any, visible.of_all);
            for user in users {
                own = earlier(own, visible.by_owner.get(user).copied());
            }
        }
    }
    own.or(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether something of the namespace `own` is for resources of another namespace.
    fn is_exported(export_to: &[&str], own: &str, namespace: &str) -> bool {
        export_to.is_empty()
            || export_to.iter().any(|to| match *to {
                "*" => true,
                "." => own == namespace,
                name => name == namespace,
            })
    }

    #[test]
    fn a_namespace_names_its_own_services_before_those_of_others() {
        let lists: [&[&str]; 5] = [&[], &["*"], &["."], &["a"], &["b", "."]];
        let users: [&[&str]; 4] = [&["a"], &["b"], &["c"], &["c", "a"]];
        for one in lists {
            for other in lists {
                let service = |namespace, export_to: &[&'static str]| Service {
                    host: String::new(),
                    namespace,
                    ports: Vec::new(),
                    entry: None,
                    export_to: export_to.to_vec(),
                };
                let all = [service("b", one), service("a", other), service("b", &["a"])];
                let mut places = Places::default();
                for (place, service) in all.iter().enumerate() {
                    places.add(place, service);
                }
                for users in users {
                    let visible = all.iter().enumerate().filter(|(_, own)| {
                        let mut users = users.iter();
                        users.any(|user| is_exported(&own.export_to, own.namespace, user))
                    });
                    let keys = visible.map(|(at, own)| (!users.contains(&own.namespace), at));
                    let expected = keys.min().map(|(_, at)| at);
                    assert_eq!(first([&places], users), expected, "{users:?}");
                }
            }
        }
    }
}
