//! meshgate's own filter: where its code is, what it may call, and what it decides by.

use ::policy::config::{CrossMeshConfig, CrossMeshGatewayConfig, ListenerConfig};
use ::policy::{HostPattern, PluginConfig};
use envoy_types::pb::envoy::config::core::v3::{AsyncDataSource, async_data_source};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::wasm::v3::{
    CapabilityRestrictionConfig, FailurePolicy, PluginConfig as WasmPlugin, SanitizationConfig,
    VmConfig, plugin_config::Vm,
};
use envoy_types::pb::google::protobuf::StringValue;
use envoy_types::util::pack_any;

use super::{EnvoyRange, Options, connection_manager, proto};
use crate::model::{CrossMeshGateway, Listener, Port, Protocol, Role};

/// The name of the filter, of its plugin and of its virtual machine. All filters of an Envoy share one machine for each
/// worker, which costs 7 MB, and in it the tables of listeners.
const NAME: &str = "meshgate";

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
pub(super) fn filter(port: &Port, chain: Option<&Listener>, options: &Options) -> HttpFilter {
    let code = async_data_source::Specifier::Local(proto::file(&options.wasm));
    let mut machine = VmConfig {
        vm_id: NAME.to_owned(),
        runtime: "envoy.wasm.runtime.v8".to_owned(),
        code: Some(AsyncDataSource {
            specifier: Some(code),
        }),
        ..VmConfig::default()
    };
    let mut plugin = WasmPlugin {
        name: NAME.to_owned(),
        configuration: Some(pack_any(StringValue {
            value: json(&plugin_config(port, chain, options)),
        })),
        // After a failure it answers 503 until it is reloaded; nothing passes it by.
        failure_policy: FailurePolicy::FailReload.into(),
        ..WasmPlugin::default()
    };
    match options.range {
        EnvoyRange::From1_36 => restrict_plugin(&mut plugin),
        EnvoyRange::From1_40 => machine.capability_restriction_config = Some(capabilities()),
    }
    plugin.vm = Some(Vm::VmConfig(machine));
    connection_manager::http_filter(
        NAME,
        Wasm {
            config: Some(plugin),
        },
    )
}

#[expect(
    deprecated,
    reason = "Envoy before 1.40 knows no other field for it, and ends on unknown ones"
)]
fn restrict_plugin(plugin: &mut WasmPlugin) {
    plugin.capability_restriction_config = Some(capabilities());
}

fn capabilities() -> CapabilityRestrictionConfig {
    let allow = |name: &str| (name.to_owned(), SanitizationConfig::default());
    CapabilityRestrictionConfig {
        allowed_capabilities: CAPABILITIES.into_iter().map(allow).collect(),
    }
}

/// Each filter chain of a TLS port brings what it needs for its own hosts: its listener, and those that take some of
/// its hosts away. The first one brings all, for the others to tell which further hosts are on the port; all in each
/// would grow with the square of the listeners.
fn plugin_config(port: &Port, chain: Option<&Listener>, options: &Options) -> PluginConfig {
    if let Role::Outbound(outbound) = &port.role {
        return PluginConfig {
            mode: options.mode,
            reasons: options.reasons,
            port: Some(port.number),
            cross_mesh: Some(CrossMeshConfig {
                gateways: outbound.gateways.iter().map(cross_mesh).collect(),
            }),
            ..PluginConfig::empty()
        };
    }
    let first = port
        .with_certificate()
        .next()
        .map(|listener| &listener.name);
    let table = (port.protocol == Protocol::Https).then(|| port.name.clone());
    let (listeners, table, elsewhere) = match chain {
        Some(chain) if Some(&chain.name) != first => (of_chain(port, chain), None, table),
        _ => (port.listeners.iter().map(listener).collect(), table, None),
    };
    PluginConfig {
        mode: options.mode,
        reasons: options.reasons,
        port: Some(port.number),
        table,
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

fn of_chain(port: &Port, chain: &Listener) -> Vec<ListenerConfig> {
    if let HostPattern::Exact(_) = chain.hostname {
        return vec![listener(chain)];
    }
    let is_inside = |other: &&Listener| chain.hostname.contains(&other.hostname);
    port.listeners
        .iter()
        .filter(is_inside)
        .map(listener)
        .collect()
}

fn listener(listener: &Listener) -> ListenerConfig {
    let hostname = listener.hostname.to_string();
    ListenerConfig {
        name: listener.name.clone(),
        hostnames: if hostname == "*" {
            Vec::new()
        } else {
            vec![hostname]
        },
        tags: listener.tags.clone(),
        permissions: None,
    }
}

/// Numbers, texts and lists always have a JSON form. The empty text would be refused by the filter.
fn json(config: &PluginConfig) -> String {
    serde_json::to_string(config).unwrap_or_default()
}
