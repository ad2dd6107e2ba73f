//! Names: of hosts, gateways, namespaces, and the order of resources.

use std::cmp::Ordering;

use crate::resources::{Meta, Resource};

/// The domain of the cluster.
const DOMAIN: &str = "svc.cluster.local";

/// A host as the registry has it: a name without dots is one of a namespace (`ResolveShortnameToFQDN` in
/// `pkg/config/host` and `pilot/pkg/model`).
pub(super) fn full(host: &str, namespace: &str) -> String {
    if host.contains(['.', '*', ':']) || host.is_empty() {
        return host.to_owned();
    }
    format!("{host}.{namespace}.{DOMAIN}")
}

/// The names in the registry that a host may stand for: itself, and what the DNS of a cluster takes for one of its
/// services.
pub(super) fn candidates(host: &str, namespace: &str) -> Vec<String> {
    let mut names = vec![host.to_owned(), full(host, namespace)];
    if let Some((service, rest)) = host.split_once('.') {
        let namespace = rest.strip_suffix(".svc").unwrap_or(rest);
        if !namespace.contains('.') {
            names.push(full(service, namespace));
        }
    }
    names
}

/// The SNI by which Istio's proxies ask one another for a service (`BuildDNSSrvSubsetKey`).
pub(super) fn sni(host: &str, port: u16, subset: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// The namespace and name of a gateway that a VirtualService names (`resolveGatewayName`).
pub(super) fn gateway(text: &str, namespace: &str) -> (String, String) {
    match text.split_once('/') {
        Some((".", name)) => (namespace.to_owned(), name.to_owned()),
        Some((other, name)) => (other.to_owned(), name.to_owned()),
        None => match text.split_once('.') {
            Some((name, rest)) => {
                let other = rest.split('.').next().unwrap_or_default();
                (other.to_owned(), name.to_owned())
            }
            None => (namespace.to_owned(), text.to_owned()),
        },
    }
}

/// How a namespace may use what another one exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Visibility {
    /// It is its own, and nobody else's.
    Private,
    /// It is named.
    Exported,
    /// Everybody may.
    Public,
}

/// Whether a namespace may use a resource with this `exportTo` of namespace `owner`.
pub(super) fn visibility(export_to: &[String], owner: &str, user: &str) -> Option<Visibility> {
    if export_to.is_empty() || export_to.iter().any(|to| to == "*") {
        return Some(Visibility::Public);
    }
    let names = |to: &String| to == user || (to == "." && owner == user);
    if !export_to.iter().any(names) {
        return None;
    }
    let only_own = export_to.iter().all(|to| to == "." || to == owner);
    Some(if only_own {
        Visibility::Private
    } else {
        Visibility::Exported
    })
}

/// Istio's order of resources: the older first, then by name, then by namespace (`sortConfigByCreationTime`). What has
/// no time comes first, and all hand-written resources have none.
pub(super) fn order<T>(a: &Resource<T>, b: &Resource<T>) -> Ordering {
    key(&a.meta).cmp(&key(&b.meta))
}

fn key(meta: &Meta) -> (&str, &str, &str) {
    let created = meta.created.as_deref().unwrap_or_default();
    (created, &meta.name, meta.namespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_dots_are_of_the_namespace() {
        for (host, name) in [
            ("reviews", "reviews.ns.svc.cluster.local"),
            ("reviews.prod", "reviews.prod"),
            ("*", "*"),
            ("*.com", "*.com"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(full(host, "ns"), name);
        }
    }

    #[test]
    fn hosts_of_a_cluster_may_be_short() {
        let keys = "keys.auth.svc.cluster.local";
        for (host, is_found) in [
            (keys, true),
            ("keys", true),
            ("keys.auth", true),
            ("keys.auth.svc", true),
            ("keys.other", false),
            ("keys.auth.com.example", false),
        ] {
            let found = candidates(host, "auth").iter().any(|name| name == keys);
            assert_eq!(found, is_found, "{host}");
        }
    }

    #[test]
    fn gateways_have_namespaces() {
        for (text, namespace, name) in [
            ("gw", "ns", "gw"),
            ("other/gw", "other", "gw"),
            ("./gw", "ns", "gw"),
            ("gw.other.svc.cluster.local", "other", "gw"),
        ] {
            let expected = (namespace.to_owned(), name.to_owned());
            assert_eq!(gateway(text, "ns"), expected, "{text}");
        }
    }

    #[test]
    fn exports_name_namespaces() {
        let to = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        for (export_to, user, expected) in [
            (to(&[]), "a", Some(Visibility::Public)),
            (to(&["*"]), "a", Some(Visibility::Public)),
            (to(&["."]), "own", Some(Visibility::Private)),
            (to(&["."]), "a", None),
            (to(&[".", "a"]), "a", Some(Visibility::Exported)),
            (to(&["a"]), "own", None),
        ] {
            assert_eq!(
                visibility(&export_to, "own", user),
                expected,
                "{export_to:?}"
            );
        }
    }
}
