//! Who may call an inbound: `TrafficPermission` and `MeshTrafficPermission`.
//!
//! Of the three forms one holds for an inbound, the newest that any policy for it has: `rules`, `from`, or the older
//! kind. With mTLS and none of them nobody may call (Kuma `pkg/plugins/policies/meshtrafficpermission/plugin/v1alpha1`
//! and `pkg/core/permissions` at 2.14.3).

use std::cmp::Reverse;

use policy::Tags;

use crate::model::kuma::SERVICE_TAG;
use crate::model::kuma::policies::Policies;
use crate::model::kuma::select::best_rank;
use crate::model::{Clients, Permission, Refusal, Requests, SpiffeIds, Who};
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::mesh_traffic_permission::{From, Match, MeshTrafficPermission};
use crate::resources::kuma::traffic_permission::TrafficPermission;
use crate::resources::list::sought;
use crate::resources::{Resource, Resources};

/// Who may call an inbound with these tags of a mesh with mTLS; `has_older` is whether [`has_older`] holds for its
/// Dataplane.
pub(super) fn of_inbound(
    resources: &Resources,
    mesh: &str,
    tags: &Tags,
    has_older: impl FnOnce() -> bool,
    policies: &Policies<'_>,
) -> Permission {
    let newer = policies.matched(&resources.mesh_traffic_permissions);
    if newer.iter().any(|policy| !policy.spec.rules.is_empty()) {
        return by_rules(&newer);
    }
    if newer.is_empty() && has_older() {
        return by_tags(mesh, best_older(resources, mesh, tags));
    }
    let entries: Vec<_> = newer.iter().flat_map(|policy| &policy.spec.from).collect();
    by_entries(mesh, &entries)
}

/// Whether the older kind is for any of the inbounds with these tags: then it is for all of the Dataplane.
pub(super) fn has_older(resources: &Resources, mesh: &str, inbounds: &[Tags]) -> bool {
    let mut inbounds = inbounds.iter();
    inbounds.any(|tags| best_older(resources, mesh, tags).is_some())
}

/// Who may reach an `ExternalService` with these tags through an egress: as `from` says, or the older kind where no
/// policy says so. Nobody if none does.
pub(in crate::model::kuma) fn of_services(
    resources: &Resources,
    mesh: &str,
    tags: &[Tags],
    policies: &Policies<'_>,
) -> Permission {
    let newer = policies.matched(&resources.mesh_traffic_permissions);
    let entries: Vec<_> = newer.iter().flat_map(|policy| &policy.spec.from).collect();
    let older = tags
        .iter()
        .find_map(|tags| best_older(resources, mesh, tags));
    match older {
        Some(older) if entries.is_empty() => by_tags(mesh, Some(older)),
        _ => by_entries(mesh, &entries),
    }
}

/// What is denied by any policy stays denied, whichever comes first.
pub(in crate::model::kuma) fn by_rules(
    policies: &[&Resource<MeshTrafficPermission>],
) -> Permission {
    let mut permission = Permission::default();
    let rules = policies.iter().flat_map(|policy| {
        let rules = policy.spec.rules.iter();
        rules.map(|rule| (policy.meta.mesh.as_str(), &rule.conf))
    });
    for (mesh, conf) in rules {
        let clients = |entry| clients(mesh, entry);
        permission.denied.extend(conf.deny.iter().map(clients));
        permission.allowed.extend(conf.allow.iter().map(clients));
        let shadow = conf.allow_with_shadow_deny.iter().map(clients);
        permission.shadow_denied.extend(shadow.clone());
        permission.allowed.extend(shadow);
    }
    permission
}

fn clients(mesh: &str, entry: &Match) -> Clients {
    let id = entry.spiffe_id.as_ref().map(|id| {
        Who::Is(match id.kind.as_str() {
            "Prefix" => SpiffeIds::Prefix(id.value.clone()),
            _ => SpiffeIds::Exact(id.value.clone()),
        })
    });
    let tags = entry
        .tags
        .iter()
        .next()
        .map(|_| with_tags(mesh, &entry.tags));
    Clients {
        who: all(id.into_iter().chain(tags).collect()),
        sni: entry.sni.as_ref().map(|sni| sni.value.clone()),
        requests: Requests {
            methods: entry.methods.clone(),
            paths: entry.path_prefixes.clone(),
        },
    }
}

