//! What decides about a request, natively and in Wasm: the same tables, run on both targets.
//!
//! In Wasm they run under Node: `scripts/test-policy-in-node.sh`.

use policy::config::Reasons;
use policy::{
    Authority, Decision, HostPattern, HostTable, NoTrace, Outcome, PluginConfig, Policy,
    RequestView, Tags, decide, telemetry,
};

#[cfg(not(target_arch = "wasm32"))]
use core::prelude::v1::test;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LISTENERS: &str = r#"{"version": 1, "port": 8443, "listeners": [
    {"name": "foo", "hostnames": ["foo.example.com"], "tags": {"vhost": "foo", "a": "b"}},
    {"name": "wild", "hostnames": ["*.example.com"]},
    {"name": "deep", "hostnames": ["*.a.example.com"]}
]}"#;

fn table(json: &str) -> HostTable {
    let mut config = PluginConfig::from_json(json.as_bytes()).unwrap();
    config.table().unwrap().unwrap()
}

/// The listener's name, or status and answer.
fn verdict(table: &HostTable, chain: Option<&str>, host: Option<&[u8]>) -> String {
    let policy = Policy {
        table,
        chain: chain.map(|name| table.named(name).unwrap()),
    };
    let mut bytes = host.map(<[u8]>::to_vec);
    let request = RequestView::new(bytes.as_deref_mut());
    match decide(&policy, &request, &mut NoTrace) {
        Decision::Forward(listener) => listener.name.to_string(),
        Decision::Reject(refusal) => {
            let answer = refusal.answer(&request, Reasons::Full, Some(8443));
            format!("{} {answer}", refusal.reason.status())
        }
    }
}

#[test]
fn decisions() {
    let table = table(LISTENERS);
    let rows: &[(Option<&str>, &[u8], &str)] = &[
        (None, b"foo.example.com", "foo"),
        (None, b"FOO.EXAMPLE.com:8443", "foo"),
        (None, b"bar.example.com", "wild"),
        (None, b"x.a.example.com", "deep"),
        (None, b"a.example.com", "wild"),
        (
            None,
            b"example.com",
            "404 no_listener: no listener on port 8443 owns example.com",
        ),
        (
            None,
            b"foo.example.com.",
            "404 no_listener: no listener on port 8443 owns foo.example.com.",
        ),
        (
            None,
            b"[::1]:8443",
            "404 no_listener: no listener on port 8443 owns [::1]",
        ),
        (None, b"", "400 malformed_authority: the host is empty"),
        (
            None,
            b"a.b,c.d",
            "400 malformed_authority: the host has the byte 0x2c, which no host name has",
        ),
        (
            None,
            b"u@foo.example.com",
            "400 malformed_authority: the host has user information before it",
        ),
        (
            None,
            b"foo.example.com:99999",
            "400 malformed_authority: the port is no number from 0 to 65535",
        ),
        (
            None,
            b"[fe80::1%25eth0]",
            "400 malformed_authority: the host in brackets is no IPv6 address",
        ),
        (
            None,
            b"\xff.example.com",
            "400 malformed_authority: the host has the byte 0xff, which no host name has",
        ),
        (Some("foo"), b"foo.example.com", "foo"),
        (
            Some("foo"),
            b"bar.example.com",
            "421 misdirected: bar.example.com is served on this port under another certificate",
        ),
        (
            Some("wild"),
            b"foo.example.com",
            "421 misdirected: foo.example.com is served on this port under another certificate",
        ),
    ];
    for (chain, host, expected) in rows {
        assert_eq!(&verdict(&table, *chain, Some(host)), expected);
    }
    let missing = "400 malformed_authority: the request has no host";
    assert_eq!(verdict(&table, None, None), missing);
}

#[test]
fn authorities() {
    for (text, host, port) in [
        ("Foo.Example.com", "foo.example.com", None),
        ("foo.example.com.:80", "foo.example.com.", Some(80)),
        ("[2001:DB8::0:1]:0", "[2001:db8::1]", Some(0)),
        ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
    ] {
        let mut bytes = text.as_bytes().to_vec();
        let authority = Authority::parse(&mut bytes).unwrap();
        assert_eq!(
            (authority.host.to_string().as_str(), authority.port),
            (host, port)
        );
    }
}

#[test]
fn patterns() {
    let intersect = |a: &str, b: &str| {
        let (a, b): (HostPattern, HostPattern) = (a.parse().unwrap(), b.parse().unwrap());
        a.intersect(&b).map(ToString::to_string)
    };
    for (a, b, both) in [
        ("*", "*.com", Some("*.com")),
        ("*.example.com", "foo.example.com", Some("foo.example.com")),
        ("*.example.com", "example.com", None),
        ("*.ample.com", "*.example.com", None),
    ] {
        assert_eq!(intersect(a, b).as_deref(), both);
        assert_eq!(intersect(b, a).as_deref(), both);
    }
}

#[test]
fn what_is_told() {
    let tags: Tags = [("vhost", "foo"), ("a", "b")].into_iter().collect();
    let table = table(LISTENERS);
    let listener = table.named("foo").unwrap();
    assert_eq!(*listener.tags, *tags.to_string());
    assert_eq!(listener.tags.to_string(), "&a=b&vhost=foo&");
    assert_eq!(table.index_of(listener), Some(0));
    assert_eq!(
        telemetry::requests_counter(Some(&listener.name), Outcome::Forward),
        "meshgate.requests.listener=foo;decision=forward;reason=;"
    );
}

#[test]
fn a_configuration_is_the_same_after_writing_and_reading() {
    let config = PluginConfig::from_json(LISTENERS.as_bytes()).unwrap();
    let json = serde_json::to_vec(&config).unwrap();
    assert_eq!(PluginConfig::from_json(&json).unwrap(), config);
    for (json, mistake) in [
        (r#"{"version":1}"#, "`listeners` is missing"),
        (r#"{"version":1,"x":0}"#, "unknown field `x`"),
        (r#"{"version":-1,"table":"t"}"#, "expected a whole number"),
    ] {
        let error = PluginConfig::from_json(json.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(mistake), "{error}");
    }
}
