//! From a rule of a `MeshHTTPRoute` to routes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use policy::Tags;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::merge::{Merged, Place};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::kuma::backends::Backends;
use crate::model::kuma::effects::{Effects, shares};
use crate::model::kuma::paths::RulePath;
use crate::model::{
    HeaderChanges, HeaderMatch, HeaderTest, HostRewrite, Mirror, Origin, Part, PathRewrite,
    QueryMatch, QueryTest, Redirect, Route,
};
use crate::resources::kuma::mesh_http_route::{
    self, BackendRef, Filter, HeaderModifier, Match, RequestMirror, RequestRedirect,
};
use crate::source::Path;

/// Makes routes for one listener.
pub(super) struct Builder<'a, 'b> {
    pub(super) input: Input<'a>,
    pub(super) listener: &'b Tags,
    pub(super) port: u16,
    pub(super) backends: &'b mut Backends<'a>,
    /// The cluster of rules that name no backend.
    pub(super) otherwise: Option<&'b str>,
    pub(super) findings: &'b mut Vec<Diagnostic>,
}

impl Builder<'_, '_> {
    /// A route for each match of the rule.
    pub(super) fn routes(&mut self, merged: &Merged<'_>) -> Vec<(RulePath, Route)> {
        let origin = self.input.origin(merged.rule.resource, &merged.rule.path());
        let mut effects = Effects::default();
        if let Some(place) = &merged.backends {
            self.backends(place, &origin, &mut effects);
        }
        if let Some(place) = &merged.filters {
            let filters = place.rule.conf.filters.as_deref().unwrap_or_default();
            for (index, filter) in filters.iter().enumerate() {
                let path = place.path().field("default").field("filters").index(index);
                self.filter(filter, place, &path, &origin, &mut effects);
            }
        }
        if let (None, None, Some(cluster)) = (&merged.backends, &effects.redirect, self.otherwise) {
            effects.clusters = shares([(cluster.to_owned(), 1)], false);
        }
        let matches = &merged.rule.rule.matches;
        let others = merged.others.iter();
        let route = Route {
            name: name(matches),
            also: others.map(|place| self.part(merged, place)).collect(),
            ..effects.into_route(origin)
        };
        matches.iter().map(|m| matched(m, route.clone())).collect()
    }

    fn backends(&mut self, place: &Place<'_>, origin: &Origin, effects: &mut Effects) {
        let path = place.path().field("default").field("backendRefs");
        let refs = place.rule.conf.backend_refs.as_deref().unwrap_or_default();
        let mut clusters = Vec::with_capacity(refs.len());
        for (index, backend) in refs.iter().enumerate() {
            let cluster = self.cluster(backend, place, &path.index(index), origin);
            clusters.push((cluster, backend.weight.unwrap_or(1)));
        }
        effects.clusters = shares(clusters, false);
    }

    /// A rule with the same matches, of which another one's filters and backends may be all that serves.
    fn part(&self, merged: &Merged<'_>, place: &Place<'_>) -> Part {
        let mut serving = merged.filters.iter().chain(&merged.backends);
        Part {
            origin: self.input.origin(place.resource, &place.path()),
            serves: serving.any(|other| std::ptr::eq(other.rule, place.rule)),
        }
    }

    fn filter(
        &mut self,
        filter: &Filter,
        place: &Place<'_>,
        path: &Path,
        origin: &Origin,
        effects: &mut Effects,
    ) {
        if let Some(redirect) = &filter.request_redirect {
            effects.redirect = Some(self.redirect(redirect));
        } else if let Some(mirror) = &filter.request_mirror {
            let path = path.field("requestMirror").field("backendRef");
            effects.mirror = percent(mirror).map(|percent| Mirror {
                cluster: self.cluster(&mirror.backend_ref, place, &path, origin),
                percent,
            });
        } else if let Some(changes) = &filter.request_header_modifier {
            change(&mut effects.request_headers, changes);
        } else if let Some(changes) = &filter.response_header_modifier {
            change(&mut effects.response_headers, changes);
        } else if let Some(rewrite) = &filter.url_rewrite {
            effects.path = rewrite.path.as_ref().and_then(path_rewrite);
            effects.host = match &rewrite.hostname {
                Some(name) => Some(HostRewrite::To(name.clone())),
                None => rewrite
                    .host_to_backend_hostname
                    .unwrap_or_default()
                    .then_some(HostRewrite::ToBackend),
            };
        }
    }

    /// The port is the listener's where none is given: that of `https` has to be written.
    fn redirect(&self, redirect: &RequestRedirect) -> Redirect {
        let port = redirect.port.and_then(|port| u16::try_from(port).ok());
        let status = redirect.status_code.unwrap_or(302);
        Redirect {
            status: u16::try_from(status).unwrap_or(302),
            scheme: redirect.scheme.clone(),
            host: redirect.hostname.clone(),
            port: port.filter(|&port| port > 0).unwrap_or(self.port),
            path: redirect.path.as_ref().and_then(path_rewrite),
            keeps_query: false,
        }
    }

