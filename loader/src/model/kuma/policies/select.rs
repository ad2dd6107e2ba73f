//! Which policies hold for a listener, and what they say together.

mod older;
mod side;
#[cfg(test)]
mod tests;
mod to;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use ::policy::Tags;

pub(in crate::model::kuma) use self::side::Side;
pub(in crate::model::kuma) use self::to::{Destination, To};

use self::to::{route_key, route_name};
use crate::model::kuma::SERVICE_TAG;
use crate::model::kuma::select::precedence;
use crate::resources::kuma::policy::{ClientMatch, Overlay, Policy};
use crate::resources::kuma::selects::Targeted;
use crate::resources::list::{Key, List, Selects, Sought};
use crate::resources::{Resource, Resources};

/// The policies of a proxy's mesh, seen from a listener.
pub(in crate::model::kuma) struct Policies<'a> {
    /// All resources.
    pub(super) resources: &'a Resources,
    side: Side<'a>,
    /// The merged tags of the listener; of several if they share their connections. On a sidecar the tags of the
    /// inbound; of all inbounds for what leaves it.
    listeners: &'a [Tags],
    keys: OnceCell<Keys>,
}

/// What policies are found by.
struct Keys {
    /// The proxy.
    common: Vec<Sought>,
    /// Each of the listeners.
    listeners: Vec<Vec<Sought>>,
}

/// How a `targetRef` reaches a listener: its place among the kinds, of the same kind how narrowly it means a Dataplane;
/// and for gateways the number of tags.
type Rank = ((usize, usize), usize);

/// A policy that holds, with the places of those entries of its `to` that are looked at.
struct Reached<'p, T> {
    rank: Rank,
    policy: &'p Resource<T>,
    entries: Vec<usize>,
}

impl<'a> Policies<'a> {
    pub(in crate::model::kuma) fn new(
        resources: &'a Resources,
        side: Side<'a>,
        listener: &'a Tags,
    ) -> Self {
        Self::of_any(resources, side, std::slice::from_ref(listener))
    }

    pub(in crate::model::kuma) fn of_any(
        resources: &'a Resources,
        side: Side<'a>,
        listeners: &'a [Tags],
    ) -> Self {
        Self {
            resources,
            side,
            listeners,
            keys: OnceCell::new(),
        }
    }

    /// What the policies' `to` says together. Nothing if none says anything.
    pub(super) fn outbound<C: Overlay + Default>(
        &self,
        all: &List<Policy<C>>,
        to: To<'_>,
    ) -> Option<C> {
        let policies = self.about(all, to).into_iter();
        let entries = policies.flat_map(|(policy, entries)| {
            let mesh = policy.meta.mesh.as_str();
            let entries = entries.into_iter().filter_map(|e| policy.spec.to.get(e));
            entries.filter(move |entry| to.is_meant_by(&entry.target_ref, mesh))
        });
        merged(entries.map(|entry| &entry.conf))
    }

    /// What the policies' `rules`, or the older `from`, say together for all clients.
    pub(super) fn inbound<C: Overlay + Default>(&self, all: &List<Policy<C>>) -> Option<C> {
        let is_gateway = matches!(self.side, Side::Gateway(_));
        merged(self.about_callers(all).into_iter().flat_map(|policy| {
            let rules = policy.spec.rules.iter();
            let is_egress = matches!(self.side, Side::Egress(_));
            let rules = rules.filter(move |rule| rule.matches.is_empty() && !is_egress);
            let from = policy.spec.from.iter();
            let from = from.filter(move |entry| is_gateway || entry.target_ref.kind == "Mesh");
            rules
                .map(|rule| &rule.conf)
                .chain(from.map(|entry| &entry.conf))
        }))
    }

