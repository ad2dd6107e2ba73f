//! The host names of Istio's gateways, and how they meet those of virtual services.
//!
//! The rules are those of `pkg/config/host` and `pilot/pkg/model/gateway.go` at Istio 1.32, which works on the texts as
//! they are written. Where they differ from Kuma's, which [`HostPattern`](crate::HostPattern) has:
//!
//! | | Istio | Kuma (`pkg/plugins/runtime/gateway/match/hostnames.go` at 2.14.3) |
//! |---|---|---|
//! | case of letters | counts: `Example.org` and `example.org` have nothing in common | does not count |
//! | `*` in the first label | any end of a name: `*foo.com` holds `foo.com` and `barfoo.com` | `*.` only |
//! | no host | is a mistake | `*` |
//! | order of wildcards | the longer text first | the one with more labels first |
//! | who may bind | `namespace/host` on the gateway | the mesh of the route |
//! | several hosts | a list on each side; every pair meets | one host on the gateway, a list on the route |
//!
//! Both agree that `*.foo.com` holds `a.b.foo.com` and not `foo.com`, and that of two patterns one holds the other or
//! they have nothing in common.

use core::cmp::{Ordering, Reverse};

/// The end that the names of a wildcard have: `.com` for `*.com`; nothing for a name without `*` at its beginning.
fn end(host: &str) -> Option<&str> {
    host.strip_prefix('*')
}

/// Whether one of two hosts holds the other (`Name.Matches`).
pub fn matches(a: &str, b: &str) -> bool {
    subset_of(a, b) || subset_of(b, a)
}

/// Whether `outer` holds all that `inner` holds (`Name.SubsetOf`).
pub fn subset_of(inner: &str, outer: &str) -> bool {
    match (end(inner), end(outer)) {
        (Some(inner), Some(outer)) => inner.ends_with(outer),
        (Some(_), None) => false,
        (None, Some(outer)) => inner.ends_with(outer),
        (None, None) => inner == outer,
    }
}

/// The hosts that both lists hold, each once, in the order of `servers` (`Names.Intersection`).
///
/// Of each pair it is the narrower one; that is what a virtual host is made for.
pub fn intersection<'a>(servers: &[&'a str], others: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for server in servers {
        for other in others {
            let narrower = if subset_of(server, other) {
                *server
            } else if subset_of(other, server) {
                *other
            } else {
                continue;
            };
            if !found.contains(&narrower) {
                found.push(narrower);
            }
        }
    }
    found
}

/// Whether `a` comes before `b` (`MoreSpecific`). Two empty hosts come before each other.
pub fn more_specific(a: &str, b: &str) -> bool {
    (a.is_empty() && b.is_empty()) || specificity_order(a, b) == Ordering::Less
}

/// Names before wildcards, longer ones before shorter ones, then by the alphabet.
pub fn specificity_order(a: &str, b: &str) -> Ordering {
    let key = |host: &str| (end(host).is_some(), Reverse(host.len()));
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// A host of a server of a `Gateway`: `host`, `namespace/host`, `*/host` or `./host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerHost<'a> {
    /// The only namespace whose virtual services may bind to it; any if absent.
    pub namespace: Option<&'a str>,
    /// The name, which may begin with `*`.
    pub host: &'a str,
}

impl<'a> ServerHost<'a> {
    /// Takes a host of a gateway in `namespace` apart (`sanitizeServerHostNamespace`).
    ///
    /// Unlike there, `*/*` stands for itself: Istio makes the whole list `*` for it, and may end its process.
    pub fn parse(text: &'a str, namespace: &'a str) -> Self {
        match text.split_once('/') {
            None | Some(("*", _)) => Self {
                namespace: None,
                host: text.split_once('/').map_or(text, |(_, host)| host),
            },
            Some((".", host)) => Self {
                namespace: Some(namespace),
                host,
            },
            Some((other, host)) => Self {
                namespace: Some(other),
                host,
            },
        }
    }

    /// Whether virtual services of a namespace may bind to it.
    pub fn admits(&self, namespace: &str) -> bool {
        self.namespace.is_none_or(|only| only == namespace)
    }
}

