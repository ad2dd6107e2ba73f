//! The port of an egress: a chain for each service that clients ask for by name in TLS. The values are those of Kuma's
//! egress (`pkg/xds/generator/egress` at 2.14.3) unless a comment says why not.

use std::path::PathBuf;

use ::policy::config::Mode;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch};
use envoy_types::pb::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter,
    http_connection_manager::{ForwardClientCertDetails, InternalAddressConfig, RouteSpecifier},
};

use super::access_log::{Whose, access_logs};
use super::connection_manager::{self, http_filter, stat_name};
use super::port_facts::PortFacts;
use super::tcp_proxy::tcp_proxy;
use super::{Options, filter, mesh_tls, policy, proto, rbac, route};
use crate::model::role::{Egress, TlsEnd, WayOut};
use crate::model::{Clients, Listener, Permission, Port, Proxy, Refusal, Who};

/// The chains of all ways out, in the order of their listeners.
pub(super) fn chains(
    proxy: &Proxy,
    port: &Port,
    egress: &Egress,
    options: &Options,
) -> Vec<FilterChain> {
    let facts = PortFacts::new(proxy, port);
    let chain = |listener: &Listener| {
        let way = egress.ways.get(&listener.name)?;
        Some(FilterChain {
            name: listener.name.clone(),
            filter_chain_match: Some(chain_match(way)),
            metadata: Some(proto::metadata(&listener.origin)),
            ..match &way.end {
                Some(end) => ends(&facts, listener, egress, end, options),
                None => FilterChain {
                    filters: forward(proxy, port, listener, options),
                    ..FilterChain::default()
                },
            }
        })
    };
    port.listeners.iter().filter_map(chain).collect()
}

/// Names in TLS are compared in lower case.
fn chain_match(way: &WayOut) -> FilterChainMatch {
    let names = way.server_names.iter();
    FilterChainMatch {
        server_names: names.map(|name| name.to_ascii_lowercase()).collect(),
        transport_protocol: "tls".to_owned(),
        ..FilterChainMatch::default()
    }
}

/// Who the client is has been proved; whether it may is asked first.
fn ends(
    facts: &PortFacts<'_>,
    listener: &Listener,
    egress: &Egress,
    end: &TlsEnd,
    options: &Options,
) -> FilterChain {
    let is_http = listener.connections.is_empty();
    let (connections, requests) = match &end.permission {
        None => (Vec::new(), Vec::new()),
        Some(permission) => {
            let permission = audited(permission, options);
            if is_http && permission.refusal == Refusal::Answer {
                (Vec::new(), rbac::for_requests(&permission))
            } else {
                (
                    rbac::for_connections(&listener.name, &permission),
                    Vec::new(),
                )
            }
        }
    };
    let last = if is_http {
        vec![manager(facts, listener, end, requests, options)]
    } else {
        forward(facts.proxy, facts.port, listener, options)
    };
    FilterChain {
        filters: connections.into_iter().chain(last).collect(),
        transport_socket: Some(mesh_tls::downstream_as(
            &end.mesh,
            &end.clients,
            &secrets(egress, end, options),
        )),
        ..FilterChain::default()
    }
}

/// The folder of the proxy's identity in a mesh.
fn secrets(egress: &Egress, end: &TlsEnd, options: &Options) -> PathBuf {
    let mut identities = egress.identities.iter();
    match identities.find(|identity| identity.mesh == end.mesh) {
        Some(own) => options.secrets.join(&own.mesh).join(&own.dataplane),
        None => options.secrets.clone(),
    }
}

fn forward(proxy: &Proxy, port: &Port, listener: &Listener, options: &Options) -> Vec<Filter> {
    let listeners = std::slice::from_ref(listener);
    tcp_proxy(proxy, port, listeners, options)
        .into_iter()
        .collect()
}

fn manager(
    facts: &PortFacts<'_>,
    listener: &Listener,
    end: &TlsEnd,
    permission: Vec<HttpFilter>,
    options: &Options,
) -> Filter {
    let mut filters = permission;
    if end.outside.is_some() {
        filters.push(filter::client_of_connection());
        filters.push(filter::filter(facts, Some(listener), options));
    }
    let hosts = listener.virtual_hosts.iter();
    let mut routes = hosts.flat_map(|host| &host.routes);
    if routes.any(|route| route.policy.rate_limit.is_some()) {
        let rate_limit = LocalRateLimit {
            stat_prefix: "rate_limit".to_owned(),
            ..LocalRateLimit::default()
        };
        filters.push(http_filter(policy::RATE_LIMIT, rate_limit));
    }
    filters.extend(policy::fault_filters(policy::most_faults(
        std::slice::from_ref(listener),
    )));
    filters.push(http_filter("envoy.filters.http.router", Router::default()));
    connection_manager::filter(HttpConnectionManager {
        stat_prefix: stat_name(&listener.name),
        route_specifier: Some(RouteSpecifier::RouteConfig(route::of_egress(listener))),
        http_filters: filters,
        access_log: access_logs(Some(&listener.policy), Whose::Chain(listener), options),
        // Kuma believes what a client says about the address that it comes from, and sends it on to the service.
        use_remote_address: Some(proto::boolean(true)),
        skip_xff_append: true,
        // Nobody may tell the proxy by headers how long to wait and how often to try again.
        internal_address_config: Some(InternalAddressConfig::default()),
        forward_client_cert_details: ForwardClientCertDetails::Sanitize.into(),
        ..connection_manager::paths(end.outside.as_ref())
    })
}

fn audited(permission: &Permission, options: &Options) -> Permission {
    match options.mode {
        Mode::Enforce => permission.clone(),
        Mode::Audit => audit(permission),
    }
}

/// Everybody may, and those are counted who might not.
fn audit(permission: &Permission) -> Permission {
    let mut permission = permission.clone();
    let allowed: Vec<_> = permission.allowed.iter().map(|c| c.who.clone()).collect();
    let others = match allowed.as_slice() {
        [] => Who::Anyone,
        _ => Who::Not(Box::new(Who::Any(allowed))),
    };
    permission.shadow_denied.append(&mut permission.denied);
    permission.shadow_denied.push(Clients::of(others));
    permission.allowed = vec![Clients::of(Who::Anyone)];
    permission
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SpiffeIds;

    /// What Envoy's RBAC filters do with it, in short.
    fn outcome(permission: &Permission, client: &str) -> (bool, bool) {
        let is_in = |all: &[Clients]| all.iter().any(|clients| has(&clients.who, client));
        let is_denied = is_in(&permission.denied) || !is_in(&permission.allowed);
        (!is_denied, is_in(&permission.shadow_denied))
    }

    fn has(who: &Who, client: &str) -> bool {
        match who {
            Who::Anyone => true,
            Who::Is(SpiffeIds::Exact(id)) => id == client,
            Who::Any(sets) => sets.iter().any(|set| has(set, client)),
            Who::Not(set) => !has(set, client),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn in_audit_mode_everybody_may_and_those_are_counted_who_might_not() {
        let is = |id: &str| Clients::of(Who::Is(SpiffeIds::Exact(id.to_owned())));
        let some = Permission {
            denied: vec![is("a")],
            allowed: vec![is("a"), is("b")],
            ..Permission::default()
        };
        for (permission, client, may) in [
            (&some, "a", false),
            (&some, "b", true),
            (&some, "c", false),
            (&Permission::default(), "a", false),
        ] {
            assert_eq!(outcome(permission, client), (may, false), "{client}");
            let audited = audit(permission);
            assert_eq!(outcome(&audited, client), (true, !may), "{client}");
        }
    }
}
