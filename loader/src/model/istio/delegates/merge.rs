//! One match or route out of those of a root and of its delegate (`pilot/pkg/model/virtualservice.go` at 1.32).

use std::collections::BTreeMap;

use super::{Entry, Match};
use crate::model::istio::names;
use crate::resources::istio::http_route::{HttpMatch, HttpRoute, StringMatch};

/// The match with the namespaces of its gateways, so that it means the same in other places.
pub(super) fn in_full<'a>(own: &Match<'a>) -> Match<'a> {
    let mut full = own.clone();
    if !own.matched.gateways.is_empty() {
        let namespace = own.service.meta.namespace();
        for gateway in &mut full.matched.to_mut().gateways {
            if gateway != "mesh" {
                let (namespace, name) = names::gateway(gateway, namespace);
                *gateway = format!("{namespace}/{name}");
            }
        }
    }
    full
}

/// What the delegate says, and where it says nothing what the root does.
pub(super) fn route(root: &Entry<'_>, sub: &Entry<'_>) -> HttpRoute {
    let (outer, inner) = (&*root.route, sub.route.clone().into_owned());
    let namespace = root.service.meta.namespace();
    let mut mirror = outer.mirror.clone();
    let mut mirrors = outer.mirrors.clone();
    let copies = mirrors
        .iter_mut()
        .filter_map(|own| own.destination.as_mut());
    for to in mirror.iter_mut().chain(copies) {
        to.host = names::full(&to.host, namespace);
    }
    HttpRoute {
        name: joined(&outer.name, &inner.name),
        rewrite: inner.rewrite.or_else(|| outer.rewrite.clone()),
        direct_response: inner
            .direct_response
            .or_else(|| outer.direct_response.clone()),
        timeout: inner.timeout.or_else(|| outer.timeout.clone()),
        retries: inner.retries.or_else(|| outer.retries.clone()),
        fault: inner.fault.or_else(|| outer.fault.clone()),
        mirror: inner.mirror.or(mirror),
        mirror_percent: inner.mirror_percent.or(outer.mirror_percent),
        mirror_percentage: inner.mirror_percentage.or(outer.mirror_percentage),
        mirrors: if inner.mirrors.is_empty() {
            mirrors
        } else {
            inner.mirrors
        },
        cors_policy: inner.cors_policy.or_else(|| outer.cors_policy.clone()),
        headers: inner.headers.or_else(|| outer.headers.clone()),
        ..inner
    }
}

fn joined(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        (outer, "") => outer.to_owned(),
        ("", inner) => inner.to_owned(),
        (outer, inner) => format!("{outer}-{inner}"),
    }
}

/// What both matches ask for (`mergeHTTPMatchRequest`); of one key what the delegate says.
pub(super) fn matched(root: &HttpMatch, leaf: &HttpMatch) -> HttpMatch {
    HttpMatch {
        name: joined(&root.name, &leaf.name),
        uri: leaf.uri.clone().or_else(|| root.uri.clone()),
        scheme: leaf.scheme.clone().or_else(|| root.scheme.clone()),
        method: leaf.method.clone().or_else(|| root.method.clone()),
        authority: leaf.authority.clone().or_else(|| root.authority.clone()),
        headers: together(&root.headers, &leaf.headers),
        port: if leaf.port == 0 { root.port } else { leaf.port },
        source_labels: together(&root.source_labels, &leaf.source_labels),
        gateways: either(&leaf.gateways, &root.gateways),
        query_params: together(&root.query_params, &leaf.query_params),
        ignore_uri_case: leaf.ignore_uri_case,
        without_headers: together(&root.without_headers, &leaf.without_headers),
        source_namespace: either(&leaf.source_namespace, &root.source_namespace),
        stat_prefix: either(&leaf.stat_prefix, &root.stat_prefix),
    }
}

fn together<T: Clone>(
    root: &BTreeMap<String, T>,
    leaf: &BTreeMap<String, T>,
) -> BTreeMap<String, T> {
    root.clone().into_iter().chain(leaf.clone()).collect()
}

