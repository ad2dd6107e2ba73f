//! What crosses the border between Envoy and the filters: it is what they cost.

use std::fs;

use system_tests::wasm_host::{Host, module, path};

use crate::{DECIDING, TWO_HOSTS};

const FILTERS: [&str; 5] = [
    "host_match",
    "listener_tags",
    "cross_mesh",
    "external_access",
    "gateway",
];
/// Those that are also network filters.
const OF_CONNECTIONS: [&str; 2] = ["external_access", "gateway"];

/// The largest size of a module, in bytes: V8 compiles the whole module before the first request.
fn limit(filter: &str) -> u64 {
    if filter == "gateway" {
        200_000
    } else {
        120_000
    }
}

#[test]
fn exports_are_what_envoy_needs_and_nothing_else() {
    for filter in FILTERS {
        let module = module(filter);
        let mut exports: Vec<_> = module.exports().map(|export| export.name()).collect();
        exports.sort_unstable();
        let mut expected = vec![
            "malloc",
            "memory",
            "proxy_abi_version_0_2_1",
            "proxy_on_configure",
            "proxy_on_context_create",
            "proxy_on_request_headers",
        ];
        if OF_CONNECTIONS.contains(&filter) {
            expected.push("proxy_on_new_connection");
            expected.sort_unstable();
        }
        assert_eq!(exports, expected, "{filter}");
    }
}

/// A ready configuration and the loader's capability restriction allow these; one more here is one more there.
#[test]
fn imports_are_what_the_capability_restriction_allows() {
    let refusing = [
        "proxy_define_metric",
        "proxy_get_buffer_bytes",
        "proxy_get_header_map_value",
        "proxy_increment_metric",
        "proxy_log",
        "proxy_send_local_response",
        "proxy_set_effective_context",
        "proxy_set_property",
    ];
    for filter in FILTERS {
        let mut expected = refusing.to_vec();
        expected.extend(match filter {
            "listener_tags" => &["proxy_remove_header_map_value"][..],
            "cross_mesh" => &["proxy_get_property", "proxy_replace_header_map_value"],
            "external_access" | "gateway" => &[
                "proxy_close_stream",
                "proxy_get_property",
                "proxy_replace_header_map_value",
            ],
            _ => &[],
        });
        let module = module(filter);
        assert!(module.imports().all(|import| import.module() == "env"));
        let mut imports: Vec<_> = module.imports().map(|import| import.name()).collect();
        imports.sort_unstable();
        expected.sort_unstable();
        assert_eq!(imports, expected, "{filter}");
    }
}

#[test]
fn modules_are_small() {
    for filter in FILTERS {
        let size = fs::metadata(path(filter)).unwrap().len();
        println!("{filter}: {size} bytes");
        assert!(size <= limit(filter), "{filter} has {size} bytes");
    }
}

#[test]
fn a_request_that_passes_reads_one_value_and_changes_no_header() {
    let with_tags = r#"{"version": 1, "listeners": [{"name": "foo", "tags": {"a": "b"}}]}"#;
    let refused_only = with_tags.replace("1,", r#"1, "publish": "refused","#);
    let tagged = "increment_metric meshgate.tagged.listener=foo;";
    let counted = "increment_metric meshgate.requests.listener=foo;decision=forward;reason=;";
    let authority = "get_header_map_value :authority";
    for (filter, config, calls) in [
        ("host_match", TWO_HOSTS, &[authority, counted][..]),
        ("cross_mesh", TWO_HOSTS, &[authority, counted]),
        (
            "listener_tags",
            with_tags,
            &[
                // In vain, so it returns no value.
                "get_header_map_value x-kuma-tags",
                authority,
                "set_property meshgate.listener",
                "set_property meshgate.tags",
                tagged,
            ],
        ),
        (
            "gateway",
            with_tags,
            &[
                authority,
                "set_property meshgate.listener",
                "set_property meshgate.tags",
                counted,
            ],
        ),
        ("gateway", &refused_only, &[authority, counted]),
    ] {
        let mut filter = Host::load(filter);
        let root = filter.configure(config).unwrap();
        let first = filter.get(root, "foo.example.com");
        assert_eq!(
            first.calls.len(),
            calls.len() + 1,
            "the counter is defined once"
        );
        assert_eq!(filter.get(root, "foo.example.com").calls, calls);
    }
}

#[test]
fn a_refused_request_reads_one_value() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        let root = filter.configure(TWO_HOSTS).unwrap();
        filter.get(root, "other.test");
        assert_eq!(
            filter.get(root, "other.test").calls,
            [
                "get_header_map_value :authority",
                "increment_metric meshgate.requests.listener=;decision=reject;reason=no_listener;",
                "set_property meshgate.decision",
                "set_property meshgate.reason",
                "log",
                "send_local_response 404",
            ]
        );
    }
}