/// Of the entries for a client the last one counts. The entries are in order of rising precedence.
fn by_entries(mesh: &str, entries: &[&From]) -> Permission {
    let mut permission = Permission::default();
    // Those whom entries of higher precedence deny.
    let mut denied: Vec<Who> = Vec::new();
    let mut entries = entries.iter().rev().peekable();
    while let Some(first) = entries.next() {
        let action = first.conf.action.as_str();
        let mut group = vec![by_target(mesh, &first.target_ref)];
        while let Some(next) = entries.next_if(|next| next.conf.action == action) {
            group.push(by_target(mesh, &next.target_ref));
        }
        match action {
            "Allow" | "AllowWithShadowDeny" => {
                let clients = Clients::of(apart_from(&denied, group));
                if action == "AllowWithShadowDeny" {
                    permission.shadow_denied.push(clients.clone());
                }
                permission.allowed.push(clients);
            }
            _ => denied.extend(group),
        }
    }
    permission
}

fn apart_from(denied: &[Who], group: Vec<Who>) -> Who {
    let group = any(group);
    if denied.is_empty() {
        return group;
    }
    let others = Who::Not(Box::new(any(denied.to_vec())));
    match group {
        Who::Anyone => others,
        group => Who::All(vec![group, others]),
    }
}

/// Clients of the same mesh with these tags (Kuma `LegacyRBACConfigurer`).
fn by_target(mesh: &str, target: &TargetRef) -> Who {
    let mut tags = target.tags.clone();
    if matches!(target.kind.as_str(), "MeshService" | "MeshServiceSubset") {
        tags.insert(SERVICE_TAG, &target.name);
    }
    with_tags(mesh, &tags)
}

/// The policy whose selector for the inbound fits best; of equal ones the one created last, then the first by name
/// (Kuma `SelectInboundConnectionPolicy` in `pkg/core/policy/connection_matcher.go` at 2.14.3).
fn best_older<'a>(
    resources: &'a Resources,
    mesh: &str,
    tags: &Tags,
) -> Option<&'a TrafficPermission> {
    let all = &resources.traffic_permissions;
    let places = all.about(&sought(mesh, tags)).into_iter();
    let policies = places.filter_map(|(place, _)| all.get(place));
    policies
        .filter(|policy| policy.meta.mesh == mesh)
        .filter_map(|policy| Some((best_rank(&policy.spec.destinations, tags)?, policy)))
        .max_by_key(|(rank, policy)| (*rank, &policy.meta.created, Reverse(&policy.meta.name)))
        .map(|(_, policy)| &policy.spec)
}

/// Where the older kind holds for any inbound of a Dataplane, it holds for all of them.
fn by_tags(mesh: &str, policy: Option<&TrafficPermission>) -> Permission {
    let sources = policy.map(|policy| policy.sources.as_slice());
    let allowed = sources
        .unwrap_or_default()
        .iter()
        .map(|source| Clients::of(with_tags(mesh, &source.tags)));
    Permission {
        refusal: Refusal::Close,
        allowed: allowed.collect(),
        ..Permission::default()
    }
}

fn with_tags(mesh: &str, tags: &Tags) -> Who {
    let tags = tags.iter().filter(|(_, value)| *value != "*");
    let has = tags.map(|(name, value)| match name {
        SERVICE_TAG => Who::Is(SpiffeIds::service(mesh, value)),
        _ => Who::Has(name.to_owned(), value.to_owned()),
    });
    all(has.collect())
}

fn all(mut sets: Vec<Who>) -> Who {
    match sets.len() {
        0 => Who::Anyone,
        1 => sets.remove(0),
        _ => Who::All(sets),
    }
}

fn any(mut sets: Vec<Who>) -> Who {
    if sets.len() == 1 {
        return sets.remove(0);
    }
    Who::Any(sets)
}
