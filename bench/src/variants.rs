//! What is compared: chains of filters in front of the same answer.

use std::fs;
use std::path::{Path, PathBuf};

use policy::Tags;
use policy::config::{ListenerConfig, PluginConfig, Reasons};
use system_tests::wasm_host;

/// A chain of filters, and the request that it is measured with.
pub(crate) struct Variant {
    /// The name in tables and in the JSON file.
    pub(crate) name: String,
    /// What comes before the router.
    pub(crate) filters: Vec<Filter>,
    /// How many virtual hosts Envoy itself has to choose from; one for all hosts if there are none.
    pub(crate) virtual_hosts: usize,
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
/// All filters in one module.
pub(crate) const FUSED: &str = "gateway.wasm";
/// The filters one after the other.
pub(crate) const CHAIN: &str = "the filters in a chain";
/// The same decision in Lua.
pub(crate) const LUA: &str = "Lua, same decision";

/// The filters in the order of the chain.
pub(crate) const FILTERS: [&str; 2] = ["host_match", "listener_tags"];
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
        host: host(USUAL / 2),
        status: 200,
    };
    let floor = |name: &str| Filter::Wasm {
        module: floors.join(name).with_extension("wasm"),
        config: String::new(),
    };
    let untagged = Tags::default();
    let own = |name: &str| Filter::Wasm {
        module: wasm_host::path(name),
        // It refuses what it would not publish.
        config: match name {
            "host_match" => config(USUAL, Hosts::Exact, &untagged),
            _ => config(USUAL, Hosts::Exact, &tags),
        },
    };
    let mut variants = vec![
        usual(NO_FILTER, Vec::new()),
        usual("floor: does nothing", vec![floor("nothing")]),
        usual(FLOOR, vec![floor("authority")]),
    ];
    variants.extend(FILTERS.map(|name| usual(&format!("{name}.wasm"), vec![own(name)])));
    variants.push(usual(CHAIN, FILTERS.map(own).into()));
    variants.push(usual(FUSED, vec![own("gateway")]));
    variants.push(usual(
        LUA,
        vec![Filter::Lua {
            script: lua(USUAL)?,
        }],
    ));
    variants.push(Variant {
        host: "nobody.example.org".to_owned(),
        status: 404,
        ..usual("gateway.wasm, refused", vec![own("gateway")])
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
    let config = PluginConfig {
        reasons: Reasons::Short,
        listeners: Some((0..size).map(listener).collect()),
        ..PluginConfig::empty()
    };
    serde_json::to_string(&config).expect("texts and numbers")
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
