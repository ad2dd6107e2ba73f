//! What is compared: chains of filters in front of the same answer.

use std::fs;
use std::path::{Path, PathBuf};

use policy::Tags;
use policy::config::{
    Access, CrossMeshConfig, CrossMeshGatewayConfig, ExternalAccessConfig, ExternalServiceConfig,
    ListenerConfig, Passthrough, PermissionsConfig, PluginConfig, Publish, Reasons, RuleConfig,
};
use system_tests::wasm_host;

/// A chain of filters, and the request that it is measured with.
pub(crate) struct Variant {
    /// The name in tables and in the JSON file.
    pub(crate) name: String,
    /// What comes before the router.
    pub(crate) filters: Vec<Filter>,
    /// How many virtual hosts Envoy itself has to choose from; one for all hosts if there are none.
    pub(crate) virtual_hosts: usize,
    /// The access log, if there is one.
    pub(crate) log: Option<Log>,
    /// The host that is asked for.
    pub(crate) host: String,
    /// The status of the answer.
    pub(crate) status: u16,
}

/// A filter of a chain.
pub(crate) enum Filter {
    /// A module in a VM of its own, with its configuration.
    Wasm { module: PathBuf, config: String },
    /// A script.
    Lua { script: String },
    /// Envoy's own access control, with a policy for each of so many hosts.
    Rbac { hosts: usize },
}

/// From where an access log knows whose a request is.
#[derive(Clone, Copy)]
pub(crate) enum Log {
    /// From the filter state.
    Filter,
    /// From the virtual host, and for what the filter refuses from the filter state. This is the log of the loader.
    VirtualHost,
}

/// How hosts are written in a configuration.
#[derive(Clone, Copy)]
pub(crate) enum Hosts {
    /// `host-7.example.com`.
    Exact,
    /// `*.host-7.example.com`.
    Wildcard,
}

/// The variants without any filter of ours: what all others are compared with.
pub(crate) const NO_FILTER: &str = "no filter";
/// The same with one virtual host for all.
pub(crate) const NO_FILTER_ANY: &str = "no filter, one virtual host";
/// A module that reads `:authority`.
pub(crate) const FLOOR: &str = "floor: reads :authority";
/// All filters in one module, with what the loader tells it.
pub(crate) const FUSED: &str = "gateway.wasm";
/// The same where it has to say of each request whose it is.
pub(crate) const FUSED_TALKING: &str = "gateway.wasm, `publish: all`";
/// The loader's access log without a filter: what the next ones are compared with.
pub(crate) const LOG: &str = "no filter, an access log";
/// All filters in one module, and the loader's access log.
pub(crate) const FUSED_LOGGED: &str = "gateway.wasm, an access log";
/// The same with a log that asks the filter whose each request is.
pub(crate) const FUSED_ASKED: &str = "gateway.wasm, an access log that asks it";
/// The filters one after the other.
pub(crate) const CHAIN: &str = "the four filters in a chain";
/// The filter of calls between meshes at the gateway and at the client.
pub(crate) const CROSS_MESH: [&str; 2] = [
    "cross_mesh.wasm, at the gateway",
    "cross_mesh.wasm, at the client",
];
/// The filter of what leaves the mesh.
pub(crate) const EXTERNAL: &str = "external_access.wasm";
/// The same rules natively.
pub(crate) const RBAC: &str = "native RBAC, the same rules";
/// The same decision in Lua.
pub(crate) const LUA: &str = "Lua, same decision";

/// What a filter may do to a request besides reading `:authority`, one thing each: the module that does it, and the
/// variant's name.
pub(crate) const PRICES: [(&str, &str); 4] = [
    ("counter", "floor and a counter"),
    ("property", "floor and a filter state"),
    ("second", "floor and a second header read"),
    ("header", "floor and a header replaced"),
];
/// The numbers of hostnames that are compared.
pub(crate) const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// The number of hostnames in all other variants.
const USUAL: usize = 100;

