//! Which policies hold for a listener, and what they say together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ::policy::Tags;

use crate::model::kuma::mesh_external_services::labels;
use crate::model::kuma::select::{best_rank, display_name, precedence};
use crate::model::kuma::services::external_name;
use crate::model::kuma::{SERVICE_TAG, of_mesh};
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::policy::{ClientMatch, Connection, Overlay, Policy};
use crate::resources::{Resource, Resources};

/// The policies of a proxy's mesh, seen from a listener.
pub(in crate::model::kuma) struct Policies<'a> {
    /// All resources.
    pub(super) resources: &'a Resources,
    side: Side<'a>,
    /// The merged tags of the listener; of several if they share their connections. On a sidecar the tags of the
    /// inbound; of all inbounds for what leaves it.
    listeners: &'a [Tags],
}

/// The proxy that policies are for.
#[derive(Clone, Copy)]
pub(in crate::model::kuma) enum Side<'a> {
    /// A built-in gateway.
    Gateway(&'a Resource<MeshGateway>),
    /// The proxy next to a service, with the names of the inbounds in question.
    Sidecar(&'a Resource<Dataplane>, &'a [String]),
    /// An egress, asked for services of this mesh. The listeners' tags are those of the services; without any, policies
    /// are asked what they say about a service, whoever calls it.
    Egress(&'a str),
}

impl Side<'_> {
    fn mesh(&self) -> &str {
        match self {
            Self::Gateway(gateway) => &gateway.meta.mesh,
            Self::Sidecar(dataplane, _) => &dataplane.meta.mesh,
            Self::Egress(mesh) => mesh,
        }
    }

    /// In `proxyTypes`. A gateway of somebody else has a sidecar, and still is one.
    fn proxy_type(&self) -> &'static str {
        match self {
            Self::Sidecar(dataplane, _) if dataplane.spec.networking.gateway.is_none() => "Sidecar",
            _ => "Gateway",
        }
    }

    /// Whether a `targetRef` of the kind `Dataplane` means it, and how narrowly.
    fn is_dataplane(&self, target: &TargetRef) -> Option<usize> {
        let Self::Sidecar(dataplane, sections) = self else {
            return None;
        };
        let meta = &dataplane.meta;
        let section = target.section_name.as_str();
        if !section.is_empty() && !sections.iter().any(|name| name == section) {
            return None;
        }
        let (is_meant, narrow) = if target.name.is_empty() {
            let mut labels = target.labels.iter();
            let has = labels.all(|(name, value)| meta.labels.get(name) == Some(value));
            (has, usize::from(!target.labels.is_empty()))
        } else {
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            let fits = target.namespace.is_empty() || target.namespace == namespace;
            (target.name == display_name(meta) && fits, 2)
        };
        is_meant.then(|| 2 * narrow + usize::from(!section.is_empty()))
    }
}

