//! The port where a proxy answers DNS queries: Envoy's own filter for UDP, with the names that lead to the proxy.

use std::collections::BTreeSet;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{
    Address, SocketAddress, address, socket_address::PortSpecifier, socket_address::Protocol,
};
use envoy_types::pb::envoy::config::listener::v3::{
    Listener, ListenerFilter, listener_filter::ConfigType,
};
use envoy_types::pb::envoy::data::dns::v3::{
    DnsTable,
    dns_table::{AddressList, DnsEndpoint, DnsVirtualDomain, dns_endpoint::EndpointConfig},
};
use envoy_types::pb::envoy::extensions::filters::udp::dns_filter::v3::{
    DnsFilterConfig,
    dns_filter_config::{ServerContextConfig, server_context_config::ConfigSource},
};
use envoy_types::util::pack_any;

use super::{EnvoyRange, Options, proto};
use crate::model::{Dns, Proxy};

/// How long answers are believed: a change of resources is seen after this time.
const TTL: Duration = Duration::from_secs(30);

/// The listener. What it does not know does not exist: it asks nobody, so that no name of the mesh gets out and no
/// resolver is asked by way of itself.
pub(super) fn listener(proxy: &Proxy, dns: &Dns, options: &Options) -> Listener {
    let filter = DnsFilterConfig {
        stat_prefix: "dns".to_owned(),
        server_config: Some(ServerContextConfig {
            config_source: Some(ConfigSource::InlineDnsTable(table(proxy))),
        }),
        // RFC 4343: names are the same in any case. Envoys before 1.40 cannot do that, and end on the field.
        case_insensitive: options.range == EnvoyRange::From1_40,
        ..DnsFilterConfig::default()
    };
    Listener {
        name: format!("dns:{}:{}", dns.address, dns.port),
        address: Some(Address {
            address: Some(address::Address::SocketAddress(SocketAddress {
                protocol: Protocol::Udp.into(),
                address: dns.address.to_string(),
                port_specifier: Some(PortSpecifier::PortValue(dns.port.into())),
                ..SocketAddress::default()
            })),
        }),
        listener_filters: vec![ListenerFilter {
            name: "envoy.filters.udp.dns_filter".to_owned(),
            config_type: Some(ConfigType::TypedConfig(pack_any(filter))),
            ..ListenerFilter::default()
        }],
        metadata: Some(proto::metadata(&dns.origin)),
        ..Listener::default()
    }
}

fn table(proxy: &Proxy) -> DnsTable {
    let domain = |(name, places): (String, BTreeSet<crate::model::Place>)| {
        let addresses: BTreeSet<_> = places.into_iter().map(|place| place.address).collect();
        DnsVirtualDomain {
            name,
            endpoint: Some(DnsEndpoint {
                endpoint_config: Some(EndpointConfig::AddressList(AddressList {
                    address: addresses.iter().map(ToString::to_string).collect(),
                })),
            }),
            answer_ttl: Some(proto::duration(TTL)),
        }
    };
    DnsTable {
        virtual_domains: proxy.names().into_iter().map(domain).collect(),
        ..DnsTable::default()
    }
}
