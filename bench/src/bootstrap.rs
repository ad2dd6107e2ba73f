//! One Envoy with a listener for each variant.

use serde_json::{Map, Value, json};
use system_tests::envoy::socket_address;

use crate::variants::{Filter, Log, Variant, host};

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
                "access_log": access_log(variant.log),
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
        "metadata": { "filter_metadata": { "meshgate": {
            "listener": format!("edge/8080/{domain}"), "tags": "&kuma.io/service=edge&"
        } } },
        "routes": [{
            "match": { "prefix": "/" },
            "direct_response": { "status": 200, "body": { "inline_string": "served\n" } }
        }]
    })
}

/// The log of a gateway's port without TLS, as the loader writes it (`loader/src/envoy/access_log`).
fn access_log(log: Option<Log>) -> Vec<Value> {
    let line = |[listener, tags]: [&str; 2], requests: Value| {
        let state = |key| format!("{key}=%FILTER_STATE(wasm.meshgate.{key}:PLAIN)%");
        let decision = ["decision", "reason", "owner"].map(state).join(" ");
        json!({
            "name": "file",
            "filter": requests,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": "/dev/null",
                "log_format": { "text_format_source": { "inline_string": format!(
                    "[%START_TIME%] %RESPONSE_CODE% %REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% \
                     sni=%REQUESTED_SERVER_NAME% {decision} listener={listener} tags={tags}\n"
                ) } }
            }
        })
    };
    let asked =
        ["listener", "tags"].map(|key| format!("%FILTER_STATE(wasm.meshgate.{key}:PLAIN)%"));
    let asked = asked.each_ref().map(String::as_str);
    let known = [
        "%METADATA(VIRTUAL_HOST:meshgate:listener)%",
        "%METADATA(VIRTUAL_HOST:meshgate:tags)%",
    ];
    let status = |op: &str, status: u16| {
        json!({ "status_code_filter": { "comparison": {
        "op": op, "value": { "default_value": status, "runtime_key": "none" }
    } } })
    };
    let details = |expression: &str| {
        json!({ "extension_filter": {
        "name": "cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression
        }
    } })
    };
    match log {
        None => Vec::new(),
        Some(Log::Filter) => vec![line(asked, Value::Null)],
        Some(Log::VirtualHost) => {
            let passed = [
                status("LE", 399),
                details("!response.code_details.startsWith('meshgate_')"),
            ];
            let refused = [
                status("GE", 400),
                details("response.code_details.startsWith('meshgate_')"),
            ];
            vec![
                line(known, json!({ "or_filter": { "filters": passed } })),
                line(asked, json!({ "and_filter": { "filters": refused } })),
            ]
        }
    }
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