/// The first one that has anything.
fn either<T: Clone + Default + PartialEq>(first: &T, other: &T) -> T {
    if *first == T::default() {
        other.clone()
    } else {
        first.clone()
    }
}

/// The field of a root's match that leaves no room for the delegate's (`hasConflict`).
pub(super) fn conflict(root: &HttpMatch, leaf: &HttpMatch) -> Option<&'static str> {
    let single = [
        ("uri", &root.uri, &leaf.uri),
        ("scheme", &root.scheme, &leaf.scheme),
        ("method", &root.method, &leaf.method),
        ("authority", &root.authority, &leaf.authority),
    ];
    let keyed = [
        ("headers", &root.headers, &leaf.headers),
        (
            "withoutHeaders",
            &root.without_headers,
            &leaf.without_headers,
        ),
        ("queryParams", &root.query_params, &leaf.query_params),
    ];
    let mut singles = single.into_iter();
    let single = singles.find(|(_, root, leaf)| exclude(root.as_ref(), leaf.as_ref()));
    if let Some((field, ..)) = single {
        return Some(field);
    }
    let mut maps = keyed.into_iter();
    let keyed = maps.find(|(_, root, leaf)| {
        let mut leaves = leaf.iter();
        leaves.any(|(key, leaf)| exclude(root.get(key), Some(leaf)))
    });
    if let Some((field, ..)) = keyed {
        return Some(field);
    }
    let other_namespace =
        !root.source_namespace.is_empty() && root.source_namespace != leaf.source_namespace;
    let other_labels = leaf.source_labels.iter().any(|(name, value)| {
        let own = root.source_labels.get(name);
        own.is_some_and(|own| own != value)
    });
    let more_gateways = !root.gateways.is_empty()
        && leaf
            .gateways
            .iter()
            .any(|gateway| !root.gateways.contains(gateway));
    let others = [
        (
            "ignoreUriCase",
            root.ignore_uri_case != leaf.ignore_uri_case,
        ),
        (
            "port",
            root.port != 0 && leaf.port != 0 && root.port != leaf.port,
        ),
        ("sourceNamespace", other_namespace),
        ("sourceLabels", other_labels),
        ("gateways", more_gateways),
    ];
    let mut others = others.into_iter();
    let (field, _) = others.find(|(_, conflicts)| *conflicts)?;
    Some(field)
}

/// Whether the delegate's text is not known to be one of the root's (`stringMatchConflict`).
fn exclude(root: Option<&StringMatch>, leaf: Option<&StringMatch>) -> bool {
    let (Some(root), Some(leaf)) = (root, leaf) else {
        return false;
    };
    let (root, leaf) = (Text::of(root), Text::of(leaf));
    match (root, leaf) {
        (Text::Exact(root), Text::Exact(leaf)) => root != leaf,
        (Text::Prefix(root), Text::Exact(leaf) | Text::Prefix(leaf)) => !leaf.starts_with(root),
        _ => true,
    }
}

