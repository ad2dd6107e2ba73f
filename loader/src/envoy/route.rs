//! Virtual hosts and routes.

mod action;
mod claims;
mod matches;

pub(super) use claims::claim;

use ::policy::HostPattern;
use ::policy::telemetry::CLUSTER_HEADER;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction::{
    self, AppendIfExistsOrAdd, OverwriteIfExistsOrAdd,
};
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::config::route::v3::route::Action as EnvoyAction;
use envoy_types::pb::envoy::config::route::v3::virtual_host::TlsRequirementType;
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, VirtualHost,
};

use super::access_log::Whose;
use super::hosts::Hosts;
use super::{policy, proto, sidecar};
use crate::model::policy::RoutePolicy;
use crate::model::{self, Action, Dialect, HeaderChanges, Listener, PathMatch, Port, Role};

/// The routes of all listeners of a port without TLS.
///
/// A listener has a virtual host for its hostname even if it has no routes for it: Envoy would go on to the virtual
/// host of a wider listener.
pub(super) fn shared<'a>(
    dialect: Dialect,
    port: &'a Port,
    hosts: &Hosts<'a>,
    whose: Whose<'_>,
) -> RouteConfiguration {
    let mut all: Vec<(&HostPattern, VirtualHost)> = Vec::new();
    for listener in &port.listeners {
        let named = |own: &model::VirtualHost| VirtualHost {
            metadata: Some(whose.metadata(listener, &own.origin)),
            ..virtual_host(dialect, own)
        };
        let own = hosts.own(listener);
        all.extend(own.map(|v| (&v.domain, named(v))));
        let domains = listener.virtual_hosts.iter().map(|v| &v.domain);
        let is_there = domains.into_iter().any(|d| *d == listener.hostname);
        // On Istio the servers of a port are one listener.
        if !is_there && dialect == Dialect::Kuma {
            all.push((&listener.hostname, named(&without_routes(listener))));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.exactness_order().cmp(&b.exactness_order()));
    // Services of a mesh call each other by `http`: the TLS between their proxies is none of their business.
    let is_tls = port.clients.is_some() && port.role == Role::Gateway;
    let virtual_hosts = all.into_iter().map(|(_, v)| v);
    let virtual_hosts = virtual_hosts
        .map(|v| if is_tls { only_tls(v) } else { v })
        .collect();
    let name = match (dialect, port.listeners.first()) {
        (Dialect::Istio, Some(listener)) => listener.name.clone(),
        _ => format!("{}:*", port.name),
    };
    configuration(dialect, name, virtual_hosts)
}

/// The routes of one listener of a TLS port, which answers for hosts of narrower listeners with 421: the client has
/// come with the wrong SNI.
pub(super) fn of_chain<'a>(
    dialect: Dialect,
    port: &Port,
    listener: &'a Listener,
    hosts: &Hosts<'a>,
) -> RouteConfiguration {
    let mut own: Vec<_> = hosts.own(listener).collect();
    own.sort_by(|a, b| a.domain.exactness_order().cmp(&b.domain.exactness_order()));
    let own = own.into_iter().map(|v| match dialect {
        Dialect::Kuma => only_tls(virtual_host(dialect, v)),
        Dialect::Istio => virtual_host(dialect, v),
    });
    let elsewhere = misdirected(&hosts.narrower(listener));
    let name = match dialect {
        Dialect::Kuma => format!("{}:{}", port.name, listener.hostname),
        Dialect::Istio => listener.name.clone(),
    };
    configuration(dialect, name, own.chain(elsewhere).collect())
}

/// The routes of a sidecar's port. A caller's tags are those of its proxy, whatever it writes itself; the service
/// behind an inbound does not get to see them, and nobody outside of the mesh does.
pub(super) fn of_sidecar<'a>(port: &'a Port, hosts: &Hosts<'a>) -> RouteConfiguration {
    let mut configuration = shared(Dialect::Kuma, port, hosts, Whose::Filter);
    let Role::Outbound(outbound) = &port.role else {
        return configuration;
    };
    let tags = header(
        "x-kuma-tags",
        &sidecar::tags_header(outbound),
        OverwriteIfExistsOrAdd,
    );
    let domains = port.listeners.iter().flat_map(|l| &l.virtual_hosts);
    let domains = domains.map(|host| &host.domain);
    let (outside, inside): (Vec<_>, Vec<_>) =
        domains.partition(|domain| outbound.leaves_the_mesh(domain));
    if outside.is_empty() {
        configuration.request_headers_to_remove = vec![CLUSTER_HEADER.to_owned()];
        configuration.request_headers_to_add = vec![tags];
    } else if !inside.is_empty() {
        // What the configuration does comes after what its hosts do.
        configuration.request_headers_to_remove = vec![CLUSTER_HEADER.to_owned()];
        let outside: Vec<_> = outside.into_iter().map(ToString::to_string).collect();
        for host in &mut configuration.virtual_hosts {
            if host.domains.iter().any(|domain| outside.contains(domain)) {
                host.request_headers_to_remove
                    .push("x-kuma-tags".to_owned());
            } else {
                host.request_headers_to_add.push(tags.clone());
            }
        }
    }
    configuration
}

