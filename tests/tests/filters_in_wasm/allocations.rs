//! What a request takes from the heap of a filter: nothing, if it passes.

use system_tests::checkout;
use system_tests::wasm_host::Host;
use wasmtime::{Engine, Module};

const LISTENERS: &str = r#"{"version": 1, "listeners": [
    {"name": "foo", "hostnames": ["foo.example.com"]}, {"name": "wild", "hostnames": ["*.example.com"]}
]}"#;
const TAGGED: &str = r#"{"version": 1, "listeners": [
    {"name": "foo", "hostnames": ["foo.example.com"], "tags": {"a": "b"}},
    {"name": "wild", "hostnames": ["*.example.com"], "tags": {"c": "d"}}
]}"#;
const CLIENTS: &str = r#"{"version": 1, "listeners": [{"name": "foo", "permissions": {
    "deny": [{"client": ["spiffe://east/*"]}],
    "allow": [{"client": ["spiffe://west/*"], "methods": ["GET"], "paths": ["/"]}]
}}]}"#;
const GATEWAYS: &str = r#"{"version": 1, "cross_mesh": {"gateways": [
    {"mesh": "east", "gateway": "edge", "hostnames": ["foo.example.com", "bar.example.com"], "cluster": "edge"}
]}}"#;
const SERVICES: &str = r#"{"version": 1, "external_access": {"passthrough": "none", "services": [
    {"name": "api", "hostnames": ["foo.example.com", "bar.example.com"], "permissions": {
        "allow": [{"client": ["spiffe://west/web"], "methods": ["GET"], "paths": ["/"]}]}}
]}}"#;

#[test]
fn a_request_that_passes_takes_nothing_from_the_heap() {
    let folder = wasm_build::build_counting(&checkout()).unwrap();
    let engine = Engine::default();
    for (name, configs) in [
        ("host_match", &[LISTENERS][..]),
        ("listener_tags", &[LISTENERS, TAGGED]),
        ("cross_mesh", &[LISTENERS, CLIENTS, GATEWAYS]),
        ("external_access", &[SERVICES]),
        ("gateway", &[LISTENERS, TAGGED, CLIENTS, GATEWAYS, SERVICES]),
    ] {
        let file = folder.join(name).with_extension("wasm");
        let module = Module::from_file(&engine, file).unwrap();
        for config in configs {
            let mut filter = Host::of(&module);
            let root = filter.configure(config).unwrap();
            filter.set_property("filter_state meshgate.client", b"spiffe://west/web");
            let mut send = |host: &[u8]| {
                let before = filter.allocations();
                let headers: [(&str, &[u8]); 3] = [
                    (":authority", host),
                    (":method", b"GET"),
                    (":path", b"/a/b?c"),
                ];
                let passed = filter.request(root, &headers).forwarded();
                (passed, filter.allocations() - before)
            };
            for host in ["foo.example.com", "bar.example.com"] {
                let (passed, first) = send(host.as_bytes());
                assert!(passed && first < 16, "{name} {config}: {first}");
            }
            for host in ["foo.example.com", "BAR.example.com:8080", "FOO.example.com"] {
                assert_eq!(send(host.as_bytes()), (true, 0), "{name} {host} {config}");
            }
        }
    }
}
