//! Which requests an entry of a VirtualService takes.

use crate::model::policy::HeaderValue;
use crate::model::{ClaimMatch, HeaderMatch, HeaderTest, PathMatch, QueryMatch, QueryTest, Route};
use crate::resources::istio::claim;
use crate::resources::istio::http_route::{HttpMatch, StringMatch};

use super::bindings::lists;
use super::delegates::Match;
use super::servers::GatewayServer;
use super::workload::Workload;

/// Whether a match is for this server and workload at all; that is decided here, and not for each request.
pub(super) fn serves(own: &Match<'_>, server: &GatewayServer<'_>, workload: &Workload) -> bool {
    let matched = &own.matched;
    if matched.port != 0 && matched.port != u32::from(server.number) {
        return false;
    }
    // Where gateways are listed Istio looks at nothing else.
    if !matched.gateways.is_empty() {
        return lists(&matched.gateways, own.service.meta.namespace(), server);
    }
    let namespace = &matched.source_namespace;
    workload.is_selected_by(&matched.source_labels)
        && (namespace.is_empty() || *namespace == workload.namespace)
}

/// Narrows a route to the requests of a match.
pub(super) fn narrow(route: &mut Route, matched: &HttpMatch) {
    if let Some(uri) = &matched.uri {
        route.path = path(uri);
        let is_regex = matches!(route.path, PathMatch::Regex(_));
        route.ignores_path_case = matched.ignore_uri_case && !is_regex;
    }
    let headers = matched.headers.iter();
    let headers = headers.map(|(name, value)| (name, test(value)));
    let without = matched.without_headers.iter();
    let without = without.map(|(name, value)| (name, HeaderTest::Not(Box::new(test(value)))));
    for (name, test) in headers.chain(without) {
        match claim(name) {
            Some(way) => route.claims.push(ClaimMatch { way, test }),
            None => route.headers.push(header(name, test)),
        }
    }
    let special = [
        (":method", &matched.method),
        (":authority", &matched.authority),
        (":scheme", &matched.scheme),
    ];
    for (name, value) in special {
        let value = value.iter();
        let tests = value.map(|value| header(name, test(value)));
        route.headers.extend(tests);
    }
    for (name, value) in &matched.query_params {
        route.query.push(QueryMatch {
            name: name.clone(),
            test: query(value),
        });
    }
}

/// Whether a route takes every request (`IsCatchAllRoute` in `pilot/pkg/networking/core/route/route.go`).
pub(super) fn takes_all(route: &Route) -> bool {
    let every_path = match &route.path {
        PathMatch::Prefix(prefix) => prefix == "/",
        PathMatch::Regex(regex) => regex == ".*",
        PathMatch::Exact(_) => false,
    };
    every_path && route.headers.is_empty() && route.query.is_empty() && route.claims.is_empty()
}

fn path(uri: &StringMatch) -> PathMatch {
    match (&uri.exact, &uri.prefix, &uri.regex) {
        (Some(exact), _, _) => PathMatch::Exact(exact.clone()),
        (_, Some(prefix), _) => PathMatch::Prefix(prefix.clone()),
        (_, _, Some(regex)) => PathMatch::Regex(regex.clone()),
        (None, None, None) => PathMatch::Prefix("/".to_owned()),
    }
}

fn header(name: &str, test: HeaderTest) -> HeaderMatch {
    HeaderMatch {
        name: name.to_owned(),
        test,
    }
}

fn test(value: &StringMatch) -> HeaderTest {
    match (&value.exact, &value.prefix, &value.regex) {
        (Some(exact), _, _) => HeaderTest::Exact(exact.clone()),
        (_, Some(prefix), _) => HeaderTest::Prefix(prefix.clone()),
        (_, _, Some(regex)) if regex == "*" => HeaderTest::Present,
        (_, _, Some(regex)) => HeaderTest::Regex(regex.clone()),
        (None, None, None) => HeaderTest::Present,
    }
}

fn query(value: &StringMatch) -> QueryTest {
    match test(value) {
        HeaderTest::Exact(text) => QueryTest::Exact(text),
        HeaderTest::Prefix(text) => QueryTest::Prefix(text),
        HeaderTest::Regex(text) => QueryTest::Regex(text),
        HeaderTest::Present | HeaderTest::Absent | HeaderTest::Not(_) => QueryTest::Present,
    }
}

/// An origin of CORS.
pub(super) fn origin(value: &StringMatch) -> HeaderValue {
    match test(value) {
        HeaderTest::Exact(text) if text == "*" => HeaderValue::Present,
        HeaderTest::Exact(text) => HeaderValue::Exact(text),
        HeaderTest::Prefix(text) => HeaderValue::Prefix(text),
        HeaderTest::Regex(text) => HeaderValue::Regex(text),
        HeaderTest::Present | HeaderTest::Absent | HeaderTest::Not(_) => HeaderValue::Present,
    }
}
