//! `MeshHTTPRoute`s on an outbound of a sidecar (Kuma `pkg/plugins/policies/meshhttproute/plugin/v1alpha1/listeners.go`
//! at 2.14.3).

use policy::Tags;

use super::build::Builder;
use super::merge::{self, Entries};
use crate::diagnostic::Diagnostic;
use crate::model::kuma::backends::Backends;
use crate::model::kuma::paths::{self, RulePath};
use crate::model::kuma::policies::Policies;
use crate::model::kuma::{Input, policies};
use crate::model::{Action, Forward, HostRewrite, Origin, Route, WeightedCluster};

/// An outbound, and where its requests go unless a rule says otherwise.
pub(in crate::model::kuma) struct RouteTarget<'a> {
    pub(in crate::model::kuma) service: &'a policies::Destination,
    pub(in crate::model::kuma) cluster: &'a str,
    pub(in crate::model::kuma) port: u16,
    pub(in crate::model::kuma) origin: &'a Origin,
}

/// Whether any rule is for requests to the service.
pub(in crate::model::kuma) fn any_is_for(
    input: Input<'_>,
    policies: &Policies<'_>,
    service: &policies::Destination,
) -> bool {
    let matched = matched(input, policies, service).into_iter();
    let mut entries = matched.flat_map(|(_, entries)| entries);
    entries.next().is_some()
}

/// The routes of an outbound. What no rule takes goes to the service itself.
pub(in crate::model::kuma) fn routes<'a>(
    input: Input<'a>,
    policies: &Policies<'_>,
    to: &RouteTarget<'_>,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Route> {
    let rules = merge::rules(&matched(input, policies, to.service));
    let is_outside = backends.is_outside(to.cluster);
    let mut builder = Builder {
        input,
        listener: &Tags::default(),
        port: to.port,
        backends,
        otherwise: Some(to.cluster),
        findings,
    };
    let mut routes: Vec<_> = rules
        .iter()
        .flat_map(|(_, rule)| builder.routes(rule))
        .collect();
    let forward = Action::Forward(Forward {
        clusters: vec![WeightedCluster {
            cluster: to.cluster.to_owned(),
            weight: 1,
            changes: None,
        }],
        host: is_outside.then_some(HostRewrite::ToBackend),
        ..Forward::default()
    });
    let all = Route::new(forward, to.origin.clone());
    if rules.is_empty() {
        return vec![all];
    }
    routes.push((RulePath::Prefix("/".to_owned()), all));
    paths::routes(routes)
}

/// The policies for the proxy, with their entries for requests to the service.
fn matched<'a>(
    input: Input<'a>,
    policies: &Policies<'_>,
    service: &policies::Destination,
) -> Vec<Entries<'a>> {
    let all = &input.resources.mesh_http_routes;
    let mut matched = policies.about(all, policies::To::Destination(service));
    for (route, entries) in &mut matched {
        entries.retain(|entry| {
            let target = route
                .spec
                .to
                .get(*entry)
                .and_then(|to| to.target_ref.as_ref());
            target.is_some_and(|target| service.is_named_by(target))
        });
    }
    matched
}
