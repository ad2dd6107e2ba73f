//! Near and far endpoints: which get requests first, and how many go where (`ApplyToCluster` and
//! `ApplyLocalityLoadBalancer` in `pilot/pkg/networking/core/loadbalancer/loadbalancer.go` at 1.32).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Endpoint, Locality};
use crate::resources::istio::traffic_policy::{Distribute, LocalityLb};

/// The label of the network, which counts apart from all others where it comes first.
const NETWORK: &str = "topology.istio.io/network";

type Labels = BTreeMap<String, String>;

/// An endpoint, with the labels of what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::model::istio) struct Labelled<'a> {
    pub(in crate::model::istio) endpoint: Endpoint,
    pub(in crate::model::istio) labels: &'a Labels,
}

/// Where requests come from.
pub(super) struct From<'a> {
    pub(super) locality: Locality,
    /// With those that say where it is.
    pub(super) labels: &'a Labels,
}

/// Endpoints with their priorities, and what each locality gets where that is not up to its endpoints.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) shares: Option<BTreeMap<Locality, u32>>,
    /// Localities that were to get something, and have no endpoint.
    pub(super) deserted: Vec<String>,
}

/// Spreads requests as the rule says. Where it says nothing, what `MeshConfig` says unless somebody changes it holds:
/// with ejection of endpoints the near ones come first.
pub(super) fn spread(
    from: &From<'_>,
    setting: Option<&LocalityLb>,
    ejects: bool,
    mut all: Vec<Labelled<'_>>,
) -> Spread {
    let istio = LocalityLb::default();
    let setting = setting.unwrap_or(&istio);
    let bare = |all: Vec<Labelled<'_>>| all.into_iter().map(|own| own.endpoint).collect();
    if setting.enabled == Some(false) {
        return Spread {
            endpoints: bare(all),
            ..Spread::default()
        };
    }
    if !setting.distribute.is_empty() {
        return distribute(&from.locality, &setting.distribute, bare(all));
    }
    if ejects {
        rank(from, setting, &mut all);
    }
    // Without it Envoy would not look at localities within a priority.
    let says = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    Spread {
        endpoints: bare(all),
        shares: (ejects && says).then(BTreeMap::new),
        deserted: Vec::new(),
    }
}

/// The field, if there is one, that does nothing as long as nobody knows where the gateway is.
pub(super) fn asks_where(setting: &LocalityLb) -> Option<&'static str> {
    const PLACES: [&str; 3] = [
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.istio.io/subzone",
    ];
    if setting.enabled == Some(false) {
        return None;
    }
    if setting.distribute.iter().any(|entry| entry.from != "*") {
        return Some("distribute");
    }
    if !setting.failover.is_empty() {
        return Some("failover");
    }
    let mut labels = setting.failover_priority.iter();
    let asks = labels.any(|label| PLACES.contains(&label.as_str()));
    asks.then_some("failoverPriority")
}

fn place(endpoint: &Endpoint) -> Locality {
    endpoint.locality.clone().unwrap_or_default()
}

/// Whether a locality is one of those that are meant (`LocalityMatch`); what is left out is any.
fn is_meant(locality: &Locality, text: &str) -> bool {
    let meant = Locality::read(text).unwrap_or_default();
    let is = |own: &str, meant: &str| meant == "*" || own == meant;
    let is_in = |own: &str, meant: &str| meant.is_empty() || is(own, meant);
    is(&locality.region, &meant.region)
        && is_in(&locality.zone, &meant.zone)
        && is_in(&locality.subzone, &meant.subzone)
}

