//! Paths as Kuma means them, in the matches that Envoy has, and the order of routes.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::model::{Action, HeaderTest, PathMatch, PathRewrite, Route};

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
    for (path, mut route) in rules {
        let replacement = replacement(&mut route.action);
        // What replaces a prefix that ends with `/` has to end with it too.
        let for_prefix = |new: &str| PathRewrite::Prefix(format!("{new}/"));
        match path {
            RulePath::Exact(path) => routes.push(with(
                &route,
                PathMatch::Exact(path),
                replacement.map(|r| for_prefix(&r)),
            )),
            RulePath::Regex(regex) => routes.push(with(
                &route,
                PathMatch::Regex(regex),
                replacement.map(|r| for_prefix(&r)),
            )),
            RulePath::Prefix(prefix) => {
                let segments = prefix.trim_end_matches('/');
                let below = PathMatch::Prefix(format!("{segments}/"));
                routes.push(with(&route, below, replacement.as_deref().map(for_prefix)));
                // The prefix `/` takes the path `/` too, but replaces it by another one.
                let is_needed = !segments.is_empty() || replacement.is_some();
                if is_needed && !exact.contains(segments) {
                    let path = PathMatch::Exact(or_root(segments));
                    let new = replacement.map(|new| PathRewrite::Full(or_root(&new)));
                    routes.push(with(&route, path, new));
                }
            }
        }
    }
    // Stable: rules that are equally specific stay in the order of precedence in which they came.
    routes.sort_by(|a, b| specificity(a).cmp(&specificity(b)));
    routes
}

fn or_root(path: &str) -> String {
    if path.is_empty() { "/" } else { path }.to_owned()
}

/// What the route puts in place of its prefix, without `/` at the end.
fn replacement(action: &mut Action) -> Option<String> {
    match rewrite(action)? {
        Some(PathRewrite::Prefix(new)) => Some(new.trim_end_matches('/').to_owned()),
        Some(PathRewrite::Full(_) | PathRewrite::Regex { .. }) | None => None,
    }
}

fn rewrite(action: &mut Action) -> Option<&mut Option<PathRewrite>> {
    match action {
        Action::Forward(forward) => Some(&mut forward.path),
        Action::Redirect(redirect) => Some(&mut redirect.path),
        Action::ForwardAsDecided | Action::Respond { .. } => None,
    }
}

fn with(route: &Route, path: PathMatch, new: Option<PathRewrite>) -> Route {
    let mut route = Route {
        path,
        ..route.clone()
    };
    if let (Some(rewrite), Some(new)) = (rewrite(&mut route.action), new) {
        *rewrite = Some(new);
    }
    route
}

/// Exact before prefix before expression, the longer before the shorter; of equal ones those with a method, with more
/// headers, with more parameters. Expressions are compared by length only, and tests of a header's prefix count for
/// nothing (Kuma `route/sorter.go` at 2.14.3).
fn specificity(route: &Route) -> impl Ord + '_ {
    let counted = |test: &HeaderTest| !matches!(test, HeaderTest::Prefix(_));
    let headers = route.headers.iter().filter(|h| counted(&h.test)).count();
    let rest = |path| {
        (
            route.method.is_none(),
            Reverse(headers),
            Reverse(route.query.len()),
            path,
        )
    };
    match &route.path {
        PathMatch::Exact(path) => (0, Reverse(path.len()), Some(rest(path))),
        PathMatch::Prefix(path) => (1, Reverse(path.len()), Some(rest(path))),
        PathMatch::Regex(path) => (2, Reverse(path.len()), None),
    }
}