    /// What the policies' `rules`, or the older `from`, say each for itself, with the clients that it is for.
    pub(super) fn each_inbound<'p, C>(
        &self,
        all: &'p List<Policy<C>>,
    ) -> impl Iterator<Item = (&'p [ClientMatch], &'p C)> + use<'p, C> {
        let is_gateway = matches!(self.side, Side::Gateway(_));
        self.about_callers(all).into_iter().flat_map(move |policy| {
            let rules = policy.spec.rules.iter();
            let rules = rules.map(|rule| (&*rule.matches, &rule.conf));
            let from = policy.spec.from.iter();
            let from = from.filter(move |entry| is_gateway || entry.target_ref.kind == "Mesh");
            rules.chain(from.map(|entry| (&[][..], &entry.conf)))
        })
    }

    /// The policies that hold, the one that wins last: first by kind, then as [`precedence`] says.
    pub(in crate::model::kuma) fn matched<'p, T: Targeted>(
        &self,
        all: &'p List<T>,
    ) -> Vec<&'p Resource<T>> {
        let matched = sorted(self.reached(all, None, List::of)).into_iter();
        matched.map(|reached| reached.policy).collect()
    }

    /// Those of them that say something about callers.
    pub(super) fn about_callers<'p, T: Targeted>(&self, all: &'p List<T>) -> Vec<&'p Resource<T>> {
        let matched = sorted(self.reached(all, None, List::of_callers)).into_iter();
        matched.map(|reached| reached.policy).collect()
    }

    /// The policies that hold, as [`Self::matched`] has them, with the places of their entries that can be about `to`;
    /// not all that have none.
    pub(in crate::model::kuma) fn about<'p, T: Targeted>(
        &self,
        all: &'p List<T>,
        to: To<'_>,
    ) -> Vec<(&'p Resource<T>, Vec<usize>)> {
        if all.is_empty() {
            return Vec::new();
        }
        let what = to.keys(self.side.mesh());
        let reached = if all.entries_about(&what) < self.entries(all, to.route()) {
            let mut entries: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (place, entry) in all.about(&what) {
                entries.entry(place).or_default().push(entry);
            }
            let reached = entries.into_iter().filter_map(|(place, entries)| {
                let policy = all.get(place)?;
                Some(Reached {
                    rank: self.rank(policy, self.listeners, to.route())?,
                    policy,
                    entries,
                })
            });
            reached.collect()
        } else {
            let mut reached = self.reached(all, to.route(), List::of);
            for Reached {
                policy, entries, ..
            } in &mut reached
            {
                entries.extend(0..policy.spec.to().len());
            }
            reached
        };
        let reached = sorted(reached).into_iter();
        reached
            .map(|reached| (reached.policy, reached.entries))
            .collect()
    }

    /// The policies that hold, of those that `find` finds, in the order of the input.
    fn reached<'p, T: Targeted>(
        &self,
        all: &'p List<T>,
        route: Option<&str>,
        find: fn(&List<T>, &[Sought]) -> Vec<usize>,
    ) -> Vec<Reached<'p, T>> {
        if all.is_empty() {
            return Vec::new();
        }
        let mut reached = BTreeMap::new();
        let mut add = |places: Vec<usize>, listeners: &[Tags]| {
            for place in places {
                let policy = all.get(place);
                let ranked = policy.and_then(|p| Some((p, self.rank(p, listeners, route)?)));
                reached.extend(ranked.map(|ranked| (place, ranked)));
            }
        };
        if self.is_everybody() {
            add((0..all.len()).collect(), &[]);
        } else {
            let keys = self.keys();
            add(find(all, &keys.common), self.listeners);
            add(find(all, self.key_of(route).as_slice()), self.listeners);
            for (listener, own) in self.listeners.iter().zip(&keys.listeners) {
                add(find(all, own), std::slice::from_ref(listener));
            }
        }
        let reached = reached.into_values().map(|(policy, rank)| Reached {
            rank,
            policy,
            entries: Vec::new(),
        });
        reached.collect()
    }

    /// How many entries those have that are found by the keys of the proxy and its listeners.
    fn entries<T: Selects>(&self, all: &List<T>, route: Option<&str>) -> usize {
        if self.is_everybody() {
            return usize::MAX;
        }
        let keys = self.keys();
        let own = keys.listeners.iter().map(|keys| all.entries_of(keys));
        all.entries_of(&keys.common)
            + all.entries_of(self.key_of(route).as_slice())
            + own.sum::<usize>()
    }

    /// Whether policies are asked what they say, whoever they are for.
    fn is_everybody(&self) -> bool {
        matches!(self.side, Side::Egress(_)) && self.listeners.is_empty()
    }

    fn is_of_mesh<T>(&self, policy: &Resource<T>) -> bool {
        policy.meta.mesh == self.side.mesh()
    }

    fn keys(&self) -> &Keys {
        self.keys.get_or_init(|| {
            let mesh = self.side.mesh();
            let of_listener = |tags: &Tags| {
                let service = tags.get(SERVICE_TAG);
                let service = service.map(|name| Key::Name("MeshService", name).sought(mesh));
                let tags = tags
                    .iter()
                    .map(|(name, value)| Key::Tag(name, value).sought(mesh));
                tags.chain(service).collect()
            };
            Keys {
                common: self
                    .side
                    .keys()
                    .into_iter()
                    .map(|key| key.sought(mesh))
                    .collect(),
                listeners: self.listeners.iter().map(of_listener).collect(),
            }
        })
    }

    fn key_of(&self, route: Option<&str>) -> Option<Sought> {
        route.map(|route| route_key(route).sought(self.side.mesh()))
    }

    fn rank<T: Targeted>(
        &self,
        policy: &Resource<T>,
        listeners: &[Tags],
        route: Option<&str>,
    ) -> Option<Rank> {
        if !self.is_of_mesh(policy) || policy.meta.is_shadow() {
            return None;
        }
        let Some(target) = policy.spec.target_ref() else {
            return Some(((0, 0), 0));
        };
        let types = target.proxy_types.as_deref().unwrap_or_default();
        let is_egress = matches!(self.side, Side::Egress(_));
        if !is_egress
            && !types.is_empty()
            && !types.iter().any(|kind| *kind == self.side.proxy_type())
        {
            return None;
        }
        let has = |tags: &Tags| listeners.iter().any(|l| l.matched_by(tags));
        let is_service = || {
            let mut services = listeners.iter().filter_map(|l| l.get(SERVICE_TAG));
            services.any(|service| service == target.name)
        };
        let is_reached = match target.kind.as_str() {
            _ if self.is_everybody() => true,
            "Mesh" => true,
            "Dataplane" => return Some(((1, self.side.is_dataplane(target)?), 0)),
            "MeshSubset" => has(&target.tags),
            "MeshGateway" => match self.side {
                Side::Gateway(gateway) => target.name == gateway.meta.name && has(&target.tags),
                Side::Sidecar(..) | Side::Egress(_) => false,
            },
            "MeshService" => is_service(),
            "MeshServiceSubset" => {
                let mut tags = target.tags.clone();
                tags.insert(SERVICE_TAG, &target.name);
                has(&tags)
            }
            "MeshHTTPRoute" => route == Some(&*route_name(&policy.meta.mesh, target)),
            _ => false,
        };
        let kinds = [
            "Mesh",
            "Dataplane",
            "MeshSubset",
            "MeshGateway",
            "MeshService",
            "MeshServiceSubset",
            "MeshHTTPRoute",
        ];
        let place = kinds.iter().position(|kind| *kind == target.kind)?;
        let tags = match target.kind.as_str() {
            "MeshGateway" => target.tags.iter().len(),
            _ => 0,
        };
        is_reached.then_some(((place, 0), tags))
    }
}

fn sorted<T>(mut reached: Vec<Reached<'_, T>>) -> Vec<Reached<'_, T>> {
    reached.sort_by_key(
        |Reached {
             rank: (kind, tags),
             policy,
             ..
         }| { (*kind, precedence(&policy.meta, *tags)) },
    );
    reached
}

fn merged<'c, C: Overlay + Default + 'c>(confs: impl Iterator<Item = &'c C>) -> Option<C> {
    confs.fold(None, |sum: Option<C>, conf| {
        let mut sum = sum.unwrap_or_default();
        sum.overlay(conf);
        Some(sum)
    })
}