/// Fixed shares (`applyLocalityWeights`): the first entry for the gateway's locality counts. Endpoints of localities
/// that get nothing are left out.
fn distribute(from: &Locality, entries: &[Distribute], all: Vec<Endpoint>) -> Spread {
    let mut spread = Spread {
        shares: Some(BTreeMap::new()),
        ..Spread::default()
    };
    let Some(entry) = entries.iter().find(|entry| is_meant(from, &entry.from)) else {
        spread.endpoints = all;
        return spread;
    };
    let mut weights: BTreeMap<Locality, u64> = BTreeMap::new();
    for endpoint in &all {
        *weights.entry(place(endpoint)).or_default() += u64::from(endpoint.weight.unwrap_or(1));
    }
    let mut to: Vec<_> = entry.to.iter().collect();
    // Where one holds another, the narrower one is meant; Istio takes them in any order.
    to.sort_by_key(|(text, _)| std::cmp::Reverse(exactness(text)));
    let mut shares = BTreeMap::new();
    for (text, share) in to {
        let own: Vec<_> = weights
            .iter()
            .filter(|(place, _)| !shares.contains_key(*place) && is_meant(place, text))
            .map(|(place, weight)| (place.clone(), *weight))
            .collect();
        let total = own.iter().map(|(_, weight)| weight).sum::<u64>();
        if own.is_empty() {
            spread.deserted.push(text.clone());
        }
        for (place, weight) in own {
            // Some of it goes to each.
            let part = (weight * u64::from(*share)).div_ceil(total.max(1)).max(1);
            shares.insert(place, u32::try_from(part).unwrap_or(u32::MAX));
        }
    }
    let all = all.into_iter();
    spread.endpoints = all.filter(|own| shares.contains_key(&place(own))).collect();
    spread.shares = Some(shares);
    spread
}

/// How many parts of a locality are said.
fn exactness(text: &str) -> usize {
    let said = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != "*");
    said.count()
}

/// Who gets requests when those before do not answer any more.
fn rank(from: &From<'_>, setting: &LocalityLb, all: &mut [Labelled<'_>]) {
    let by_label = !setting.failover_priority.is_empty();
    let by_place = !by_label || !setting.failover.is_empty();
    for own in all.iter_mut() {
        let mut priority = 0;
        if by_label {
            priority = distance(from.labels, own.labels, &setting.failover_priority);
        }
        if by_place {
            priority = priority * 5 + remoteness(&from.locality, setting, &place(&own.endpoint));
        }
        own.endpoint.priority = priority;
    }
    let used: BTreeSet<u32> = all.iter().map(|own| own.endpoint.priority).collect();
    for own in all {
        let before = used.range(..own.endpoint.priority).count();
        own.endpoint.priority = u32::try_from(before).unwrap_or(u32::MAX);
    }
}

/// From 0, the same part of a zone, to 4, a region that requests of the gateway's do not go on to
/// (`applyLocalityFailover`).
fn remoteness(from: &Locality, setting: &LocalityLb, place: &Locality) -> u32 {
    if from.region != place.region {
        let entry = setting.failover.iter().find(|own| own.from == from.region);
        return if entry.is_some_and(|own| own.to != place.region) {
            4
        } else {
            3
        };
    }
    if from.zone != place.zone {
        return 2;
    }
    (from.subzone != place.subzone).into()
}

/// How many of the labels, from the first that differs on, are not the gateway's, or not the value that stands behind a
/// `=` (`applyFailoverPriorityPerLocality`). Endpoints of another network are behind all that are in the gateway's.
fn distance(own: &Labels, other: &Labels, names: &[String]) -> u32 {
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut behind = 0;
    for (left, (index, entry)) in (1..=count).rev().zip(names.iter().enumerate()) {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) if !value.contains('=') => (name, Some(value)),
            Some((name, _)) => (name, None),
            None => (entry.as_str(), None),
        };
        let said = |labels: &Labels| labels.get(name).cloned().unwrap_or_default();
        let wanted = value.map_or_else(|| said(own), str::to_owned);
        if wanted == said(other) {
            continue;
        }
        if index == 0 && entry == NETWORK {
            behind = count;
            continue;
        }
        return behind + left;
    }
    behind
}