#[test]
fn counters_are_defined_once_for_all_plugins() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        for _ in 0..3 {
            let root = filter.configure(TWO_HOSTS).unwrap();
            for host in ["foo.example.com", "bar.example.com", "other.test", "a,b"] {
                filter.get(root, host);
            }
        }
        assert_eq!(filter.definitions(), 4);
        assert_eq!(filter.counters().values().sum::<u64>(), 12);
    }
}

#[test]
fn ten_thousand_requests_do_not_grow_the_memory() {
    let huge = "a".repeat(60_000);
    for name in ["host_match", "listener_tags", "cross_mesh", "gateway"] {
        let mut filter = Host::load(name);
        let config = TWO_HOSTS.replace(r#""port": 8080,"#, "");
        let root = filter.configure(&config).unwrap();
        let hosts = [
            "foo.example.com",
            "other.test",
            "u@x",
            "a.b,c.d",
            "[::1]",
            "",
            &huge,
        ];
        for host in hosts {
            filter.get(root, host);
        }
        let size = filter.memory_size();
        for host in hosts.iter().cycle().take(10_000) {
            filter.get(root, host);
        }
        assert_eq!(filter.memory_size(), size, "{name}");
    }
}

/// What a worker needs for 100,000 hostnames: the memory of a VM never shrinks, so the text of the configuration and
/// all that is made while it is read count, too.
#[test]
fn a_hundred_thousand_hostnames_fit_into_40_mib() {
    let listener = |i: u32| {
        format!(
            r#"{{"name":"edge/8080/host-{i}.example.com","hostnames":["host-{i}.example.com"],"tags":{{"a":"b"}}}}"#
        )
    };
    let listeners: Vec<_> = (0..100_000).map(listener).collect();
    let json = format!(r#"{{"version":1,"listeners":[{}]}}"#, listeners.join(","));
    let mut filter = Host::load("gateway");
    let first = filter.configure(&json).unwrap();
    println!("{} bytes of memory", filter.memory_size());
    assert!(filter.memory_size() <= 40 << 20);

    // The next configuration comes while the old one is in use.
    let mut old = first;
    for _ in 0..3 {
        assert!(filter.get(old, "host-77777.example.com").forwarded());
        let new = filter.configure(&json).unwrap();
        filter.drop_root(old);
        old = new;
    }
    println!("{} bytes after three changes", filter.memory_size());
    assert!(filter.memory_size() <= 40 << 20);
}

/// Whatever a capability restriction takes away: nothing gets in that should not, and nothing traps.
#[test]
fn a_call_that_fails_opens_nothing() {
    for name in DECIDING {
        for call in [
            "get_header_map_value",
            "set_property",
            "send_local_response",
            "define_metric",
            "increment_metric",
            "log",
        ] {
            let mut filter = Host::load(name);
            let root = filter.configure(TWO_HOSTS).unwrap();
            filter.forbid(call);
            for host in ["other.test", "u@x", "", "a,b"] {
                assert!(!filter.get(root, host).forwarded(), "{call} {host}");
            }
            let passes = filter.get(root, "foo.example.com").forwarded();
            assert_eq!(passes, call != "get_header_map_value", "{call}");
        }
        let mut filter = Host::load(name);
        filter.forbid("get_buffer_bytes");
        assert!(filter.configure(TWO_HOSTS).is_err());
    }
}