/// The routes of a way out of a mesh. What a client writes about itself is for proxies, and goes no further.
pub(super) fn of_egress(listener: &Listener) -> RouteConfiguration {
    let hosts = listener.virtual_hosts.iter();
    let hosts = hosts
        .map(|host| virtual_host(Dialect::Kuma, host))
        .collect();
    let mut configuration = configuration(Dialect::Kuma, listener.name.clone(), hosts);
    let own = ["x-forwarded-for", "x-envoy-external-address"].map(str::to_owned);
    configuration.request_headers_to_remove.extend(own);
    configuration
}

fn configuration(
    dialect: Dialect,
    name: String,
    virtual_hosts: Vec<VirtualHost>,
) -> RouteConfiguration {
    let of_dialect = match dialect {
        // Only meshgate writes these headers, so no backend may get one that a client wrote. Trailers with such a name
        // go on, and lead nowhere: Envoy and the filters decide by headers.
        Dialect::Kuma => RouteConfiguration {
            request_headers_to_remove: vec!["x-kuma-tags".to_owned(), CLUSTER_HEADER.to_owned()],
            ..RouteConfiguration::default()
        },
        Dialect::Istio => RouteConfiguration {
            request_headers_to_remove: vec![CLUSTER_HEADER.to_owned()],
            max_direct_response_body_size_bytes: Some(proto::number(1_048_576)),
            ..RouteConfiguration::default()
        },
    };
    RouteConfiguration {
        name,
        virtual_hosts,
        // A reference to a missing cluster is a finding of the loader and a 500 for its requests, not the end of all.
        validate_clusters: Some(proto::boolean(false)),
        ignore_port_in_host_matching: true,
        ..of_dialect
    }
}

fn virtual_host(dialect: Dialect, virtual_host: &model::VirtualHost) -> VirtualHost {
    let routes = virtual_host.routes.iter();
    VirtualHost {
        name: virtual_host.name.clone(),
        domains: vec![virtual_host.hosts()],
        routes: routes.map(|own| route(dialect, own)).collect(),
        require_tls: if virtual_host.requires_tls {
            TlsRequirementType::All.into()
        } else {
            TlsRequirementType::None.into()
        },
        include_request_attempt_count: dialect == Dialect::Istio,
        metadata: Some(proto::metadata(&virtual_host.origin)),
        ..VirtualHost::default()
    }
}

fn only_tls(virtual_host: VirtualHost) -> VirtualHost {
    VirtualHost {
        require_tls: TlsRequirementType::All.into(),
        response_headers_to_add: vec![strict_transport_security()],
        ..virtual_host
    }
}

fn without_routes(listener: &Listener) -> model::VirtualHost {
    let hostname = listener.hostname.clone();
    model::VirtualHost::new(hostname, Vec::new(), listener.origin.clone())
}

fn misdirected(narrower: &[&HostPattern]) -> Option<VirtualHost> {
    let answer = Action::Respond {
        status: 421,
        body: "misdirected\n".into(),
    };
    let route = Route {
        r#match: Some(matches::path(&PathMatch::Prefix("/".to_owned()))),
        action: Some(action::of(Dialect::Kuma, &answer)),
        ..Route::default()
    };
    let domains = narrower.iter().map(ToString::to_string);
    (!narrower.is_empty()).then(|| VirtualHost {
        name: "misdirected".to_owned(),
        domains: domains.collect(),
        routes: vec![route],
        ..VirtualHost::default()
    })
}

fn strict_transport_security() -> HeaderValueOption {
    header(
        "Strict-Transport-Security",
        "max-age=31536000; includeSubDomains",
        OverwriteIfExistsOrAdd,
    )
}

/// Headers that are set, then those that are added.
fn added(changes: &HeaderChanges) -> Vec<HeaderValueOption> {
    let set = changes.set.iter().map(|h| (h, OverwriteIfExistsOrAdd));
    let add = changes.add.iter().map(|h| (h, AppendIfExistsOrAdd));
    set.chain(add)
        .map(|((name, value), how)| header(name, value, how))
        .collect()
}

fn route(dialect: Dialect, route: &model::Route) -> Route {
    Route {
        name: route.name.clone(),
        stat_prefix: route.stat_prefix.clone(),
        r#match: Some(matches::of(route)),
        request_headers_to_add: added(&route.request_headers),
        request_headers_to_remove: route.request_headers.remove.clone(),
        response_headers_to_add: added(&route.response_headers),
        response_headers_to_remove: route.response_headers.remove.clone(),
        action: Some(governed(action::of(dialect, &route.action), &route.policy)),
        typed_per_filter_config: policy::per_filter(&route.policy),
        metadata: Some(proto::metadata(&route.origin)),
        ..Route::default()
    }
}

/// The action with the times and retries that policies give it.
fn governed(action: EnvoyAction, policy: &RoutePolicy) -> EnvoyAction {
    match action {
        EnvoyAction::Route(action) => EnvoyAction::Route(RouteAction {
            timeout: policy.timeout.map(proto::duration).or(action.timeout),
            idle_timeout: policy.idle.map(proto::duration).or(action.idle_timeout),
            retry_policy: policy.retry.as_ref().map(policy::retry),
            hash_policy: policy.hash_keys.iter().map(policy::hash_key).collect(),
            ..action
        }),
        other => other,
    }
}

fn header(name: &str, value: &str, how: HeaderAppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..HeaderValue::default()
        }),
        append_action: how.into(),
        ..HeaderValueOption::default()
    }
}
