//! Routes of one VirtualService that stand behind those of another one for the same host.
//!
//! Istio serves the routes of all of them in the order of their age and names, and says nothing (istio/istio#37500).

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::diagnostic::Diagnostic;
use crate::model::kuma::Input;
use crate::model::{Origin, PathMatch, Route, VirtualHost};
use crate::resources::Resource;
use crate::resources::istio::virtual_service::VirtualService;
use crate::source::Span;

/// So many earlier routes for one path are looked at; a host with more of them is no mistake.
const MOST: usize = 64;

/// What is asked again for each route that no request gets to.
#[derive(Default)]
pub(in crate::model::istio) struct Shadows<'a> {
    services: OnceCell<HashMap<String, &'a Resource<VirtualService>>>,
    /// The places of what is said already, as far as it has been looked at.
    said: HashSet<Option<Span>>,
    looked_at: usize,
}

impl<'a> Shadows<'a> {
    /// The VirtualService that a route is of.
    pub(super) fn service(
        &self,
        input: Input<'a>,
        route: &Origin,
    ) -> Option<&'a Resource<VirtualService>> {
        let services = self.services.get_or_init(|| {
            let all = input.resources.istio.virtual_services.iter().rev();
            all.map(|own| (own.meta.to_string(), own)).collect()
        });
        services.get(&route.resource).copied()
    }

    /// Whether the same is said about the same place among `findings`, to which more are added only.
    pub(super) fn is_said(&mut self, finding: &Diagnostic, findings: &[Diagnostic]) -> bool {
        let more = findings.iter().skip(self.looked_at);
        let more = more.filter(|other| other.code == finding.code);
        self.said.extend(more.map(|other| other.span));
        self.looked_at = findings.len();
        self.said.contains(&finding.span)
    }
}

/// A route that no request gets to, and the one that takes them all.
pub(super) struct Shadowed<'h> {
    pub(super) by: &'h Origin,
    pub(super) route: &'h Origin,
}

impl Shadowed<'_> {
    pub(super) fn message(&self, host: &VirtualHost) -> String {
        format!(
            "no request for {} gets to this route: {} takes them before it",
            host.hosts(),
            self.by.resource
        )
    }
}

/// The routes of a host behind those of another resource that take all their requests.
pub(super) fn of(host: &VirtualHost) -> Vec<Shadowed<'_>> {
    let mut by_path: HashMap<&str, Vec<&Route>> = HashMap::new();
    let mut found = Vec::new();
    for route in &host.routes {
        let text = text(&route.path);
        let starts = (0..=text.len()).filter_map(|end| text.get(..end));
        let mut earlier = starts.filter_map(|start| by_path.get(start)).flatten();
        let is_other = |other: &&&Route| other.origin.resource != route.origin.resource;
        if let Some(other) = earlier.find(|other| is_other(other) && takes_all_of(other, route)) {
            found.push(Shadowed {
                by: &other.origin,
                route: &route.origin,
            });
        }
        let known = by_path.entry(text).or_default();
        if known.len() < MOST {
            known.push(route);
        }
    }
    found
}

fn text(path: &PathMatch) -> &str {
    let (PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Regex(text)) = path;
    text
}

fn takes_all_of(first: &Route, second: &Route) -> bool {
    let paths = match (&first.path, &second.path) {
        (PathMatch::Prefix(start), PathMatch::Prefix(text) | PathMatch::Exact(text)) => {
            text.starts_with(start.as_str())
        }
        (first, second) => first == second,
    };
    paths
        && first.ignores_path_case == second.ignores_path_case
        && (first.method.is_none() || first.method == second.method)
        && first
            .headers
            .iter()
            .all(|test| second.headers.contains(test))
        && first.query.iter().all(|test| second.query.contains(test))
        && first.claims.iter().all(|test| second.claims.contains(test))
}
