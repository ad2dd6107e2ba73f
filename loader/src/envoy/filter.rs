//! meshgate's own filter: where its code is, what it may call, and what it decides by.

use ::policy::config::{ListenerConfig, VERSION};
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
use crate::model::{Listener, Port, Protocol};

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

/// Of the filter chains of a TLS port the first one brings the listeners and the others name them, because the whole
/// table in each chain would grow with the square of the listeners.
fn plugin_config(port: &Port, chain: Option<&Listener>, options: &Options) -> PluginConfig {
    let first = port
        .with_certificate()
        .find(|listener| port.takes_requests(listener))
        .map(|listener| &listener.name);
    let brings_listeners = chain.is_none_or(|chain| Some(&chain.name) == first);
    PluginConfig {
        version: VERSION,
        mode: options.mode,
        reasons: options.reasons,
        port: Some(port.number),
        table: (port.protocol == Protocol::Https).then(|| port.name.clone()),
        listeners: brings_listeners.then(|| port.listeners.iter().map(listener).collect()),
        chain: chain.map(|chain| chain.name.clone()),
    }
}

fn listener(listener: &Listener) -> ListenerConfig {
    let takes_all = listener.hostname == HostPattern::Any && listener.other_hostnames.is_empty();
    let hostnames = listener.hostnames().map(ToString::to_string);
    ListenerConfig {
        name: listener.name.clone(),
        hostnames: hostnames.filter(|_| !takes_all).collect(),
        tags: listener.tags.clone(),
    }
}

/// Numbers, texts and lists always have a JSON form. The empty text would be refused by the filter.
fn json(config: &PluginConfig) -> String {
    serde_json::to_string(config).unwrap_or_default()
}
