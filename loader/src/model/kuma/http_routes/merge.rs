//! Rules of several policies in one list (Kuma `pkg/plugins/policies/core/rules/merge` at 2.14.3).

use std::collections::HashMap;

use policy::HostPattern;

use crate::resources::Resource;
use crate::resources::kuma::mesh_http_route::{Match, MeshHttpRoute, Rule};
use crate::source::Path;

/// A policy, with the places of those entries of its `to` that count.
pub(super) type Entries<'a> = (&'a Resource<MeshHttpRoute>, Vec<usize>);

/// A rule where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) resource: &'a Resource<MeshHttpRoute>,
    pub(super) rule: &'a Rule,
    to: usize,
    index: usize,
}

impl Place<'_> {
    pub(super) fn path(&self) -> Path {
        Path::of("to")
            .index(self.to)
            .field("rules")
            .index(self.index)
    }
}

/// Rules for the same requests, as one.
#[derive(Clone, Debug)]
pub(super) struct Merged<'a> {
    /// The one with the highest precedence.
    pub(super) rule: Place<'a>,
    /// The one whose filters count.
    pub(super) filters: Option<Place<'a>>,
    /// The one whose backends count.
    pub(super) backends: Option<Place<'a>>,
    /// All others.
    pub(super) others: Vec<Place<'a>>,
}

impl<'a> Merged<'a> {
    fn new(rule: Place<'a>) -> Self {
        let conf = &rule.rule.conf;
        Self {
            rule,
            filters: conf.filters.is_some().then_some(rule),
            backends: conf.backend_refs.is_some().then_some(rule),
            others: Vec::new(),
        }
    }

    /// A JSON merge patch (RFC 7396): a field of `self` stays where the newer rule leaves it out.
    fn patched(mut self, newer: Place<'a>) -> Self {
        self.others.push(self.rule);
        let newer = Self::new(newer);
        Self {
            rule: newer.rule,
            filters: newer.filters.or(self.filters),
            backends: newer.backends.or(self.backends),
            others: self.others,
        }
    }
}

/// The rules of `policies`, which are in order of rising precedence, with the hosts that they are for; those that
/// serve first come first.
///
/// For each host, rules with the same matches are one: it stands where the one with the highest precedence stood.
pub(super) fn rules<'a>(policies: &[Entries<'a>]) -> Vec<(HostPattern, Merged<'a>)> {
    let mut rules: Vec<Option<(HostPattern, Merged<'a>)>> = Vec::new();
    let mut places: HashMap<(String, &[Match]), usize> = HashMap::new();
    let any = [String::new()];
    for (resource, entries) in policies {
        for &to in entries {
            let Some(entry) = resource.spec.to.get(to) else {
                continue;
            };
            let hostnames = if entry.hostnames.is_empty() {
                &any[..]
            } else {
                &entry.hostnames
            };
            // In a policy the first rule counts, of policies the last one: so the rules are turned round, and all of
            // them again in the end.
            for (index, rule) in entry.rules.iter().enumerate().rev() {
                let new = Place {
                    resource,
                    rule,
                    to,
                    index,
                };
                for host in hostnames
                    .iter()
                    .filter_map(|n| n.parse::<HostPattern>().ok())
                {
                    let key = (host.to_string(), rule.matches.as_slice());
                    let old = places.insert(key, rules.len());
                    let old = old.and_then(|old| rules.get_mut(old)?.take());
                    let merged = match old {
                        Some((_, old)) => old.patched(new),
                        None => Merged::new(new),
                    };
                    rules.push(Some((host, merged)));
                }
            }
        }
    }
    rules.into_iter().rev().flatten().collect()
}
