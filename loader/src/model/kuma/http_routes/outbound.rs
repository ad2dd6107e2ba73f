//! `MeshHTTPRoute`s on an outbound of a sidecar (Kuma `pkg/plugins/policies/meshhttproute/plugin/v1alpha1/listeners.go`
//! at 2.14.3).

use policy::Tags;

use super::build::Builder;
use super::merge;
use crate::diagnostic::Diagnostic;
use crate::model::kuma::backends::Backends;
use crate::model::kuma::paths::{self, RulePath};
use crate::model::kuma::policies::Policies;
use crate::model::kuma::{Input, policies};
use crate::model::{Action, Forward, Origin, Route, WeightedCluster};
use crate::resources::Resource;
use crate::resources::kuma::mesh_http_route::{MeshHttpRoute, To};

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
    let mut entries = matched(input, policies)
        .into_iter()
        .flat_map(|policy| &policy.spec.to);
    entries.any(|to| is_for(to, service))
}

/// The routes of an outbound. What no rule takes goes to the service itself.
pub(in crate::model::kuma) fn routes<'a>(
    input: Input<'a>,
    policies: &Policies<'_>,
    to: &RouteTarget<'_>,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Route> {
    let policies = matched(input, policies);
    let rules = merge::rules(&policies, |entry| is_for(entry, to.service));
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
        ..Forward::default()
    });
    let all = Route::new(forward, to.origin.clone());
    if rules.is_empty() {
        return vec![all];
    }
    routes.push((RulePath::Prefix("/".to_owned()), all));
    paths::routes(routes)
}

fn matched<'a>(input: Input<'a>, policies: &Policies<'_>) -> Vec<&'a Resource<MeshHttpRoute>> {
    let all = &input.resources.mesh_http_routes;
    policies.matched(all, |route| route.target_ref.as_ref(), None)
}

fn is_for(to: &To, service: &policies::Destination) -> bool {
    to.target_ref
        .as_ref()
        .is_some_and(|target| service.is_named_by(target))
}
