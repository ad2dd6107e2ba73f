//! The built filters, as Envoy would load them.

mod abi;
mod allocations;
mod bypass;
mod clients;
mod configuration;
mod cross_mesh;
mod decisions;
mod external_access;
mod listener_tags;
mod shared_tables;

use system_tests::wasm_host::Host;

/// The filters that refuse requests to hosts of no listener.
const DECIDING: [&str; 3] = ["host_match", "cross_mesh", "gateway"];

/// `foo.example.com` and everything below `example.com`.
const TWO_HOSTS: &str = r#"{"version": 1, "port": 8080, "listeners": [
    {"name": "foo", "hostnames": ["foo.example.com"]},
    {"name": "wild", "hostnames": ["*.example.com"]}
]}"#;

/// The host's answer as one line, or the counter that counted it in.
fn verdict(filter: &mut Host, config: &str, host: impl AsRef<[u8]>) -> String {
    let root = filter.configure(config).unwrap();
    let before = filter.counters();
    let outcome = filter.get(root, host);
    match outcome.verdict() {
        (200, _) => {
            let after = filter.counters();
            let counted = |(name, value): &(&String, &u64)| before.get(*name) != Some(*value);
            let (name, _) = after
                .iter()
                .find(counted)
                .expect("every request is counted");
            name.clone()
        }
        (status, body) => format!("{status} {body}"),
    }
}
