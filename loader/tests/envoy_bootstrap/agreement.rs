//! Envoy's own matching is never wider than the filter's decision, for any listeners.

use meshgate::envoy::bootstrap;
use meshgate::model::{Listener, Protocol};
use policy::{Authority, HostPattern, HostTable, NoTrace, Policy, RequestView, decide};
use proptest::prelude::*;
use prost::Message;

use super::models;

use envoy_types::pb::envoy::config::listener::v3::{FilterChain, filter};
use envoy_types::pb::envoy::config::route::v3::VirtualHost;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::google::protobuf::value::Kind;

/// Few names of few labels, so that they often overlap.
fn hostname() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("*".to_owned()),
        5 => "(\\*\\.)?([ab]\\.){0,2}[ab]",
    ]
}

/// Listeners with different hostnames, the narrowest first, each with virtual hosts for some of its hosts.
fn listeners() -> impl Strategy<Value = Vec<Listener>> {
    let listener = (hostname(), prop::collection::vec(hostname(), 0..4));
    prop::collection::vec(listener, 1..6).prop_map(|all| {
        let mut listeners: Vec<_> = all
            .into_iter()
            .map(|(hostname, domains)| models::with_domains(&hostname, &domains))
            .collect();
        listeners.sort_by(|a, b| {
            a.hostname
                .exactness_order()
                .cmp(&b.hostname.exactness_order())
        });
        listeners.dedup_by(|a, b| a.hostname == b.hostname);
        // "No other virtual host of the port has the same domain."
        let mut seen = Vec::new();
        for (i, listener) in listeners.iter_mut().enumerate() {
            listener.virtual_hosts.retain(|virtual_host| {
                let is_new = !seen.contains(&virtual_host.domain);
                seen.push(virtual_host.domain.clone());
                is_new
            });
            listener.certificates = vec![models::certificate("rsa")];
            listener.origin.line = i;
            for virtual_host in &mut listener.virtual_hosts {
                virtual_host.origin.line = i;
            }
        }
        listeners
    })
}

proptest! {
    #[test]
    fn no_host_reaches_routes_that_the_filter_does_not_forward_to(
        listeners in listeners(),
        host in "([abc]\\.){0,3}[abc]",
    ) {
        let table = HostTable::new(listeners.iter().map(|listener| {
            let owner = policy::Listener::new(&listener.name, &listener.tags, None);
            (owner, vec![listener.hostname.clone()])
        })).unwrap();
        let index = |name: &str| listeners.iter().position(|l| l.name == name);

        for protocol in [Protocol::Http, Protocol::Https] {
            let case = models::with_listeners(protocol, listeners.clone());
            let bootstrap = bootstrap(&case.proxy, &case.options);
            let chains = &bootstrap.static_resources.unwrap().listeners[0].filter_chains;
            for (i, chain) in chains.iter().enumerate() {
                let own = (protocol == Protocol::Https).then(|| &listeners[i]);
                let policy = Policy {
                    table: &table,
                    chain: own.and_then(|own| table.named(&own.name)),
                };
                let mut bytes = host.clone().into_bytes();
                let request = RequestView { authority: Authority::parse(&mut bytes) };
                let forwarded = match decide(&policy, &request, &mut NoTrace) {
                    policy::Decision::Forward(listener) => index(&listener.name),
                    policy::Decision::Reject(_) => None,
                };
                let hosts = virtual_hosts(chain);
                match envoys_choice(&hosts, &host) {
                    Some(chosen) if chosen.name == "misdirected" => {
                        prop_assert_eq!(forwarded, None, "{} at {:?}", host, own);
                    }
                    Some(chosen) => prop_assert_eq!(forwarded, Some(line(chosen))),
                    None => {}
                }
                if let (Some(own), None) = (own, forwarded) && holds(&own.hostname, &host) {
                    let chosen = envoys_choice(&hosts, &host).map(|v| v.name.as_str());
                    prop_assert_eq!(chosen, Some("misdirected"));
                }
            }
        }
    }
}

fn virtual_hosts(chain: &FilterChain) -> Vec<VirtualHost> {
    let Some(filter::ConfigType::TypedConfig(any)) = &chain.filters[0].config_type else {
        panic!("no configuration");
    };
    let manager = HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    match manager.route_specifier {
        Some(RouteSpecifier::RouteConfig(routes)) => routes.virtual_hosts,
        _ => panic!("no routes"),
    }
}

/// The exact domain, else the longest wildcard, else `*` (Envoy `source/common/router/config_impl.cc`).
fn envoys_choice<'a>(hosts: &'a [VirtualHost], host: &str) -> Option<&'a VirtualHost> {
    let matches = |domain: &str| match domain.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => domain == host,
    };
    let domains = hosts
        .iter()
        .flat_map(|v| v.domains.iter().map(move |d| (d, v)));
    let matching = domains.filter(|(domain, _)| matches(domain));
    let best = matching.max_by_key(|(domain, _)| (!domain.starts_with('*'), domain.len()));
    best.map(|(_, virtual_host)| virtual_host)
}

fn holds(pattern: &HostPattern, host: &str) -> bool {
    pattern.contains(&host.parse().unwrap())
}

/// The line that it was made from, which [`listeners`] sets to the listener's place.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small index"
)]
fn line(virtual_host: &VirtualHost) -> usize {
    let metadata = virtual_host.metadata.as_ref().unwrap();
    match metadata.filter_metadata["meshgate"].fields["line"].kind {
        Some(Kind::NumberValue(line)) => line as usize,
        _ => panic!("no line"),
    }
}