    fn cluster(
        &mut self,
        backend: &BackendRef,
        place: &Place<'_>,
        path: &Path,
        origin: &Origin,
    ) -> String {
        let destination = self.backends.destination(backend);
        if let Some((message, help)) = self.backends.missing(&destination) {
            self.findings.push(
                place
                    .resource
                    .warning(Code::MissingBackend, &path.field("name"), message)
                    .help(help),
            );
        }
        self.backends.cluster(&destination, self.listener, origin)
    }
}

/// Of how many requests a copy is made; nothing for none.
fn percent(mirror: &RequestMirror) -> Option<f64> {
    let percent = match &mirror.percentage {
        None => 100.0,
        Some(written) => written.0.parse::<f64>().ok()?,
    };
    (percent > 0.0).then_some(percent.min(100.0))
}

fn path_rewrite(rewrite: &mesh_http_route::PathRewrite) -> Option<PathRewrite> {
    match rewrite.kind.as_str() {
        "ReplaceFullPath" => rewrite.replace_full_path.clone().map(PathRewrite::Full),
        _ => rewrite
            .replace_prefix_match
            .clone()
            .map(PathRewrite::Prefix),
    }
}

fn change(changes: &mut HeaderChanges, modifier: &HeaderModifier) {
    let pairs = |headers: &Option<Vec<mesh_http_route::Header>>| -> Vec<_> {
        let headers = headers.iter().flatten();
        headers.map(|h| (h.name.clone(), h.value.clone())).collect()
    };
    changes.set.extend(pairs(&modifier.set));
    changes.add.extend(pairs(&modifier.add));
    let removed = modifier.remove.iter().flatten();
    changes.remove.extend(removed.cloned());
}

/// The route for the requests of one match.
fn matched(m: &Match, route: Route) -> (RulePath, Route) {
    let path = match &m.path {
        None => RulePath::Prefix("/".to_owned()),
        Some(path) => match path.kind.as_str() {
            "Exact" => RulePath::Exact(path.value.clone()),
            "RegularExpression" => RulePath::Regex(path.value.clone()),
            _ => RulePath::Prefix(path.value.clone()),
        },
    };
    let header = |header: &mesh_http_route::HeaderMatch| {
        let value = header.value.clone();
        HeaderMatch {
            name: header.name.clone(),
            test: match header.kind.as_deref() {
                Some("RegularExpression") => HeaderTest::Regex(value),
                Some("Prefix") => HeaderTest::Prefix(value),
                Some("Present") => HeaderTest::Present,
                Some("Absent") => HeaderTest::Absent,
                _ => HeaderTest::Exact(value),
            },
        }
    };
    let query = |query: &mesh_http_route::QueryMatch| QueryMatch {
        name: query.name.clone(),
        test: match query.kind.as_str() {
            "RegularExpression" => QueryTest::Regex(query.value.clone()),
            _ => QueryTest::Exact(query.value.clone()),
        },
    };
    let route = Route {
        method: m.method.clone(),
        headers: m.headers.iter().map(header).collect(),
        query: m.query_params.iter().map(query).collect(),
        ..route
    };
    (path, route)
}

/// The name of a rule's routes: a hash of its matches as Kuma writes them in JSON (`HashMatches` at 2.14.3).
fn name(matches: &[Match]) -> String {
    let all: Vec<_> = matches.iter().map(written).collect();
    // As Go's `encoding/json` escapes.
    let json = format!("[{}]", all.join(","))
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e");
    STANDARD.encode(Sha256::digest(json))
}

/// A match with its fields in Kuma's order.
fn written(m: &Match) -> String {
    let mut fields = Vec::new();
    if let Some(path) = &m.path {
        let (value, kind) = (json!(path.value), json!(path.kind));
        fields.push(format!(r#""path":{{"value":{value},"type":{kind}}}"#));
    }
    if let Some(method) = &m.method {
        fields.push(format!(r#""method":{}"#, json!(method)));
    }
    if !m.query_params.is_empty() {
        let params = m.query_params.iter().map(|q| {
            let (kind, name, value) = (json!(q.kind), json!(q.name), json!(q.value));
            format!(r#"{{"type":{kind},"name":{name},"value":{value}}}"#)
        });
        let params: Vec<_> = params.collect();
        fields.push(format!(r#""queryParams":[{}]"#, params.join(",")));
    }
    if !m.headers.is_empty() {
        let headers = m.headers.iter().map(|h| {
            let mut fields = Vec::new();
            if let Some(kind) = &h.kind {
                fields.push(format!(r#""type":{}"#, json!(kind)));
            }
            fields.push(format!(r#""name":{}"#, json!(h.name)));
            if !h.value.is_empty() {
                fields.push(format!(r#""value":{}"#, json!(h.value)));
            }
            format!("{{{}}}", fields.join(","))
        });
        let headers: Vec<_> = headers.collect();
        fields.push(format!(r#""headers":[{}]"#, headers.join(",")));
    }
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name that Kuma's own golden file has (`gateway-real-mesh-service.routes.golden.yaml` at 2.14.3).
    #[test]
    fn routes_are_named_as_kuma_names_them() {
        let root = Match {
            path: Some(mesh_http_route::PathMatch {
                kind: "PathPrefix".to_owned(),
                value: "/".to_owned(),
            }),
            ..Match::default()
        };
        assert_eq!(
            name(&[root]),
            "9Zuf5Tg79OuZcQITwBbQykxAk2u4fRKrwYn3//AL4Yo="
        );
    }
}