/// The names among `hosts` that are for a namespace (`NamesForNamespace`).
pub fn names_for_namespace<'a>(hosts: &[ServerHost<'a>], namespace: &str) -> Vec<&'a str> {
    let admitted = hosts.iter().filter(|host| host.admits(namespace));
    admitted.map(|host| host.host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment_is_that_of_istio() {
        // inner, outer, whether outer holds inner, whether inner holds outer
        for (inner, outer, held, holds) in [
            ("foo.com", "foo.com", true, true),
            ("foo.com", "Foo.com", false, false),
            ("foo.com", "bar.com", false, false),
            ("foo.com", "*.com", true, false),
            ("foo.com", "*.foo.com", false, false),
            ("a.b.foo.com", "*.foo.com", true, false),
            ("*.foo.com", "*.com", true, false),
            ("*.foo.com", "*", true, false),
            ("*", "*", true, true),
            ("", "*", true, false),
            ("", "foo.com", false, false),
            ("barfoo.com", "*foo.com", true, false),
            ("*.foo.bar.baz", "baz", false, false),
        ] {
            assert_eq!(subset_of(inner, outer), held, "{inner} in {outer}");
            assert_eq!(subset_of(outer, inner), holds, "{outer} in {inner}");
            assert_eq!(matches(inner, outer), held || holds, "{inner}, {outer}");
            assert_eq!(matches(outer, inner), held || holds, "{outer}, {inner}");
        }
    }

    #[test]
    fn of_each_pair_the_narrower_host_is_left() {
        let rows: [(&[&str], &[&str], &[&str]); 7] = [
            (&["foo.com", "bar.com"], &["*.com"], &["foo.com", "bar.com"]),
            (&["*.com"], &["foo.com", "bar.com"], &["foo.com", "bar.com"]),
            (
                &["foo.com", "*.net"],
                &["*.com", "bar.net"],
                &["foo.com", "bar.net"],
            ),
            (&["*.net"], &["*.bar.net"], &["*.bar.net"]),
            (&["*", "foo.com"], &["foo.com"], &["foo.com"]),
            (&["foo.com"], &["Foo.com"], &[]),
            (&[], &["foo.com"], &[]),
        ];
        for (servers, others, both) in rows {
            assert_eq!(intersection(servers, others), both);
        }
    }

    #[test]
    fn names_come_before_wildcards_and_longer_before_shorter() {
        let mut hosts = [
            "foo.com",
            "bar.com",
            "*.com",
            "*.foo.com",
            "*",
            "baz.bar.com",
        ];
        hosts.sort_by(|a, b| specificity_order(a, b));
        let sorted = [
            "baz.bar.com",
            "bar.com",
            "foo.com",
            "*.foo.com",
            "*.com",
            "*",
        ];
        assert_eq!(hosts, sorted);
        assert!(hosts.windows(2).all(|pair| more_specific(pair[0], pair[1])));
        assert!(more_specific("*.example.co.in", "*.example.com"));
        assert!(!more_specific("a", "a"));
        assert!(more_specific("", ""));
    }

    #[test]
    fn namespaces_stand_before_hosts() {
        for (text, namespace, host) in [
            ("foo.com", None, "foo.com"),
            ("*/foo.com", None, "foo.com"),
            ("./foo.com", Some("own"), "foo.com"),
            ("ns1/*.foo.com", Some("ns1"), "*.foo.com"),
            ("ns1/*", Some("ns1"), "*"),
            ("*/*", None, "*"),
            ("*", None, "*"),
        ] {
            let expected = ServerHost { namespace, host };
            assert_eq!(ServerHost::parse(text, "own"), expected, "{text}");
        }
        let hosts = ["ns1/foo.com", "*/bar.com", "baz.com", "./own.com"];
        let hosts = hosts.map(|text| ServerHost::parse(text, "own"));
        assert_eq!(
            names_for_namespace(&hosts, "ns1"),
            ["foo.com", "bar.com", "baz.com"]
        );
        assert_eq!(
            names_for_namespace(&hosts, "own"),
            ["bar.com", "baz.com", "own.com"]
        );
    }
}
