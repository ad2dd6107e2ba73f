//! One Envoy with a listener for each variant.

use serde_json::{Map, Value, json};
use system_tests::envoy::socket_address;

use crate::variants::{Filter, Variant, host};

/// The bootstrap; the listener of a variant has its place as its name.
pub(crate) fn bootstrap(variants: &[Variant]) -> Value {
    let listeners: Vec<_> = variants.iter().enumerate().map(listener).collect();
    json!({ "static_resources": { "listeners": listeners } })
}

fn listener((place, variant): (usize, &Variant)) -> Value {
    let mut filters: Vec<_> = variant
        .filters
        .iter()
        .enumerate()
        .map(|(index, filter)| http_filter(filter, &format!("{place}-{index}")))
        .collect();
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" }
    }));
    let domains: Vec<Value> = match variant.virtual_hosts {
        0 => vec![virtual_host("*")],
        count => (0..count).map(|index| virtual_host(&host(index))).collect(),
    };
    json!({
        "name": place.to_string(),
        "address": socket_address("127.0.0.1", 0),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "http",
                "codec_type": "AUTO",
                "http_filters": filters,
                "route_config": { "virtual_hosts": domains }
            }
        }] }]
    })
}

fn virtual_host(domain: &str) -> Value {
    json!({
        "name": domain,
        "domains": [domain],
        "routes": [{
            "match": { "prefix": "/" },
            "direct_response": { "status": 200, "body": { "inline_string": "served\n" } }
        }]
    })
}

fn http_filter(filter: &Filter, id: &str) -> Value {
    match filter {
        Filter::Wasm { module, config } => json!({
            "name": "wasm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "failure_policy": "FAIL_RELOAD",
                    "vm_config": {
                        "vm_id": id,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": module } }
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": config
                    }
                }
            }
        }),
        Filter::Rbac { hosts } => {
            let is = |name: &str, value: &str| json!({ "header": { "name": name, "string_match": { "exact": value } } });
            let policy = |index| {
                let rules = [is(":authority", &host(index)), is(":method", "GET")];
                let policy = json!({
                    "permissions": [{ "and_rules": { "rules": rules } }],
                    "principals": [{ "any": true }]
                });
                (format!("service-{index}"), policy)
            };
            let policies: Map<_, _> = (0..*hosts).map(policy).collect();
            json!({
                "name": "rbac",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    "rules": { "action": "ALLOW", "policies": policies }
                }
            })
        }
        Filter::Lua { script } => json!({
            "name": "lua",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": { "inline_string": script }
            }
        }),
    }
}
