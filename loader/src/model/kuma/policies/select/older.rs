//! Policies with sources and destinations, of which one holds.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ::policy::Tags;

use super::Policies;
use crate::model::kuma::select::{Rank, best_rank};
use crate::resources::Resource;
use crate::resources::kuma::policy::Connection;
use crate::resources::list::{List, sought};

impl Policies<'_> {
    /// The policy with sources and destinations for connections to `destination`: the one whose selectors for both
    /// sides fit best, of equal ones the one created last (Kuma
    /// `pkg/plugins/runtime/gateway/connection_policy_generator.go` at 2.14.3), then the first by name.
    pub(in crate::model::kuma::policies) fn connection<'p, C>(
        &self,
        all: &'p List<Connection<C>>,
        destination: &Tags,
    ) -> Option<&'p Resource<Connection<C>>> {
        if all.is_empty() {
            return None;
        }
        let what = sought(self.side.mesh(), destination);
        let places: BTreeSet<usize> = if all.entries_about(&what) <= self.entries(all, None) {
            all.about(&what)
                .into_iter()
                .map(|(place, _)| place)
                .collect()
        } else {
            let keys = self.keys();
            let keys = keys.listeners.iter().chain([&keys.common]);
            keys.flat_map(|keys| all.of(keys)).collect()
        };
        best(places.into_iter().filter_map(|place| {
            let policy = all.get(place).filter(|policy| self.is_of_mesh(policy))?;
            let sources = self.listeners.iter();
            let source = sources
                .filter_map(|l| best_rank(&policy.spec.sources, l))
                .max()?;
            let rank = source.with(best_rank(&policy.spec.destinations, destination)?);
            Some((rank, policy))
        }))
    }

    /// The policy with sources and destinations for everybody who connects to `destination`: the one whose selectors
    /// for the destination fit best.
    pub(in crate::model::kuma::policies) fn for_all_sources<'p, C>(
        &self,
        all: &'p List<Connection<C>>,
        destination: &Tags,
    ) -> Option<&'p Resource<Connection<C>>> {
        let places = all.about(&sought(self.side.mesh(), destination));
        best(places.into_iter().filter_map(|(place, _)| {
            let policy = all.get(place).filter(|policy| self.is_of_mesh(policy))?;
            let rank = best_rank(&policy.spec.destinations, destination)?;
            has_any_source(&policy.spec).then_some((rank, policy))
        }))
    }

    /// The policies with sources and destinations for some who connect to the inbound, and not for everybody.
    pub(in crate::model::kuma::policies) fn for_some_sources<'p, C>(
        &self,
        all: &'p List<Connection<C>>,
    ) -> impl Iterator<Item = &'p Resource<Connection<C>>> {
        let inbounds = self.listeners.iter();
        let places = inbounds.flat_map(|tags| all.about(&sought(self.side.mesh(), tags)));
        let places: BTreeSet<usize> = places.map(|(place, _)| place).collect();
        let policies = places.into_iter().filter_map(|place| all.get(place));
        policies.filter(|policy| {
            let mut inbounds = self.listeners.iter();
            self.is_of_mesh(policy)
                && !has_any_source(&policy.spec)
                && inbounds.any(|tags| best_rank(&policy.spec.destinations, tags).is_some())
        })
    }

    /// The policy with sources and destinations for a route to all of `destinations`: one for all services if any of
    /// them has such a one, and else the oldest (Kuma `BestConnectionPolicyForDestination` at 2.14.3).
    pub(in crate::model::kuma::policies) fn connection_of_route<'p, C>(
        &self,
        all: &'p List<Connection<C>>,
        destinations: &[&Tags],
    ) -> Option<&'p C> {
        let of_all = |policy: &Resource<Connection<C>>| policy.spec.services().any(|s| s == "*");
        destinations
            .iter()
            .filter_map(|destination| self.connection(all, destination))
            .min_by_key(|policy| (!of_all(policy), &policy.meta.created, &policy.meta.name))
            .map(|policy| &policy.spec.conf)
    }
}

/// Of equal ones the one created last, then the first by name.
fn best<'p, C>(
    ranked: impl Iterator<Item = (Rank, &'p Resource<Connection<C>>)>,
) -> Option<&'p Resource<Connection<C>>> {
    ranked
        .max_by_key(|(rank, policy)| (*rank, &policy.meta.created, Reverse(&policy.meta.name)))
        .map(|(_, policy)| policy)
}

fn has_any_source<C>(policy: &Connection<C>) -> bool {
    let is_any = |tags: &Tags| tags.iter().all(|(_, value)| value == "*");
    policy.sources.iter().any(|source| is_any(&source.tags))
}
