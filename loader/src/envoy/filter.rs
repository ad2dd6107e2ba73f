//! meshgate's own filter: where its code is, what it may call, and what it decides by.

use ::policy::config::{
    Access, CrossMeshConfig, CrossMeshGatewayConfig, ExternalAccessConfig, ExternalServiceConfig,
    ListenerConfig, Passthrough, PassthroughConfig, Protocol as Spoken, Publish,
};
use ::policy::telemetry::state;
use ::policy::{HostPattern, PluginConfig};
use envoy_types::pb::envoy::config::core::v3::substitution_format_string::Format;
use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, SubstitutionFormatString, async_data_source,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, filter};
use envoy_types::pb::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue,
    filter_state_value::{Key, Value},
};
use envoy_types::pb::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::wasm::v3::Wasm as NetworkWasm;
use envoy_types::pb::envoy::extensions::wasm::v3::{
    CapabilityRestrictionConfig, FailurePolicy, PluginConfig as WasmPlugin, SanitizationConfig,
    VmConfig, plugin_config::Vm,
};
use envoy_types::pb::google::protobuf::StringValue;
use envoy_types::util::pack_any;

use super::access_log::asks_whose;
use super::hosts::Hosts;
use super::port_facts::PortFacts;
use super::{EnvoyRange, Options, connection_manager, proto};
use crate::model::role::OtherHost;
use crate::model::{
    CrossMeshGateway, Listener, Outbound, Outside, Permission, Port, Protocol, Role,
};

/// The name of the filter, of its plugin and of its virtual machine. All filters of an Envoy share one machine for each
/// worker, which costs 7 MB, and in it the tables of listeners.
const NAME: &str = "meshgate";
/// The name of the machine that may call more. Envoy looks for a machine by name and code only, so one that runs
/// would keep the restriction that it was started with.
const NAME_IN_MESHES: &str = "meshgate-in-meshes";

/// What the filter calls and what Envoy may call in it. Everything else is refused, whatever the module tries.
pub const CAPABILITIES: [&str; 11] = [
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_log",
    "proxy_get_buffer_bytes",
    "proxy_get_header_map_value",
    "proxy_set_property",
    "proxy_send_local_response",
    "proxy_define_metric",
    "proxy_increment_metric",
    "proxy_set_effective_context",
];

/// What the filters call besides in a proxy with permissions or outbounds, as filters of requests and of connections.
///
/// All filters of an Envoy run in one virtual machine, so all of a proxy's have one list: it is this with
/// [`CAPABILITIES`] where any of them needs it.
pub const OUTBOUND_CAPABILITIES: [&str; 4] = [
    "proxy_on_new_connection",
    "proxy_get_property",
    "proxy_replace_header_map_value",
    "proxy_close_stream",
];

/// The filter of a port, or on TLS that of one of its filter chains.
pub(super) fn filter(
    facts: &PortFacts<'_>,
    chain: Option<&Listener>,
    options: &Options,
) -> HttpFilter {
    let config = Some(plugin(facts, chain, options));
    connection_manager::http_filter(NAME, Wasm { config })
}

/// The same for connections.
pub(super) fn of_connections(facts: &PortFacts<'_>, options: &Options) -> Filter {
    let config = Some(plugin(facts, None, options));
    Filter {
        name: NAME.to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(NetworkWasm {
            config,
        }))),
    }
}

fn plugin(facts: &PortFacts<'_>, chain: Option<&Listener>, options: &Options) -> WasmPlugin {
    let is_in_meshes = facts.is_in_meshes();
    let code = async_data_source::Specifier::Local(proto::file(&options.wasm));
    let mut machine = VmConfig {
        vm_id: if is_in_meshes { NAME_IN_MESHES } else { NAME }.to_owned(),
        runtime: "envoy.wasm.runtime.v8".to_owned(),
        code: Some(AsyncDataSource {
            specifier: Some(code),
        }),
        ..VmConfig::default()
    };
    let mut plugin = WasmPlugin {
        name: NAME.to_owned(),
        configuration: Some(pack_any(StringValue {
            value: json(&plugin_config(facts, chain, options)),
        })),
        // After a failure it answers 503 until it is reloaded; nothing passes it by.
        failure_policy: FailurePolicy::FailReload.into(),
        ..WasmPlugin::default()
    };
    match options.range {
        EnvoyRange::From1_36 => restrict_plugin(&mut plugin, is_in_meshes),
        EnvoyRange::From1_40 => {
            machine.capability_restriction_config = Some(capabilities(is_in_meshes));
        }
    }
    plugin.vm = Some(Vm::VmConfig(machine));
    plugin
}

