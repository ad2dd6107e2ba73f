//! Virtual hosts and routes.

mod action;
mod matches;

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

use super::hosts::Hosts;
use super::{filter, policy, proto, sidecar};
use crate::model::policy::RoutePolicy;
use crate::model::{self, Action, HeaderChanges, Listener, PathMatch, Port, Role};

/// The routes of all listeners of a port without TLS.
///
/// A listener has a virtual host for its hostname even if it has no routes for it: Envoy would go on to the virtual
/// host of a wider listener.
pub(super) fn shared(port: &Port, hosts: &Hosts<'_>) -> RouteConfiguration {
    let mut all: Vec<(&HostPattern, VirtualHost)> = Vec::new();
    for listener in &port.listeners {
        all.extend(hosts.own(listener).map(|v| (&v.domain, virtual_host(v))));
        let domains = listener.virtual_hosts.iter().map(|v| &v.domain);
        if !domains.into_iter().any(|d| *d == listener.hostname) {
            all.push((&listener.hostname, without_routes(listener)));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.exactness_order().cmp(&b.exactness_order()));
    // Services of a mesh call each other by `http`: the TLS between their proxies is none of their business.
    let is_tls = port.clients.is_some() && port.role == Role::Gateway;
    let virtual_hosts = all.into_iter().map(|(_, v)| v);
    let virtual_hosts = virtual_hosts
        .map(|v| if is_tls { only_tls(v) } else { v })
        .collect();
    configuration(port, &HostPattern::Any, virtual_hosts)
}

/// The routes of one listener of a TLS port, which answers for hosts of narrower listeners with 421: the client has
/// come with the wrong SNI.
pub(super) fn of_chain(port: &Port, listener: &Listener, hosts: &Hosts<'_>) -> RouteConfiguration {
    let mut own: Vec<_> = hosts.own(listener).collect();
    own.sort_by(|a, b| a.domain.exactness_order().cmp(&b.domain.exactness_order()));
    let own = own.into_iter().map(|v| only_tls(virtual_host(v)));
    let elsewhere = misdirected(hosts.narrower(listener));
    configuration(port, &listener.hostname, own.chain(elsewhere).collect())
}

/// The routes of a sidecar's port. A caller's tags are those of its proxy, whatever it writes itself; the service
/// behind an inbound does not get to see them.
pub(super) fn of_sidecar(port: &Port, hosts: &Hosts<'_>) -> RouteConfiguration {
    let configuration = shared(port, hosts);
    let Role::Outbound(outbound) = &port.role else {
        return configuration;
    };
    let removed = filter::is_decided(outbound).then(|| CLUSTER_HEADER.to_owned());
    RouteConfiguration {
        request_headers_to_add: vec![header(
            "x-kuma-tags",
            &sidecar::tags_header(outbound),
            OverwriteIfExistsOrAdd,
        )],
        request_headers_to_remove: removed.into_iter().collect(),
        ..configuration
    }
}

fn configuration(
    port: &Port,
    hostname: &HostPattern,
    virtual_hosts: Vec<VirtualHost>,
) -> RouteConfiguration {
    RouteConfiguration {
        name: format!("{}:{hostname}", port.name),
        virtual_hosts,
        // Only meshgate writes this header, so no backend may get one that a client wrote.
        request_headers_to_remove: vec!["x-kuma-tags".to_owned()],
        // A reference to a missing cluster is a finding of the loader and a 500 for its requests, not the end of all.
        validate_clusters: Some(proto::boolean(false)),
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

fn virtual_host(virtual_host: &model::VirtualHost) -> VirtualHost {
    let domain = virtual_host.domain.to_string();
    VirtualHost {
        name: domain.clone(),
        domains: vec![domain],
        routes: virtual_host.routes.iter().map(route).collect(),
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

fn without_routes(listener: &Listener) -> VirtualHost {
    virtual_host(&model::VirtualHost {
        domain: listener.hostname.clone(),
        routes: Vec::new(),
        origin: listener.origin.clone(),
    })
}

fn misdirected(narrower: &[&Listener]) -> Option<VirtualHost> {
    let answer = Action::Respond {
        status: 421,
        body: "misdirected\n".to_owned(),
    };
    let route = Route {
        r#match: Some(matches::path(&PathMatch::Prefix("/".to_owned()))),
        action: Some(action::of(&answer)),
        ..Route::default()
    };
    let domains = narrower
        .iter()
        .map(|listener| listener.hostname.to_string());
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

fn route(route: &model::Route) -> Route {
    let add = |changes: &HeaderChanges| {
        let set = changes.set.iter().map(|h| (h, OverwriteIfExistsOrAdd));
        let add = changes.add.iter().map(|h| (h, AppendIfExistsOrAdd));
        set.chain(add)
            .map(|((name, value), how)| header(name, value, how))
            .collect()
    };
    Route {
        name: route.name.clone(),
        r#match: Some(matches::of(route)),
        request_headers_to_add: add(&route.request_headers),
        request_headers_to_remove: route.request_headers.remove.clone(),
        response_headers_to_add: add(&route.response_headers),
        response_headers_to_remove: route.response_headers.remove.clone(),
        action: Some(governed(action::of(&route.action), &route.policy)),
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