/// All variants; `floors` is the folder of the modules that show the floor.
pub(crate) fn all(floors: &Path) -> anyhow::Result<Vec<Variant>> {
    let tags: Tags = [("kuma.io/service", "edge")].into_iter().collect();
    let usual = |name: &str, filters| Variant {
        name: name.to_owned(),
        filters,
        virtual_hosts: USUAL,
        log: None,
        host: host(USUAL / 2),
        status: 200,
    };
    let floor = |name: &str| Filter::Wasm {
        module: floors.join(name).with_extension("wasm"),
        config: String::new(),
    };
    let own = |name: &str, config: &PluginConfig| Filter::Wasm {
        module: wasm_host::path(name),
        config: json(config),
    };
    // Those that do not publish tags refuse them.
    let untagged = listeners(USUAL, Hosts::Exact, &Tags::default());
    let tagged = listeners(USUAL, Hosts::Exact, &tags);
    let talking = PluginConfig {
        publish: Publish::All,
        ..tagged.clone()
    };
    let services = services(USUAL);
    let chain = [
        own("host_match", &untagged),
        own("listener_tags", &talking),
        own("cross_mesh", &untagged),
        own("external_access", &services),
    ];
    let fused = || vec![own("gateway", &tagged)];
    let mut variants = vec![
        usual(NO_FILTER, Vec::new()),
        usual("floor: does nothing", vec![floor("nothing")]),
        usual(FLOOR, vec![floor("authority")]),
    ];
    variants.extend(PRICES.map(|(module, name)| usual(name, vec![floor(module)])));
    let [at_the_gateway, at_the_client] = CROSS_MESH;
    for (name, filter) in [
        ("host_match.wasm", own("host_match", &untagged)),
        ("listener_tags.wasm", own("listener_tags", &talking)),
        (at_the_gateway, own("cross_mesh", &untagged)),
        (at_the_client, own("cross_mesh", &gateways(USUAL))),
        (EXTERNAL, own("external_access", &services)),
        (RBAC, Filter::Rbac { hosts: USUAL }),
        (FUSED, own("gateway", &tagged)),
        (FUSED_TALKING, own("gateway", &talking)),
    ] {
        variants.push(usual(name, vec![filter]));
    }
    for (name, filters, log) in [
        (LOG, Vec::new(), Log::VirtualHost),
        (FUSED_LOGGED, fused(), Log::VirtualHost),
        (FUSED_ASKED, vec![own("gateway", &talking)], Log::Filter),
    ] {
        variants.push(Variant {
            log: Some(log),
            ..usual(name, filters)
        });
    }
    variants.push(usual(CHAIN, chain.into()));
    variants.push(usual(
        LUA,
        vec![Filter::Lua {
            script: lua(USUAL)?,
        }],
    ));
    variants.push(Variant {
        host: "nobody.example.org".to_owned(),
        status: 404,
        ..usual("gateway.wasm, refused", fused())
    });
    variants.push(Variant {
        virtual_hosts: 0,
        ..usual(NO_FILTER_ANY, Vec::new())
    });
    for (kind, label) in [(Hosts::Exact, "exact"), (Hosts::Wildcard, "wildcard")] {
        for size in SIZES {
            variants.push(Variant {
                name: sized(size, label),
                filters: vec![Filter::Wasm {
                    module: wasm_host::path("gateway"),
                    config: config(size, kind, &tags),
                }],
                virtual_hosts: 0,
                log: None,
                host: match kind {
                    Hosts::Exact => host(size / 2),
                    Hosts::Wildcard => format!("a.{}", host(size / 2)),
                },
                status: 200,
            });
        }
    }
    Ok(variants)
}

/// The name of a variant with this many hostnames.
pub(crate) fn sized(size: usize, label: &str) -> String {
    format!("gateway.wasm, {size} {label} hostnames")
}

/// A name that a listener has.
pub(crate) fn host(index: usize) -> String {
    format!("host-{index}.example.com")
}

/// The configuration of a filter with a listener for each of `size` hostnames.
pub(crate) fn config(size: usize, kind: Hosts, tags: &Tags) -> String {
    json(&listeners(size, kind, tags))
}

fn listeners(size: usize, kind: Hosts, tags: &Tags) -> PluginConfig {
    let listener = |index| {
        let host = host(index);
        ListenerConfig {
            name: format!("edge/8080/{host}"),
            hostnames: vec![match kind {
                Hosts::Exact => host,
                Hosts::Wildcard => format!("*.{host}"),
            }],
            tags: tags.clone(),
            permissions: None,
        }
    };
    PluginConfig {
        reasons: Reasons::Short,
        publish: Publish::Refused,
        listeners: Some((0..size).map(listener).collect()),
        ..PluginConfig::empty()
    }
}

/// A gateway of another mesh for each host.
fn gateways(size: usize) -> PluginConfig {
    let gateway = |index| CrossMeshGatewayConfig {
        mesh: "east".to_owned(),
        gateway: format!("edge-{index}"),
        hostnames: vec![host(index)],
        port: None,
        cluster: format!("edge_{index}"),
    };
    PluginConfig {
        cross_mesh: Some(CrossMeshConfig {
            gateways: (0..size).map(gateway).collect(),
        }),
        ..PluginConfig::empty()
    }
}

/// An external service for each host, with one method that is allowed.
fn services(size: usize) -> PluginConfig {
    let allowed = RuleConfig {
        methods: vec!["GET".to_owned()],
        ..RuleConfig::default()
    };
    let service = |index| ExternalServiceConfig {
        name: format!("service-{index}"),
        hostnames: vec![host(index)],
        port: None,
        cluster: None,
        permissions: Some(PermissionsConfig {
            allow: vec![allowed.clone()],
            ..PermissionsConfig::default()
        }),
    };
    PluginConfig {
        external_access: Some(ExternalAccessConfig {
            default: Access::default(),
            passthrough: Passthrough::None,
            services: (0..size).map(service).collect(),
            ..ExternalAccessConfig::default()
        }),
        ..PluginConfig::empty()
    }
}

fn json(config: &PluginConfig) -> String {
    serde_json::to_string(config).expect("texts and numbers")
}

fn lua(size: usize) -> anyhow::Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters/decide.lua");
    let exact: Vec<_> = (0..size)
        .map(|index| format!("[{0:?}] = \"edge/8080/{0}\"", host(index)))
        .collect();
    let script = fs::read_to_string(file)?;
    Ok(script
        .replace("EXACT", &exact.join(", "))
        .replace("SUFFIX", ""))
}
