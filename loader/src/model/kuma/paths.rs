//! Paths as Kuma means them, in the matches that Envoy has.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::model::{PathMatch, Route};

/// A path as a rule gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RulePath {
    /// This path.
    Exact(String),
    /// This path and everything below it, segment by segment: `/foo` takes `/foo/bar` but not `/foobar`.
    Prefix(String),
    /// A regular expression for the whole path.
    Regex(String),
}

/// Envoy's matches for the routes of one virtual host, the most specific first.
///
/// Envoy compares prefixes character by character, so `/foo` becomes the path `/foo` and the prefix `/foo/`. The path
/// is left to another rule that names exactly it (Kuma `HandlePrefixMatchesAndPopulatePolicies` at 2.14.3).
pub(super) fn routes(rules: Vec<(RulePath, Route)>) -> Vec<Route> {
    let exact: HashSet<String> = rules
        .iter()
        .filter_map(|(path, _)| match path {
            RulePath::Exact(path) => Some(path.clone()),
            RulePath::Prefix(_) | RulePath::Regex(_) => None,
        })
        .collect();
    let mut routes = Vec::with_capacity(rules.len() * 2);
    for (path, route) in rules {
        let with = |path| Route {
            path,
            ..route.clone()
        };
        match path {
            RulePath::Exact(path) => routes.push(with(PathMatch::Exact(path))),
            RulePath::Regex(regex) => routes.push(with(PathMatch::Regex(regex))),
            RulePath::Prefix(prefix) => {
                let segments = prefix.trim_end_matches('/');
                routes.push(with(PathMatch::Prefix(format!("{segments}/"))));
                if !segments.is_empty() && !exact.contains(segments) {
                    routes.push(with(PathMatch::Exact(segments.to_owned())));
                }
            }
        }
    }
    // Stable: rules that are equally specific stay in the order of precedence in which they came.
    routes.sort_by_key(|route| specificity(&route.path));
    routes
}

/// Exact before prefix before expression, the longer before the shorter (Kuma `route/sorter.go` at 2.14.3).
fn specificity(path: &PathMatch) -> impl Ord + use<> {
    match path {
        PathMatch::Exact(path) => (0, Reverse(path.len())),
        PathMatch::Prefix(path) => (1, Reverse(path.len())),
        PathMatch::Regex(path) => (2, Reverse(path.len())),
    }
}
