use super::*;
use crate::config::PluginConfig;
use crate::trace::{NoTrace, Recorder};

const TWO_HOSTS: &str = r#"{"version": 1, "port": 8443, "listeners": [
    {"name": "foo", "hostnames": ["foo.example.com"]},
    {"name": "wild", "hostnames": ["*.example.com"]}
]}"#;

fn table(json: &str) -> HostTable {
    PluginConfig::from_json(json.as_bytes())
        .unwrap()
        .table()
        .unwrap()
        .unwrap()
}

/// The decision as text: the listener's name, or status and answer.
fn verdict(json: &str, chain: Option<&str>, host: Option<&str>) -> String {
    let table = table(json);
    let policy = Policy {
        table: &table,
        chain: chain.map(|name| table.named(name).unwrap()),
    };
    let mut bytes = host.map(|host| host.as_bytes().to_vec());
    let request = RequestView::new(bytes.as_deref_mut());
    match decide(&policy, &request, &mut NoTrace) {
        Decision::Forward(listener) => listener.name.to_string(),
        Decision::Reject(refusal) => format!(
            "{} {}",
            refusal.reason.status(),
            refusal.answer(&request, Reasons::Full, Some(8443))
        ),
    }
}

#[test]
fn the_owner_of_the_host_gets_the_request() {
    assert_eq!(
        verdict(TWO_HOSTS, None, Some("FOO.example.com:8443")),
        "foo"
    );
    assert_eq!(verdict(TWO_HOSTS, None, Some("bar.example.com")), "wild");
}

#[test]
fn a_host_that_nobody_owns_is_refused_by_name() {
    assert_eq!(
        verdict(TWO_HOSTS, None, Some("Example.com")),
        "404 no_listener: no listener on port 8443 owns example.com"
    );
    assert_eq!(
        verdict(TWO_HOSTS, None, Some("[::1]")),
        "404 no_listener: no listener on port 8443 owns [::1]"
    );
}

#[test]
fn a_trailing_dot_leads_to_the_catch_all_only() {
    assert!(verdict(TWO_HOSTS, None, Some("foo.example.com.")).starts_with("404"));
    let with_any = r#"{"version": 1, "listeners": [
        {"name": "foo", "hostnames": ["foo.example.com"]}, {"name": "any"}]}"#;
    assert_eq!(verdict(with_any, None, Some("foo.example.com.")), "any");
}

#[test]
fn a_host_of_another_chain_is_misdirected() {
    assert_eq!(
        verdict(TWO_HOSTS, Some("foo"), Some("foo.example.com")),
        "foo"
    );
    for (chain, host) in [("foo", "bar.example.com"), ("wild", "foo.example.com")] {
        assert_eq!(
            verdict(TWO_HOSTS, Some(chain), Some(host)),
            format!("421 misdirected: {host} is served on this port under another certificate")
        );
    }
    assert!(verdict(TWO_HOSTS, Some("foo"), Some("other.test")).starts_with("404"));
}

#[test]
fn a_malformed_host_is_refused_and_not_repeated() {
    assert_eq!(
        verdict(TWO_HOSTS, None, Some("<b>@foo.example.com")),
        "400 malformed_authority: the host has user information before it"
    );
    assert_eq!(
        verdict(TWO_HOSTS, None, None),
        "400 malformed_authority: the request has no host"
    );
}

#[test]
fn what_a_client_learns_is_a_setting() {
    let request = RequestView::new(None);
    let text = |reasons| {
        Refusal::NO_CONFIG
            .answer(&request, reasons, None)
            .to_string()
    };
    assert_eq!(
        text(Reasons::Full),
        "no_config: the gateway has no valid configuration"
    );
    assert_eq!(text(Reasons::Short), "no_config");
    assert_eq!(text(Reasons::None), "");
}

#[test]
fn the_trace_tells_each_step() {
    let table = table(TWO_HOSTS);
    let policy = Policy {
        table: &table,
        chain: table.named("foo"),
    };
    let mut host = b"bar.example.com:1".to_vec();
    let mut recorder = Recorder::default();
    let _ = decide(&policy, &RequestView::new(Some(&mut host)), &mut recorder);
    assert_eq!(
        recorder.lines(),
        [
            "host bar.example.com, port 1 ignored",
            "owned by wild",
            "connection of foo",
            "reject 421: misdirected"
        ]
    );
}