#[expect(
    deprecated,
    reason = "Envoy before 1.40 knows no other field for it, and ends on unknown ones"
)]
fn restrict_plugin(plugin: &mut WasmPlugin, is_in_meshes: bool) {
    plugin.capability_restriction_config = Some(capabilities(is_in_meshes));
}

fn capabilities(is_in_meshes: bool) -> CapabilityRestrictionConfig {
    let more = OUTBOUND_CAPABILITIES.into_iter().filter(|_| is_in_meshes);
    let allow = |name: &str| (name.to_owned(), SanitizationConfig::default());
    CapabilityRestrictionConfig {
        allowed_capabilities: CAPABILITIES.into_iter().chain(more).map(allow).collect(),
    }
}

/// Whether the filter of a port has to call more than others.
pub(super) fn asks_for_more(port: &Port) -> bool {
    match &port.role {
        Role::Outbound(outbound) => is_decided(outbound),
        Role::Egress(egress) => {
            let mut ends = egress.ways.values().filter_map(|way| way.end.as_ref());
            ends.any(|end| end.outside.is_some())
        }
        Role::Gateway | Role::Inbound(_) => has_permissions(port),
    }
}

/// Whether the filter decides about what is sent there.
pub(super) fn is_decided(outbound: &Outbound) -> bool {
    !outbound.gateways.is_empty() || outbound.outside.is_some()
}

/// Whether it matters to a listener of the port who its client is.
pub(super) fn has_permissions(port: &Port) -> bool {
    let mut listeners = port.listeners.iter();
    listeners.any(|listener| listener.permission.is_some())
}

/// What the port's filter needs to be told before it is asked: who the client is, where that decides.
pub(super) fn client(facts: &PortFacts<'_>) -> Option<HttpFilter> {
    facts.has_permissions.then(client_of_connection)
}

/// Gives the filter the URIs of the client's certificate.
pub(super) fn client_of_connection() -> HttpFilter {
    let format = SubstitutionFormatString {
        format: Some(Format::TextFormatSource(proto::inline(
            "%DOWNSTREAM_PEER_URI_SAN%",
        ))),
        ..SubstitutionFormatString::default()
    };
    let value = FilterStateValue {
        key: Some(Key::ObjectKey(state::CLIENT.to_owned())),
        value: Some(Value::FormatString(format)),
        factory_key: "envoy.string".to_owned(),
        ..FilterStateValue::default()
    };
    let config = SetFilterState {
        on_request_headers: vec![value],
        ..SetFilterState::default()
    };
    connection_manager::http_filter("client", config)
}

