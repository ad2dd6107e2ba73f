//! What a route does with its requests.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{DataSource, RuntimeFractionalPercent};
use envoy_types::pb::envoy::config::route::v3::redirect_action::{
    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
};
use envoy_types::pb::envoy::config::route::v3::route::Action as EnvoyAction;
use envoy_types::pb::envoy::config::route::v3::route_action::{
    ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier, RequestMirrorPolicy,
};
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, RedirectAction, RouteAction, WeightedCluster,
    weighted_cluster::{ClusterWeight, cluster_weight},
};
use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use envoy_types::pb::envoy::r#type::v3::{FractionalPercent, fractional_percent::DenominatorType};

use ::policy::telemetry::CLUSTER_HEADER;

use super::added;
use super::matches::regex;
use crate::envoy::proto;
use crate::model::{
    self, Action, Body, Dialect, Forward, HostRewrite, Mirror, PathRewrite, Redirect,
};

pub(super) fn of(dialect: Dialect, action: &Action) -> EnvoyAction {
    match action {
        Action::Respond { status, body } => EnvoyAction::DirectResponse(DirectResponseAction {
            status: (*status).into(),
            body: source(body),
            ..DirectResponseAction::default()
        }),
        Action::Redirect(to) => EnvoyAction::Redirect(redirect(to)),
        Action::Forward(to) => EnvoyAction::Route(forward(dialect, to)),
        Action::ForwardAsDecided => EnvoyAction::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::ClusterHeader(CLUSTER_HEADER.to_owned())),
            cluster_not_found_response_code: ClusterNotFoundResponseCode::InternalServerError
                .into(),
            ..RouteAction::default()
        }),
    }
}

fn source(body: &Body) -> Option<DataSource> {
    match body {
        Body::Text(text) => (!text.is_empty()).then(|| proto::inline(text)),
        Body::Bytes(bytes) => (!bytes.is_empty()).then(|| proto::inline_bytes(bytes.clone())),
    }
}

fn forward(dialect: Dialect, to: &Forward) -> RouteAction {
    let mut action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: to.clusters.iter().map(cluster_weight).collect(),
            ..WeightedCluster::default()
        })),
        cluster_not_found_response_code: match dialect {
            Dialect::Kuma => ClusterNotFoundResponseCode::InternalServerError.into(),
            Dialect::Istio => ClusterNotFoundResponseCode::ServiceUnavailable.into(),
        },
        host_rewrite_specifier: to.host.as_ref().map(|host| match host {
            HostRewrite::To(host) => HostRewriteSpecifier::HostRewriteLiteral(host.clone()),
            HostRewrite::ToBackend => HostRewriteSpecifier::AutoHostRewrite(proto::boolean(true)),
        }),
        request_mirror_policies: to.mirrors.iter().map(|to| mirror(dialect, to)).collect(),
        idle_timeout: (dialect == Dialect::Kuma).then(|| proto::duration(Duration::from_secs(5))),
        ..RouteAction::default()
    };
    match &to.path {
        None => {}
        Some(PathRewrite::Full(path)) => action.regex_rewrite = Some(whole(path)),
        Some(PathRewrite::Prefix(path)) => action.prefix_rewrite.clone_from(path),
        Some(PathRewrite::Regex {
            pattern,
            substitution,
        }) => action.regex_rewrite = Some(substitute(pattern, substitution)),
    }
    action
}

/// Without Kuma's header `x-kuma-tags`: its route configuration removes it again before a backend gets it.
fn cluster_weight(cluster: &model::WeightedCluster) -> ClusterWeight {
    let changes = cluster.changes.as_deref().cloned().unwrap_or_default();
    ClusterWeight {
        name: cluster.cluster.clone(),
        weight: Some(proto::number(cluster.weight)),
        request_headers_to_add: added(&changes.request),
        request_headers_to_remove: changes.request.remove,
        response_headers_to_add: added(&changes.response),
        response_headers_to_remove: changes.response.remove,
        host_rewrite_specifier: changes
            .host
            .map(cluster_weight::HostRewriteSpecifier::HostRewriteLiteral),
        ..ClusterWeight::default()
    }
}

fn substitute(pattern: &str, substitution: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute {
        pattern: Some(regex(pattern)),
        substitution: substitution.to_owned(),
    }
}

/// Envoy's way to replace a whole path, whose query it leaves alone.
fn whole(path: &str) -> RegexMatchAndSubstitute {
    // `\1` would be a group.
    substitute(".*", &path.replace('\\', r"\\"))
}

fn mirror(dialect: Dialect, mirror: &Mirror) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: mirror.cluster.clone(),
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(fraction(mirror.percent)),
            ..RuntimeFractionalPercent::default()
        }),
        disable_shadow_host_suffix_append: dialect == Dialect::Istio,
        ..RequestMirrorPolicy::default()
    }
}

/// In millionths, which is as fine as Envoy has it, unless whole percents do.
fn fraction(percent: f64) -> FractionalPercent {
    let (scale, denominator) = if percent.fract() == 0.0 {
        (1.0, DenominatorType::Hundred)
    } else {
        (10_000.0, DenominatorType::Million)
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "percentages are between 0 and 100"
    )]
    let numerator = (percent * scale).round() as u32;
    FractionalPercent {
        numerator,
        denominator: denominator.into(),
    }
}

fn redirect(to: &Redirect) -> RedirectAction {
    RedirectAction {
        scheme_rewrite_specifier: to
            .scheme
            .clone()
            .map(SchemeRewriteSpecifier::SchemeRedirect),
        host_redirect: to.host.clone().unwrap_or_default(),
        port_redirect: to.port.into(),
        path_rewrite_specifier: to.path.as_ref().map(|path| match path {
            PathRewrite::Full(path) if to.keeps_query => {
                PathRewriteSpecifier::PathRedirect(path.clone())
            }
            PathRewrite::Full(path) => PathRewriteSpecifier::RegexRewrite(whole(path)),
            PathRewrite::Prefix(path) => PathRewriteSpecifier::PrefixRewrite(path.clone()),
            PathRewrite::Regex {
                pattern,
                substitution,
            } => PathRewriteSpecifier::RegexRewrite(substitute(pattern, substitution)),
        }),
        strip_query: !to.keeps_query,
        response_code: match to.status {
            301 => RedirectResponseCode::MovedPermanently,
            303 => RedirectResponseCode::SeeOther,
            307 => RedirectResponseCode::TemporaryRedirect,
            308 => RedirectResponseCode::PermanentRedirect,
            _ => RedirectResponseCode::Found,
        }
        .into(),
    }
}
