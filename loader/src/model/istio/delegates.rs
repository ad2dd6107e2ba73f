//! Routes that another VirtualService has (`delegate`; `mergeVirtualServices` in
//! `pilot/pkg/model/virtualservice_controller.go` at 1.32).
//!
//! Istio leaves out with a line in its log what cannot be delegated; here that is a finding at the route.

mod merge;

use std::borrow::Cow;
use std::collections::HashMap;

use super::names;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::istio::http_route::{Delegate, HttpMatch, HttpRoute};
use crate::resources::istio::virtual_service::VirtualService;
use crate::source::Path;

/// An entry of `http` as it is served: one of the VirtualService itself, or one of a delegate with what the root says
/// around it.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// Where it is written, which is whose namespace its names are of.
    pub(super) service: &'a Resource<VirtualService>,
    /// Its place there.
    pub(super) path: Path,
    /// All of it but the matches.
    pub(super) route: Cow<'a, HttpRoute>,
    /// Any of these; every request if there are none.
    pub(super) matches: Vec<Match<'a>>,
}

/// A match of an entry.
#[derive(Clone, Debug)]
pub(super) struct Match<'a> {
    /// Where it is written.
    pub(super) service: &'a Resource<VirtualService>,
    /// Its place there.
    pub(super) path: Path,
    pub(super) matched: Cow<'a, HttpMatch>,
}

/// VirtualServices by namespace and name, of several the first.
#[derive(Debug)]
pub(super) struct ByName<'a>(HashMap<(&'a str, &'a str), &'a Resource<VirtualService>>);

impl<'a> ByName<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let mut known = HashMap::new();
        for service in &input.resources.istio.virtual_services {
            let name = (service.meta.namespace(), service.meta.name.as_str());
            known.entry(name).or_insert(service);
        }
        Self(known)
    }
}

/// The entries of a VirtualService, with those of its delegates in their places.
pub(super) fn entries<'a>(
    known: &ByName<'a>,
    root: &'a Resource<VirtualService>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Entry<'a>> {
    let mut all = Vec::new();
    for entry in own(root) {
        let Some(delegate) = &root_delegate(&entry) else {
            all.push(entry);
            continue;
        };
        match find(known, root, delegate) {
            Ok(service) => {
                for sub in own(service) {
                    all.extend(merged(&entry, sub, findings));
                }
            }
            Err(why) => {
                let path = entry.path.field("delegate");
                let finding = root.warning(Code::MissingDelegate, &path, why);
                findings
                    .push(finding.help("its requests go on to the routes after it, as on Istio"));
            }
        }
    }
    all
}

fn root_delegate(entry: &Entry<'_>) -> Option<Delegate> {
    entry.route.delegate.clone()
}

/// The entries as they are written.
fn own(service: &Resource<VirtualService>) -> impl Iterator<Item = Entry<'_>> {
    let entries = service.spec.http.iter().enumerate();
    entries.map(move |(index, route)| {
        let path = Path::of("http").index(index);
        let matches = route.matches.iter().enumerate();
        let matches = matches.map(|(at, matched)| Match {
            service,
            path: path.field("match").index(at),
            matched: Cow::Borrowed(matched),
        });
        Entry {
            service,
            matches: matches.collect(),
            route: Cow::Borrowed(route),
            path,
        }
    })
}

fn find<'a>(
    known: &ByName<'a>,
    root: &Resource<VirtualService>,
    delegate: &Delegate,
) -> Result<&'a Resource<VirtualService>, String> {
    let own = root.meta.namespace();
    let namespace = match delegate.namespace.as_str() {
        "" => own,
        other => other,
    };
    let name = format!("{namespace}/{}", delegate.name);
    let found = known
        .0
        .get(&(namespace, delegate.name.as_str()))
        .ok_or_else(|| format!("delegate virtual service {name} not found"))?;
    if !found.spec.hosts.is_empty() {
        return Err(format!(
            "virtual service {name} is no delegate: it has hosts"
        ));
    }
    match names::visibility(&found.spec.export_to, namespace, own) {
        Some(_) => Ok(found),
        None => Err(format!(
            "delegate virtual service {name} is not exported to {own}"
        )),
    }
}

/// An entry of a delegate with what the root says; nothing if the two do not go together (`mergeHTTPRoute`).
fn merged<'a>(
    root: &Entry<'a>,
    sub: Entry<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Entry<'a>> {
    // Validation has named it.
    if sub.route.delegate.is_some() {
        return None;
    }
    let matches = match both(root, &sub) {
        Ok(matches) => matches,
        Err((at, field)) => {
            let message = format!(
                "{field}: no match of {} at {} takes all that this one takes",
                root.service.meta, root.path
            );
            let path = sub.path.field("match").index(at);
            let finding = sub.service.warning(Code::DelegateConflict, &path, message);
            let root = root.service.span(&root.path.field("match"));
            findings.push(
                finding
                    .also(root, "these are the matches of the root")
                    .help("the route is left out; let its match stay within one of the root's"),
            );
            return None;
        }
    };
    Some(Entry {
        service: sub.service,
        route: Cow::Owned(merge::route(root, &sub)),
        path: sub.path,
        matches,
    })
}

/// What both ask for: each match of the delegate together with each of the root that leaves room for it
/// (`mergeHTTPMatchRequests`). The index of one without such a root is given back, with the field that keeps it out.
fn both<'a>(root: &Entry<'a>, sub: &Entry<'a>) -> Result<Vec<Match<'a>>, (usize, &'static str)> {
    if root.matches.is_empty() {
        return Ok(sub.matches.iter().map(merge::in_full).collect());
    }
    if sub.matches.is_empty() {
        return Ok(root.matches.iter().map(merge::in_full).collect());
    }
    let mut all = Vec::new();
    for (at, leaf) in sub.matches.iter().enumerate() {
        let before = all.len();
        let mut field = "";
        for around in &root.matches {
            let (around, leaf) = (merge::in_full(around), merge::in_full(leaf));
            match merge::conflict(&around.matched, &leaf.matched) {
                Some(conflict) => field = conflict,
                None => all.push(Match {
                    matched: Cow::Owned(merge::matched(&around.matched, &leaf.matched)),
                    ..leaf
                }),
            }
        }
        if all.len() == before {
            return Err((at, field));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
