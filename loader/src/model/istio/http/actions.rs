//! What happens to the requests of an entry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::policies;
use crate::diagnostic::Code;
use crate::model::istio::delegates::Entry;
use crate::model::istio::ports::Maker;
use crate::model::istio::servers::GatewayServer;
use crate::model::policy::HashKey;
use crate::model::{
    Action, BackendChanges, Body, Forward, HeaderChanges, HostRewrite, Mirror, PathRewrite,
    Redirect, Route, WeightedCluster,
};
use crate::resources::istio::http_route::{
    HeaderOperations, Headers, HttpDirectResponse, HttpRedirect, HttpRewrite, RedirectPort,
};

/// The route of an entry for all requests; nothing if it does nothing.
pub(super) fn route<'a>(
    maker: &mut Maker<'a, '_>,
    entry: &Entry<'a>,
    server: &GatewayServer<'a>,
) -> Option<Route> {
    let Entry {
        service,
        path,
        route: written,
        ..
    } = entry;
    let mut hash_keys = Vec::new();
    let action = if let Some(redirect) = &written.redirect {
        let Some(redirect) = redirection(redirect, server) else {
            let message = "redirectCode: Envoy sends 301, 302, 303, 307 and 308 only";
            let path = path.field("redirect").field("redirectCode");
            maker
                .findings
                .push(service.error(Code::NotServedField, &path, message));
            return None;
        };
        Action::Redirect(redirect)
    } else if let Some(response) = &written.direct_response {
        answer(response)?
    } else {
        Action::Forward(forward(maker, entry, server, &mut hash_keys)?)
    };
    let mut route = Route::new(action, maker.input.origin(service, path));
    route.name.clone_from(&written.name);
    let (request, response, _) = changes(written.headers.as_ref());
    route.request_headers = request;
    route.response_headers = response;
    route.policy = policies::of(maker, service, written, path, hash_keys);
    Some(route)
}

fn forward<'a>(
    maker: &mut Maker<'a, '_>,
    entry: &Entry<'a>,
    server: &GatewayServer<'a>,
    hash_keys: &mut Vec<HashKey>,
) -> Option<Forward> {
    let written = &entry.route;
    let only = written.route.len() == 1;
    let mut clusters = Vec::new();
    for (index, to) in written.route.iter().enumerate() {
        let weight = u32::try_from(to.weight).unwrap_or_default();
        let Some(destination) = &to.destination else {
            continue;
        };
        // Istio leaves out what gets nothing.
        if weight == 0 && !only {
            continue;
        }
        let path = entry.path.field("route").index(index).field("destination");
        let found = maker.clusters.of(
            destination,
            entry.service,
            &path,
            server.number,
            maker.findings,
        );
        if found.calls.tunnels.alone.is_some() {
            let message = "requests do not go through the tunnel of its DestinationRule";
            let finding = entry
                .service
                .warning(Code::TunnelWithoutEffect, &path, message);
            maker.findings.push(finding);
        }
        if hash_keys.is_empty() {
            *hash_keys = found.calls.hash_keys;
        }
        let (request, response, host) = changes(to.headers.as_ref());
        let own = BackendChanges {
            request,
            response,
            host,
        };
        clusters.push(WeightedCluster {
            cluster: found.name,
            weight: if only { 1 } else { weight },
            changes: (own != BackendChanges::default()).then(|| Box::new(own)),
        });
    }
    let rewrite = written.rewrite.as_ref();
    let authority = rewrite.map(|rewrite| rewrite.authority.clone());
    let (_, _, host) = changes(written.headers.as_ref());
    let host = authority.filter(|host| !host.is_empty()).or(host);
    if host.is_some() {
        // The host of the route comes before that of one destination.
        for changes in clusters.iter_mut().filter_map(|c| c.changes.as_mut()) {
            changes.host = None;
        }
    }
    if clusters.is_empty() {
        return None;
    }
    Some(Forward {
        clusters,
        path: rewrite.and_then(path_rewrite),
        host: host.map(HostRewrite::To),
        mirrors: mirrors(maker, entry, server),
    })
}

