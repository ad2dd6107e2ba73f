//! Tags in the filter state, from the filter of its own and from the fused one.

use system_tests::wasm_host::{Host, Outcome};

const TAGS: &str = r#"{"version": 1, "listeners": [
    {"name": "foo", "hostnames": ["foo.com"], "tags": {"vhost": "foo", "kuma.io/service": "edge"}},
    {"name": "bar", "hostnames": ["bar.com"]}
]}"#;

fn state(outcome: &Outcome) -> Vec<(&str, &str)> {
    let state = outcome.filter_state.iter();
    state.map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

#[test]
fn the_owner_and_its_tags_are_published() {
    for name in ["listener_tags", "gateway"] {
        let mut filter = Host::load(name);
        let root = filter.configure(TAGS).unwrap();
        let outcome = filter.get(root, "FOO.com:80");
        assert!(outcome.forwarded());
        let tags = ("meshgate.tags", "&kuma.io/service=edge&vhost=foo&");
        assert_eq!(state(&outcome), [("meshgate.listener", "foo"), tags]);
        let outcome = filter.get(root, "bar.com");
        assert_eq!(state(&outcome), [("meshgate.listener", "bar")]);
    }
}

#[test]
fn listener_tags_refuses_nothing_and_gives_tags_to_owned_hosts_only() {
    let mut filter = Host::load("listener_tags");
    let chain = TAGS.replacen('{', r#"{"chain": "bar", "#, 1);
    for (json, host) in [(TAGS, "baz.com"), (TAGS, "a@foo.com"), (&chain, "foo.com")] {
        let root = filter.configure(json).unwrap();
        let outcome = filter.get(root, host);
        assert!(outcome.forwarded());
        assert_eq!(state(&outcome), []);
    }
    assert!(filter.counters().is_empty());
}

#[test]
fn listener_tags_counts_by_listener() {
    let mut filter = Host::load("listener_tags");
    let root = filter.configure(TAGS).unwrap();
    for host in ["foo.com", "bar.com", "foo.com", "baz.com"] {
        filter.get(root, host);
    }
    let counters: Vec<_> = filter.counters().into_iter().collect();
    assert_eq!(
        counters,
        [
            ("meshgate.tagged.listener=bar;".to_owned(), 1),
            ("meshgate.tagged.listener=foo;".to_owned(), 2)
        ]
    );
}

#[test]
fn gateway_tags_a_misdirected_request_as_its_connection() {
    let mut filter = Host::load("gateway");
    let chain = TAGS.replacen('{', r#"{"chain": "foo", "#, 1);
    let root = filter.configure(&chain).unwrap();
    let outcome = filter.get(root, "bar.com");
    assert_eq!(outcome.verdict().0, 421);
    assert_eq!(
        outcome.state("meshgate.tags"),
        Some("&kuma.io/service=edge&vhost=foo&")
    );
    assert_eq!(outcome.state("meshgate.owner"), Some("bar"));
}

#[test]
fn a_client_cannot_bring_tags() {
    let mut filter = Host::load("listener_tags");
    let root = filter.configure(TAGS).unwrap();
    for host in ["foo.com", "baz.com"] {
        for value in ["&team=admin&", ""] {
            let headers: [(&str, &[u8]); 4] = [
                (":authority", host.as_bytes()),
                ("x-kuma-tags", value.as_bytes()),
                ("x-kuma-tags", b"\xff"),
                ("accept", b"*/*"),
            ];
            let outcome = filter.request(root, &headers);
            let names: Vec<_> = outcome.headers.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, [":authority", "accept"]);
        }
    }
}

/// Where nobody asks about the others: a host of another chain, a client who may not, one who only should not.
#[test]
fn with_publish_refused_only_refused_requests_are_told_about() {
    let json = r#"{"version": 1, "publish": "refused", "chain": "foo", "listeners": [
        {"name": "foo", "hostnames": ["foo.com"], "tags": {"a": "b"}, "permissions": {
            "shadow_deny": [{"methods": ["PUT"]}], "allow": [{"methods": ["GET"]}]}},
        {"name": "bar", "hostnames": ["bar.com"]}
    ]}"#;
    let mut filter = Host::load("gateway");
    let root = filter.configure(json).unwrap();
    let mut told = |method: &'static [u8], host: &'static [u8]| {
        let outcome = filter.request(root, &[(":authority", host), (":method", method)]);
        let told = ["listener", "tags", "decision"]
            .map(|key| outcome.state(&format!("meshgate.{key}")).map(str::to_owned));
        told.map(Option::unwrap_or_default)
    };
    assert_eq!(told(b"GET", b"foo.com"), ["", "", ""]);
    assert_eq!(told(b"PUT", b"foo.com"), ["foo", "&a=b&", "audit"]);
    assert_eq!(told(b"POST", b"foo.com"), ["foo", "&a=b&", "reject"]);
    assert_eq!(told(b"GET", b"bar.com"), ["foo", "&a=b&", "reject"]);
}