/// What a policy's `to` is asked about.
#[derive(Clone, Copy)]
pub(super) enum To<'a> {
    /// Requests of the route resource `MeshHTTPRoute/<mesh>/<name>`, whichever service they go to.
    Route(&'a str),
    /// All requests of a listener.
    Listener,
    /// Connections to this `kuma.io/service`.
    Service(&'a str),
    /// What a sidecar sends to this service.
    Destination(&'a Destination),
}

/// What a sidecar calls, as policies name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::model::kuma) struct Destination {
    /// `MeshService`, `MeshMultiZoneService` or `MeshExternalService`.
    pub(in crate::model::kuma) kind: String,
    /// The name of the resource; of a service without one its `kuma.io/service`.
    pub(in crate::model::kuma) name: String,
    /// Its `kuma.io/service`, or what Kuma writes there for a resource.
    pub(in crate::model::kuma) kuma_service: String,
    /// The other name of the resource, `kuma.io/display-name`; empty if it has none.
    pub(in crate::model::kuma) display_name: String,
    /// Its namespace; empty if it has none.
    pub(in crate::model::kuma) namespace: String,
    /// The labels that policies know it by.
    pub(in crate::model::kuma) labels: BTreeMap<String, String>,
}

impl Destination {
    /// The service with these tags.
    pub(in crate::model::kuma) fn of_tags(tags: &Tags) -> Self {
        let service = tags.get(SERVICE_TAG).unwrap_or_default();
        Self {
            kind: "MeshService".to_owned(),
            name: service.to_owned(),
            kuma_service: service.to_owned(),
            ..Self::default()
        }
    }

    /// A service outside of the mesh.
    pub(in crate::model::kuma) fn outside(service: &Resource<MeshExternalService>) -> Self {
        let meta = &service.meta;
        Self {
            kind: meta.kind.clone(),
            name: meta.name.clone(),
            kuma_service: external_name(service),
            display_name: display_name(meta).to_owned(),
            namespace: meta.namespace().to_owned(),
            labels: labels(meta),
        }
    }

    /// Whether a `targetRef` in `to` means it.
    pub(in crate::model::kuma) fn is_named_by(&self, target: &TargetRef) -> bool {
        if target.kind != self.kind {
            return false;
        }
        if target.name.is_empty() {
            let mut labels = target.labels.iter();
            return !target.labels.is_empty()
                && labels.all(|(name, value)| self.labels.get(name) == Some(value));
        }
        let is_elsewhere = |namespace: &str| !namespace.is_empty() && namespace != target.namespace;
        [&self.name, &self.display_name].contains(&&target.name)
            && (target.namespace.is_empty() || !is_elsewhere(&self.namespace))
    }

    /// For policies that know tags only.
    pub(in crate::model::kuma) fn tags(&self) -> Tags {
        [(SERVICE_TAG, &self.kuma_service)].into_iter().collect()
    }
}

impl<'a> Policies<'a> {
    pub(super) fn new(resources: &'a Resources, side: Side<'a>, listener: &'a Tags) -> Self {
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
        }
    }

    /// What the policies' `to` says together. Nothing if none says anything.
    pub(super) fn outbound<C: Overlay + Default>(
        &self,
        all: &[Resource<Policy<C>>],
        to: To<'_>,
    ) -> Option<C> {
        let route = match to {
            To::Route(route) => Some(route),
            To::Service(_) | To::Destination(_) | To::Listener => None,
        };
        let policies = self.matched(all, |policy| policy.target_ref.as_ref(), route);
        let entries = policies.into_iter().flat_map(|policy| {
            let mesh = policy.meta.mesh.as_str();
            let entries = policy.spec.to.iter();
            entries.filter(move |entry| is_for(&entry.target_ref, mesh, to))
        });
        merged(entries.map(|entry| &entry.conf))
    }

    /// What the policies' `rules`, or the older `from`, say together for all clients.
    pub(super) fn inbound<C: Overlay + Default>(&self, all: &[Resource<Policy<C>>]) -> Option<C> {
        let policies = self.matched(all, |policy| policy.target_ref.as_ref(), None);
        let is_gateway = matches!(self.side, Side::Gateway(_));
        merged(policies.into_iter().flat_map(|policy| {
            let rules = policy.spec.rules.iter();
            let is_egress = matches!(self.side, Side::Egress(_));
            let rules = rules.filter(move |rule| rule.matches.is_empty() && !is_egress);
            let from = policy.spec.from.iter();
            let from = from.filter(|entry| is_gateway || entry.target_ref.kind == "Mesh");
            rules
                .map(|rule| &rule.conf)
                .chain(from.map(|entry| &entry.conf))
        }))
    }

    /// What the policies' `rules`, or the older `from`, say each for itself, with the clients that it is for.
    pub(super) fn each_inbound<'p, C>(
        &self,
        all: &'p [Resource<Policy<C>>],
    ) -> impl Iterator<Item = (&'p [ClientMatch], &'p C)> + use<'p, C> {
        let policies = self.matched(all, |policy| policy.target_ref.as_ref(), None);
        let is_gateway = matches!(self.side, Side::Gateway(_));
        policies.into_iter().flat_map(move |policy| {
            let rules = policy.spec.rules.iter();
            let rules = rules.map(|rule| (&*rule.matches, &rule.conf));
            let from = policy.spec.from.iter();
            let from = from.filter(move |entry| is_gateway || entry.target_ref.kind == "Mesh");
            rules.chain(from.map(|entry| (&[][..], &entry.conf)))
        })
    }

    /// The policies that hold, the one that wins last.
    ///
    /// First by kind, then as [`precedence`] says.
    pub(in crate::model::kuma) fn matched<'p, T>(
        &self,
        all: &'p [Resource<T>],
        target: impl Fn(&T) -> Option<&TargetRef>,
        route: Option<&str>,
    ) -> Vec<&'p Resource<T>> {
        let mut matched: Vec<_> = of_mesh(all, self.side.mesh())
            .filter(|policy| !policy.meta.is_shadow())
            .filter_map(|policy| {
                let rank = self.rank(target(&policy.spec), &policy.meta.mesh, route)?;
                Some((rank, policy))
            })
            .collect();
        matched.sort_by_key(|((kind, tags), policy)| (*kind, precedence(&policy.meta, *tags)));
        matched.into_iter().map(|(_, policy)| policy).collect()
    }

    /// How a `targetRef` reaches the listener: its place among the kinds, of the same kind how narrowly it means a
    /// Dataplane; and for gateways the number of tags.
    fn rank(
        &self,
        target: Option<&TargetRef>,
        mesh: &str,
        route: Option<&str>,
    ) -> Option<((usize, usize), usize)> {
        let Some(target) = target else {
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
        let has = |tags: &Tags| self.listeners.iter().any(|l| l.matched_by(tags));
        let is_service = || {
            let mut services = self.listeners.iter().filter_map(|l| l.get(SERVICE_TAG));
            services.any(|service| service == target.name)
        };
        let is_reached = match target.kind.as_str() {
            _ if is_egress && self.listeners.is_empty() => true,
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
            "MeshHTTPRoute" => route == Some(&*route_name(mesh, target)),
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

    /// The policy with sources and destinations for connections to `destination`: the one whose selectors for both
    /// sides fit best, of equal ones the one created last (Kuma
    /// `pkg/plugins/runtime/gateway/connection_policy_generator.go` at 2.14.3), then the first by name.
    pub(super) fn connection<'p, C>(
        &self,
        all: &'p [Resource<Connection<C>>],
        destination: &Tags,
    ) -> Option<&'p Resource<Connection<C>>> {
        of_mesh(all, self.side.mesh())
            .filter_map(|policy| {
                let sources = self.listeners.iter();
                let source = sources
                    .filter_map(|l| best_rank(&policy.spec.sources, l))
                    .max()?;
                let rank = source.with(best_rank(&policy.spec.destinations, destination)?);
                Some((rank, policy))
            })
            .max_by_key(|(rank, policy)| (*rank, &policy.meta.created, Reverse(&policy.meta.name)))
            .map(|(_, policy)| policy)
    }

    /// The policy with sources and destinations for everybody who connects to `destination`: the one whose selectors
    /// for the destination fit best.
    pub(super) fn for_all_sources<'p, C>(
        &self,
        all: &'p [Resource<Connection<C>>],
        destination: &Tags,
    ) -> Option<&'p Resource<Connection<C>>> {
        of_mesh(all, self.side.mesh())
            .filter(|policy| has_any_source(&policy.spec))
            .filter_map(|policy| Some((best_rank(&policy.spec.destinations, destination)?, policy)))
            .max_by_key(|(rank, policy)| (*rank, &policy.meta.created, Reverse(&policy.meta.name)))
            .map(|(_, policy)| policy)
    }

    /// The policies with sources and destinations for some who connect to the inbound, and not for everybody.
    pub(super) fn for_some_sources<'p, C>(
        &self,
        all: &'p [Resource<Connection<C>>],
    ) -> impl Iterator<Item = &'p Resource<Connection<C>>> {
        of_mesh(all, self.side.mesh()).filter(|policy| {
            let mut inbounds = self.listeners.iter();
            !has_any_source(&policy.spec)
                && inbounds.any(|tags| best_rank(&policy.spec.destinations, tags).is_some())
        })
    }

    /// The policy with sources and destinations for a route to all of `destinations`: one for all services if any of
    /// them has such a one, and else the oldest (Kuma `BestConnectionPolicyForDestination` at 2.14.3).
    pub(super) fn connection_of_route<'p, C>(
        &self,
        all: &'p [Resource<Connection<C>>],
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

fn has_any_source<C>(policy: &Connection<C>) -> bool {
    let is_any = |tags: &Tags| tags.iter().all(|(_, value)| value == "*");
    policy.sources.iter().any(|source| is_any(&source.tags))
}

fn merged<'c, C: Overlay + Default + 'c>(confs: impl Iterator<Item = &'c C>) -> Option<C> {
    confs.fold(None, |sum: Option<C>, conf| {
        let mut sum = sum.unwrap_or_default();
        sum.overlay(conf);
        Some(sum)
    })
}

fn is_for(target: &TargetRef, mesh: &str, to: To<'_>) -> bool {
    match (target.kind.as_str(), to) {
        ("Mesh", _) => true,
        ("MeshService", To::Service(service)) => target.name == service,
        (_, To::Destination(service)) => service.is_named_by(target),
        ("MeshHTTPRoute", To::Route(route)) => *route == route_name(mesh, target),
        _ => false,
    }
}

fn route_name(mesh: &str, target: &TargetRef) -> String {
    format!("MeshHTTPRoute/{mesh}/{}", target.name)
}
