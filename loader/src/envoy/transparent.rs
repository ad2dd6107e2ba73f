//! Listeners for redirected connections, and the clusters that they go on to. The values are Kuma's
//! (`pkg/xds/generator/transparent_proxy_generator.go` and `pkg/plugins/policies/meshpassthrough/plugin/xds` at 2.14.3).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, LbPolicy,
};
use envoy_types::pb::envoy::config::core::v3::{CidrRange, TrafficDirection};
use envoy_types::pb::envoy::config::listener::v3::listener_filter::ConfigType;
use envoy_types::pb::envoy::config::listener::v3::listener_filter_chain_match_predicate::{
    MatchSet, Rule,
};
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter,
    ListenerFilterChainMatchPredicate, filter,
};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use envoy_types::pb::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager::RouteSpecifier,
};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{TcpProxy, tcp_proxy};
use envoy_types::pb::envoy::r#type::v3::Int32Range;
use envoy_types::util::pack_any;
use prost::{Message, Name};

use super::access_log::{Whose, access_logs};
use super::cluster::{bind, http2};
use super::connection_manager::{self, http_filter, internal_addresses, stat_name};
use super::{Options, proto};
use crate::model::transparent::{Catch, Content, Direction, Host, Original, Passage};
use crate::model::{Origin, Proxy};

/// Kuma's own words, which people look for.
const NO_MATCH: &str = "This response comes from Kuma Sidecar. No routes matched this domain - check configuration of your MeshPassthrough policy.\n";

/// A cluster that there is none of: Envoy closes the connection, and counts it.
const NOWHERE: &str = "nowhere";

/// How long a client may wait for the server to speak first, which is what Envoy itself waits.
const SILENCE: Duration = Duration::from_secs(15);

/// The listeners of a proxy that connections are redirected to.
pub(super) fn listeners(proxy: &Proxy, options: &Options) -> Vec<Listener> {
    let catches = proxy.transparent.iter().flat_map(|t| &t.catches);
    catches.map(|catch| listener(catch, options)).collect()
}

fn listener(catch: &Catch, options: &Options) -> Listener {
    let filters = inspectors(catch);
    let mut chains: Vec<_> = catch
        .passages
        .iter()
        .map(|p| chain(catch, p, options))
        .collect();
    if chains.is_empty() {
        chains.push(closed(catch, None, options));
    }
    // Connections that nobody has redirected would go round in circles until there are no more.
    if !catch.passages.iter().any(|p| p.port == Some(catch.port)) {
        chains.push(closed(catch, Some(catch.port), options));
    }
    Listener {
        name: catch.name.clone(),
        address: Some(proto::address(&catch.address, catch.port)),
        filter_chains: chains,
        use_original_dst: Some(proto::boolean(true)),
        traffic_direction: match catch.direction {
            Direction::Inbound => TrafficDirection::Inbound.into(),
            Direction::Outbound => TrafficDirection::Outbound.into(),
        },
        // Where the client stays silent, only passages are left that take anything but TLS.
        continue_on_listener_filters_timeout: !filters.is_empty(),
        listener_filters_timeout: (!filters.is_empty()).then(|| proto::duration(SILENCE)),
        listener_filters: filters,
        metadata: Some(proto::metadata(&catch.origin)),
        ..Listener::default()
    }
}

/// A chain that closes connections: those for a port, or all.
fn closed(catch: &Catch, port: Option<u16>, options: &Options) -> FilterChain {
    let nowhere = Original {
        cluster: NOWHERE.to_owned(),
        is_http2: false,
        source: None,
    };
    let passage = Passage {
        name: format!("closed:{}", catch.name),
        port,
        range: None,
        content: Content::Any(nowhere),
        origin: catch.origin.clone(),
    };
    chain(catch, &passage, options)
}

fn chain(catch: &Catch, passage: &Passage, options: &Options) -> FilterChain {
    let range = passage.range.map(|(address, bits)| CidrRange {
        address_prefix: address.to_string(),
        prefix_len: Some(proto::number(bits.into())),
    });
    let (transport, server_name, alpn): (_, _, &[&str]) = match &passage.content {
        Content::Any(_) => ("", None, &[]),
        Content::Plain(_) | Content::ServerFirst(_) => ("raw_buffer", None, &[]),
        Content::Tls(name, _) => ("tls", name.clone(), &[]),
        Content::Requests(_) => ("raw_buffer", None, &["http/1.1", "h2c"]),
    };
    let condition = FilterChainMatch {
        destination_port: passage.port.map(|port| proto::number(port.into())),
        prefix_ranges: range.into_iter().collect(),
        server_names: server_name.into_iter().collect(),
        transport_protocol: transport.to_owned(),
        application_protocols: alpn.iter().map(|&name| name.to_owned()).collect(),
        ..FilterChainMatch::default()
    };
    FilterChain {
        name: passage.name.clone(),
        filter_chain_match: (condition != FilterChainMatch::default()).then_some(condition),
        filters: vec![match &passage.content {
            Content::Requests(hosts) => requests(catch, passage, hosts, options),
            Content::Any(to)
            | Content::Plain(to)
            | Content::Tls(_, to)
            | Content::ServerFirst(to) => connections(catch, passage, to, options),
        }],
        metadata: Some(proto::metadata(&passage.origin)),
        ..FilterChain::default()
    }
}

fn connections(catch: &Catch, passage: &Passage, to: &Original, options: &Options) -> Filter {
    let config = TcpProxy {
        stat_prefix: stat_name(&passage.name),
        cluster_specifier: Some(tcp_proxy::ClusterSpecifier::Cluster(to.cluster.clone())),
        access_log: access_logs(Some(&catch.connections), Whose::Filter, options),
        ..TcpProxy::default()
    };
    Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(config))),
    }
}