/// Each filter chain of a TLS port brings what it needs for its own hosts: its listener, and those that take some of
/// its hosts away. The first one brings all, for the others to tell which further hosts are on the port; all in each
/// would grow with the square of the listeners.
fn plugin_config(
    facts: &PortFacts<'_>,
    chain: Option<&Listener>,
    options: &Options,
) -> PluginConfig {
    let port = facts.port;
    if let Role::Outbound(outbound) = &port.role {
        return PluginConfig {
            mode: options.mode,
            reasons: options.reasons,
            port: Some(port.number),
            cross_mesh: (!outbound.gateways.is_empty()).then(|| CrossMeshConfig {
                gateways: outbound.gateways.iter().map(cross_mesh).collect(),
            }),
            external_access: outbound.outside.as_ref().map(external_access),
            chain: outbound.outside.as_ref().and_then(chain_of),
            ..PluginConfig::empty()
        };
    }
    if let Role::Egress(egress) = &port.role {
        let way = chain.and_then(|chain| egress.ways.get(&chain.name));
        let outside = way.and_then(|way| way.end.as_ref()?.outside.as_ref());
        return PluginConfig {
            mode: options.mode,
            reasons: options.reasons,
            port: Some(port.number),
            external_access: outside.map(external_access),
            chain: outside.and_then(chain_of),
            ..PluginConfig::empty()
        };
    }
    let first = port
        .with_certificate()
        .find(|listener| port.takes_requests(listener))
        .map(|listener| &listener.name);
    let table = (port.protocol == Protocol::Https).then(|| port.name.clone());
    let (listeners, table, elsewhere) = match chain {
        Some(chain) if Some(&chain.name) != first => (of_chain(&facts.hosts, chain), None, table),
        _ => (port.listeners.iter().map(listener).collect(), table, None),
    };
    PluginConfig {
        mode: options.mode,
        reasons: options.reasons,
        port: Some(port.number),
        table,
        publish: if asks_whose(facts, chain, options) {
            Publish::All
        } else {
            Publish::Refused
        },
        listeners: Some(listeners),
        chain: chain.map(|chain| chain.name.clone()),
        elsewhere,
        ..PluginConfig::empty()
    }
}

fn cross_mesh(gateway: &CrossMeshGateway) -> CrossMeshGatewayConfig {
    CrossMeshGatewayConfig {
        mesh: gateway.mesh.clone(),
        gateway: gateway.service.clone(),
        hostnames: vec![gateway.hostname.clone()],
        port: gateway.port,
        cluster: gateway.cluster.clone(),
    }
}

fn external_access(outside: &Outside) -> ExternalAccessConfig {
    let services = outside.services.iter();
    let services = services.map(|service| ExternalServiceConfig {
        name: service.name.clone(),
        hostnames: service.hostnames.clone(),
        port: None,
        cluster: None,
        permissions: service.permission.as_ref().map(Permission::rules),
    });
    ExternalAccessConfig {
        default: if outside.is_forbidden {
            Access::Forbid
        } else {
            Access::Allow
        },
        services: services.collect(),
        client: (!outside.client.is_empty()).then(|| outside.client.clone()),
        passthrough: if outside.others.is_empty() {
            Passthrough::None
        } else {
            Passthrough::Matched
        },
        matches: outside.others.iter().map(other).collect(),
        ..ExternalAccessConfig::default()
    }
}

fn other(host: &OtherHost) -> PassthroughConfig {
    PassthroughConfig {
        destination: host.name.clone(),
        port: Some(host.port),
        protocol: Spoken::Http,
        cluster: None,
    }
}

/// The one service that a port leads to.
fn chain_of(outside: &Outside) -> Option<String> {
    let service = outside.services.first().filter(|_| outside.is_alone);
    service.map(|service| service.name.clone())
}

fn of_chain(hosts: &Hosts<'_>, chain: &Listener) -> Vec<ListenerConfig> {
    let is_exact = |name: &HostPattern| matches!(name, HostPattern::Exact(_));
    if chain.hostnames().all(is_exact) {
        return vec![listener(chain)];
    }
    hosts.inside(chain).into_iter().map(listener).collect()
}

fn listener(listener: &Listener) -> ListenerConfig {
    let takes_all = listener.hostname == HostPattern::Any && listener.other_hostnames.is_empty();
    let hostnames = listener.hostnames().map(ToString::to_string);
    ListenerConfig {
        name: listener.name.clone(),
        hostnames: hostnames.filter(|_| !takes_all).collect(),
        tags: listener.tags.clone(),
        permissions: listener.permission.as_ref().map(Permission::rules),
    }
}

/// Numbers, texts and lists always have a JSON form. The empty text would be refused by the filter.
fn json(config: &PluginConfig) -> String {
    serde_json::to_string(config).unwrap_or_default()
}