fn mirrors<'a>(
    maker: &mut Maker<'a, '_>,
    entry: &Entry<'a>,
    server: &GatewayServer<'a>,
) -> Vec<Mirror> {
    let (written, path) = (&entry.route, &entry.path);
    let whole = written.mirror_percent.map(f64::from);
    let share = written.mirror_percentage.map(|percent| percent.value);
    let single = written.mirror.iter().map(|to| {
        let share = share.or(whole).unwrap_or(100.0);
        (to, share, path.field("mirror"))
    });
    let listed = written
        .mirrors
        .iter()
        .enumerate()
        .filter_map(|(index, mirror)| {
            let share = mirror.percentage.map_or(100.0, |percent| percent.value);
            let path = path.field("mirrors").index(index).field("destination");
            Some((mirror.destination.as_ref()?, share, path))
        });
    let all: Vec<_> = single.chain(listed).collect();
    let copied = all.into_iter().filter(|(_, share, _)| *share > 0.0);
    copied
        .map(|(to, percent, path)| {
            let found = maker
                .clusters
                .of(to, entry.service, &path, server.number, maker.findings);
            Mirror {
                cluster: found.name,
                percent,
            }
        })
        .collect()
}

/// Envoy puts it in place of what the route's match took: the whole path for `exact` and `regex`.
fn path_rewrite(rewrite: &HttpRewrite) -> Option<PathRewrite> {
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        return Some(PathRewrite::Regex {
            pattern: regex.pattern.clone(),
            substitution: regex.rewrite.clone(),
        });
    }
    (!rewrite.uri.is_empty()).then(|| PathRewrite::Prefix(rewrite.uri.clone()))
}

fn redirection(redirect: &HttpRedirect, server: &GatewayServer<'_>) -> Option<Redirect> {
    let status = match redirect.redirect_code {
        0 => 301,
        code @ (301 | 302 | 303 | 307 | 308) => u16::try_from(code).ok()?,
        _ => return None,
    };
    let is_default = matches!(
        (redirect.scheme.as_str(), server.number),
        ("http", 80) | ("https", 443)
    );
    let port = match (redirect.port, redirect.derive_port) {
        (Some(port), _) => u16::try_from(port).unwrap_or_default(),
        (None, Some(RedirectPort::RequestPort)) if !is_default => server.number,
        _ => 0,
    };
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let whole = some(&redirect.uri).map(PathRewrite::Full);
    Some(Redirect {
        status,
        scheme: some(&redirect.scheme),
        host: some(&redirect.authority),
        port,
        path: whole.or_else(|| some(&redirect.prefix_rewrite).map(PathRewrite::Prefix)),
        keeps_query: true,
    })
}

/// Nothing for a status or bytes that are none, which validation names.
fn answer(response: &HttpDirectResponse) -> Option<Action> {
    let body = response.body.clone().unwrap_or_default();
    let body = match (body.string, body.bytes) {
        (Some(text), _) => Body::Text(text),
        (None, Some(bytes)) => Body::Bytes(STANDARD.decode(bytes).ok()?),
        (None, None) => Body::Text(String::new()),
    };
    Some(Action::Respond {
        status: u16::try_from(response.status).ok()?,
        body,
    })
}

/// Changes of request and response, and the host that the service sees: `host` and `:authority` among the headers of
/// the request are that. Other names with `:` are left out, as in Istio.
fn changes(headers: Option<&Headers>) -> (HeaderChanges, HeaderChanges, Option<String>) {
    let of = |operations: Option<&HeaderOperations>| {
        let operations = operations.cloned().unwrap_or_default();
        let kept = |name: &String| !name.starts_with(':') && !is_host(name);
        HeaderChanges {
            set: operations
                .set
                .into_iter()
                .filter(|(n, _)| kept(n))
                .collect(),
            add: operations
                .add
                .into_iter()
                .filter(|(n, _)| kept(n))
                .collect(),
            remove: operations.remove.into_iter().filter(kept).collect(),
        }
    };
    let request = headers.and_then(|headers| headers.request.as_ref());
    let response = headers.and_then(|headers| headers.response.as_ref());
    let host = request.and_then(|request| {
        let mut names = request.set.iter().chain(&request.add);
        names
            .find(|(name, _)| is_host(name))
            .map(|(_, host)| host.clone())
    });
    (of(request), of(response), host)
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}