fn requests(catch: &Catch, passage: &Passage, hosts: &[Host], options: &Options) -> Filter {
    let takes_all = |host: &Host| host.domains.iter().any(|domain| domain == "*");
    let mut virtual_hosts: Vec<_> = hosts
        .iter()
        .map(|host| virtual_host(host, passage))
        .collect();
    if !hosts.iter().any(takes_all) {
        virtual_hosts.push(no_match());
    }
    connection_manager::filter(HttpConnectionManager {
        stat_prefix: stat_name(&passage.name),
        route_specifier: Some(RouteSpecifier::RouteConfig(RouteConfiguration {
            name: passage.name.clone(),
            virtual_hosts,
            ..RouteConfiguration::default()
        })),
        http_filters: vec![http_filter("envoy.filters.http.router", Router::default())],
        internal_address_config: Some(internal_addresses()),
        access_log: access_logs(Some(&catch.requests), Whose::Filter, options),
        ..HttpConnectionManager::default()
    })
}

fn virtual_host(host: &Host, passage: &Passage) -> VirtualHost {
    let to = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(host.to.cluster.clone())),
        ..RouteAction::default()
    };
    VirtualHost {
        name: host.name.clone(),
        domains: host.domains.clone(),
        routes: vec![Route {
            metadata: Some(proto::metadata(&passage.origin)),
            ..everything(Action::Route(to))
        }],
        ..VirtualHost::default()
    }
}

fn no_match() -> VirtualHost {
    let answer = DirectResponseAction {
        status: 503,
        body: Some(proto::inline(NO_MATCH)),
        ..DirectResponseAction::default()
    };
    VirtualHost {
        name: "no_match".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![everything(Action::DirectResponse(answer))],
        ..VirtualHost::default()
    }
}

fn everything(action: Action) -> Route {
    Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            ..RouteMatch::default()
        }),
        action: Some(action),
        ..Route::default()
    }
}

/// What finds out whose a connection is. It waits for what the client says first, so it looks at no port for which
/// nothing depends on that: protocols in which the server speaks first would stop, also those inside the mesh.
fn inspectors(catch: &Catch) -> Vec<ListenerFilter> {
    let waits =
        |passage: &&Passage| !matches!(passage.content, Content::Any(_) | Content::ServerFirst(_));
    if !catch.passages.iter().any(|passage| waits(&passage)) {
        return Vec::new();
    }
    let ports = |passages: &mut dyn Iterator<Item = &Passage>| -> Option<BTreeSet<u16>> {
        passages.map(|passage| passage.port).collect()
    };
    let inspected = ports(&mut catch.passages.iter().filter(waits));
    let is_left_alone = match inspected {
        Some(inspected) => Some(not(any_of(&inspected))),
        None => {
            let others = catch
                .passages
                .iter()
                .filter(|p| matches!(p.content, Content::ServerFirst(_)));
            let others: BTreeSet<u16> = others.filter_map(|passage| passage.port).collect();
            (!others.is_empty()).then(|| any_of(&others))
        }
    };
    let inspector = |filter: ListenerFilter| ListenerFilter {
        filter_disabled: is_left_alone.clone(),
        ..filter
    };
    vec![
        // Before the others, which are chosen by port.
        listener_filter("envoy.filters.listener.original_dst", OriginalDst {}),
        inspector(listener_filter(
            "envoy.filters.listener.tls_inspector",
            TlsInspector::default(),
        )),
        inspector(listener_filter(
            "envoy.filters.listener.http_inspector",
            HttpInspector {},
        )),
    ]
}

fn any_of(ports: &BTreeSet<u16>) -> ListenerFilterChainMatchPredicate {
    let port = |&port: &u16| {
        predicate(Rule::DestinationPortRange(Int32Range {
            start: port.into(),
            end: i32::from(port) + 1,
        }))
    };
    let mut rules: Vec<_> = ports.iter().map(port).collect();
    match rules.pop() {
        Some(only) if rules.is_empty() => only,
        last => {
            rules.extend(last);
            predicate(Rule::OrMatch(MatchSet { rules }))
        }
    }
}

fn not(inner: ListenerFilterChainMatchPredicate) -> ListenerFilterChainMatchPredicate {
    predicate(Rule::NotMatch(Box::new(inner)))
}

fn predicate(rule: Rule) -> ListenerFilterChainMatchPredicate {
    ListenerFilterChainMatchPredicate { rule: Some(rule) }
}

fn listener_filter<T: Message + Name>(name: &str, config: T) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack_any(config))),
        ..ListenerFilter::default()
    }
}

/// The clusters that redirected connections go on to, by name.
pub(super) fn clusters(proxy: &Proxy) -> Vec<Cluster> {
    let mut clusters = BTreeMap::new();
    for catch in proxy.transparent.iter().flat_map(|t| &t.catches) {
        for passage in &catch.passages {
            for to in passage.content.originals() {
                let cluster = || cluster(to, &passage.origin);
                clusters.entry(to.cluster.clone()).or_insert_with(cluster);
            }
        }
    }
    clusters.into_values().collect()
}

fn cluster(to: &Original, origin: &Origin) -> Cluster {
    Cluster {
        name: to.cluster.clone(),
        alt_stat_name: stat_name(&to.cluster),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst.into(),
        )),
        lb_policy: LbPolicy::ClusterProvided.into(),
        connect_timeout: Some(proto::duration(Duration::from_secs(5))),
        typed_extension_protocol_options: if to.is_http2 { http2() } else { HashMap::new() },
        upstream_bind_config: to.source.map(|source| bind(&source)),
        metadata: Some(proto::metadata(origin)),
        ..Cluster::default()
    }
}