/// What a match of a text says; empty ones say nothing.
enum Text<'m> {
    Exact(&'m str),
    Prefix(&'m str),
    Other,
}

impl<'m> Text<'m> {
    fn of(text: &'m StringMatch) -> Self {
        let some = |text: &'m Option<String>| text.as_deref().filter(|text| !text.is_empty());
        match (some(&text.exact), some(&text.prefix)) {
            (Some(exact), _) => Self::Exact(exact),
            (None, Some(prefix)) => Self::Prefix(prefix),
            (None, None) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> HttpMatch {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    #[rustfmt::skip] // One row, one line.
    fn a_delegate_stays_within_its_root() {
        for (root, leaf, expected) in [
            (json!({}), json!({}), None),
            (json!({"uri": {"prefix": "/a"}}), json!({}), None),
            (json!({"uri": {"prefix": "/a"}}), json!({"uri": {"prefix": "/a/b"}}), None),
            (json!({"uri": {"prefix": "/a"}}), json!({"uri": {"exact": "/a/b"}}), None),
            (json!({"uri": {"prefix": "/a/b"}}), json!({"uri": {"prefix": "/a"}}), Some("uri")),
            (json!({"uri": {"exact": "/a"}}), json!({"uri": {"exact": "/a"}}), None),
            (json!({"uri": {"exact": "/a"}}), json!({"uri": {"exact": "/b"}}), Some("uri")),
            (json!({"uri": {"exact": "/a"}}), json!({"uri": {"prefix": "/a"}}), Some("uri")),
            (json!({"uri": {"regex": "/a"}}), json!({"uri": {"regex": "/a"}}), Some("uri")),
            (json!({"uri": {"regex": "/a"}}), json!({"uri": {"exact": "/a"}}), Some("uri")),
            (json!({"uri": {"prefix": "/a"}}), json!({"uri": {"regex": "/a"}}), Some("uri")),
            (json!({"uri": {"regex": "/a"}}), json!({"method": {"exact": "GET"}}), None),
            (json!({"method": {"exact": "GET"}}), json!({"method": {"exact": "POST"}}), Some("method")),
            (json!({"headers": {"a": {}}}), json!({"headers": {"b": {"exact": "x"}}}), None),
            (json!({"headers": {"a": {"exact": "x"}}}), json!({"headers": {"a": {"exact": "x"}}}), None),
            (json!({"headers": {"a": {}}}), json!({"headers": {"a": {"exact": "x"}}}), Some("headers")),
            (json!({"withoutHeaders": {"a": {"exact": "x"}}}), json!({"withoutHeaders": {"a": {"exact": "y"}}}), Some("withoutHeaders")),
            (json!({"queryParams": {"a": {"prefix": "x"}}}), json!({"queryParams": {"a": {"exact": "y"}}}), Some("queryParams")),
            (json!({"ignoreUriCase": true}), json!({}), Some("ignoreUriCase")),
            (json!({"port": 80}), json!({}), None),
            (json!({"port": 80}), json!({"port": 81}), Some("port")),
            (json!({"sourceNamespace": "a"}), json!({}), Some("sourceNamespace")),
            (json!({"sourceNamespace": "a"}), json!({"sourceNamespace": "a"}), None),
            (json!({"sourceLabels": {"a": "b"}}), json!({"sourceLabels": {"c": "d"}}), None),
            (json!({"sourceLabels": {"a": "b"}}), json!({"sourceLabels": {"a": "c"}}), Some("sourceLabels")),
            (json!({"gateways": ["n/a"]}), json!({}), None),
            (json!({"gateways": ["n/a", "n/b"]}), json!({"gateways": ["n/b"]}), None),
            (json!({"gateways": ["n/a"]}), json!({"gateways": ["n/b"]}), Some("gateways")),
        ] {
            assert_eq!(conflict(&read(&root), &read(&leaf)), expected, "{root} {leaf}");
        }
    }

    #[test]
    #[rustfmt::skip] // One row, one line.
    fn of_one_key_the_delegate_says_what_is_meant() {
        for (root, leaf, expected) in [
            (json!({"uri": {"prefix": "/a"}}), json!({}), json!({"uri": {"prefix": "/a"}})),
            (json!({"uri": {"prefix": "/a"}}), json!({"uri": {"exact": "/a/b"}}), json!({"uri": {"exact": "/a/b"}})),
            (json!({"name": "r"}), json!({"name": "l"}), json!({"name": "r-l"})),
            (json!({"port": 80, "headers": {"a": {"exact": "x"}}}), json!({"headers": {"b": {"exact": "y"}}}), json!({"port": 80, "headers": {"a": {"exact": "x"}, "b": {"exact": "y"}}})),
            (json!({"gateways": ["n/a", "n/b"]}), json!({"gateways": ["n/b"]}), json!({"gateways": ["n/b"]})),
        ] {
            assert_eq!(matched(&read(&root), &read(&leaf)), read(&expected), "{root} {leaf}");
        }
    }
}
