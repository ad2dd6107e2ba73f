//! Who gets in, who does not, and what both are told.

use policy::Reason;
use system_tests::wasm_host::{Host, Level, Reply};

use crate::{DECIDING, TWO_HOSTS, verdict};

const FOO: &str = "meshgate.requests.listener=foo;decision=forward;reason=;";
const WILD: &str = "meshgate.requests.listener=wild;decision=forward;reason=;";

#[test]
fn the_owner_of_the_host_gets_the_request() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        for (host, counter) in [
            ("foo.example.com", FOO),
            ("FOO.Example.COM", FOO),
            ("foo.example.com:8080", FOO),
            ("foo.example.com:1", FOO),
            ("bar.example.com", WILD),
            ("a.b.example.com:65535", WILD),
            ("under_score.example.com", WILD),
        ] {
            assert_eq!(verdict(&mut filter, TWO_HOSTS, host), counter, "{host}");
        }
    }
}

/// Everything odd that stock Envoy 1.40.0 passes on to filters, and what only a broken host would.
#[test]
fn hostile_authorities() {
    let long = format!("{}.example.com", "a".repeat(300));
    let huge = format!("{}.example.com", "a.".repeat(30_000));
    let rows: &[(&str, &[&[u8]])] = &[
        ("the host is empty", &[b"", b":80", b"::1"]),
        (
            "the host has the byte 0x2c, which no host name has",
            &[b"foo.example.com,foo.example.com", b"a.b,c.d"],
        ),
        (
            "the host has the byte 0x25, which no host name has",
            &[b"foo.example.com%2e", b"%66oo.example.com"],
        ),
        (
            "the host has the byte 0x00, which no host name has",
            &[b"foo.example.com\0"],
        ),
        (
            "the host has the byte 0xff, which no host name has",
            &[b"\xff\xfe.example.com"],
        ),
        (
            "the host has the byte 0xc3, which no host name has",
            &["f\u{f6}\u{f6}.example.com".as_bytes()],
        ),
        (
            "the host has user information before it",
            &[
                b"user@foo.example.com",
                b"u:p@foo.example.com:80",
                b"foo.example.com:80@evil.test",
            ],
        ),
        (
            "the host in brackets is no IPv6 address",
            &[b"[fe80::1%25eth0]", b"[::1", b"[foo.example.com]"],
        ),
        (
            "the host has an empty label",
            &[b"foo..example.com", b"..", b".example.com"],
        ),
        (
            "the host is longer than 253 bytes",
            &[long.as_bytes(), huge.as_bytes()],
        ),
        (
            "the port is no number from 0 to 65535",
            &[
                b"foo.example.com:",
                b"foo.example.com:abc",
                b"foo.example.com:-1",
                b"foo.example.com:99999",
                b"foo.example.com:1:2",
                b"foo.example.com:80.",
            ],
        ),
    ];
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        for (mistake, hosts) in rows {
            for host in *hosts {
                assert_eq!(
                    verdict(&mut filter, TWO_HOSTS, host),
                    format!("400 malformed_authority: {mistake}"),
                );
            }
        }
    }
}

#[test]
fn hosts_that_no_listener_owns() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        for (host, named) in [
            ("example.com", "example.com"),
            ("Other.test:80", "other.test"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[0:0::1]:8080", "[::1]"),
            ("foo.example.com.", "foo.example.com."),
            ("foo.example.com.:80", "foo.example.com."),
        ] {
            assert_eq!(
                verdict(&mut filter, TWO_HOSTS, host),
                format!("404 no_listener: no listener on port 8080 owns {named}"),
            );
        }
    }
}

#[test]
fn a_request_without_authority_is_malformed() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        let root = filter.configure(TWO_HOSTS).unwrap();
        let outcome = filter.request(root, &[(":path", b"/"), ("host", b"foo.example.com")]);
        let answer = "malformed_authority: the request has no host";
        assert_eq!(outcome.verdict(), (400, answer));
    }
}

#[test]
fn bytes_of_other_headers_do_not_matter() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        let root = filter.configure(TWO_HOSTS).unwrap();
        let headers: [(&str, &[u8]); 3] = [
            (":authority", b"foo.example.com"),
            (":path", b"/\xff\0"),
            ("x-\u{fffd}", b"\xc3\x28"),
        ];
        let outcome = filter.request(root, &headers);
        assert!(outcome.forwarded());
        assert_eq!(outcome.headers.len(), headers.len());
    }
}

#[test]
fn a_refusal_tells_the_client_as_much_as_is_set() {
    let config = |reasons| {
        format!(
            r#"{{"version":1,"reasons":"{reasons}","listeners":[{{"name":"a","hostnames":["a.com"]}}]}}"#
        )
    };
    let header = vec![("x-meshgate-reason".to_owned(), "no_listener".to_owned())];
    for filter in DECIDING {
        for (reasons, body, headers) in [
            ("full", "no_listener: no listener owns b.com\n", &header),
            ("short", "no_listener\n", &header),
            ("none", "", &Vec::new()),
        ] {
            let mut filter = Host::load(filter);
            let root = filter.configure(&config(reasons)).unwrap();
            let outcome = filter.get(root, "b.com");
            let reply = Reply {
                status: 404,
                details: "meshgate_no_listener".into(),
                body: body.into(),
                headers: headers.clone(),
            };
            assert_eq!(outcome.reply, Some(reply));
            assert_eq!(outcome.state("meshgate.reason"), Some("no_listener"));
        }
    }
}

#[test]
fn a_host_of_another_chain_is_misdirected() {
    let config = r#"{"version": 1, "chain": "foo", "listeners": [
        {"name": "foo", "hostnames": ["foo.example.com"]},
        {"name": "wild", "hostnames": ["*.example.com"]}
    ]}"#;
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        let root = filter.configure(config).unwrap();
        assert!(filter.get(root, "foo.example.com").forwarded());

        let outcome = filter.get(root, "bar.example.com");
        let answer =
            "misdirected: bar.example.com is served on this port under another certificate";
        assert_eq!(outcome.verdict(), (421, answer));
        let state: Vec<_> = outcome
            .filter_state
            .iter()
            .map(|(k, v)| (&**k, &**v))
            .collect();
        assert_eq!(
            state,
            [
                ("meshgate.decision", "reject"),
                ("meshgate.listener", "foo"),
                ("meshgate.owner", "wild"),
                ("meshgate.reason", "misdirected"),
            ]
        );
        let counter = "meshgate.requests.listener=foo;decision=reject;reason=misdirected;";
        assert_eq!(filter.counters()[counter], 1);
    }
}

#[test]
fn audit_marks_counts_logs_and_lets_pass() {
    let config = TWO_HOSTS.replacen('{', r#"{"mode": "audit", "#, 1);
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        let root = filter.configure(&config).unwrap();
        for (host, reason) in [
            ("other.test", Reason::NoListener),
            ("user@foo.example.com", Reason::MalformedAuthority),
        ] {
            let outcome = filter.get(root, host);
            assert!(outcome.forwarded());
            assert_eq!(outcome.state("meshgate.decision"), Some("audit"));
            assert_eq!(outcome.state("meshgate.reason"), Some(reason.as_str()));
            let counter = format!("meshgate.requests.listener=;decision=audit;reason={reason};");
            assert_eq!(filter.counters()[&counter], 1);
        }
        let (level, line) = &filter.log()[0];
        assert_eq!(*level, Level::Debug);
        assert_eq!(
            line,
            "audit no_listener: no listener on port 8080 owns other.test"
        );
        assert!(
            filter
                .get(root, "foo.example.com")
                .state("meshgate.decision")
                .is_none()
        );
    }
}

#[test]
fn counters_grow_by_one_for_each_request() {
    for filter in DECIDING {
        let mut filter = Host::load(filter);
        let root = filter.configure(TWO_HOSTS).unwrap();
        for host in [
            "foo.example.com",
            "bar.example.com",
            "other.test",
            "foo.example.com",
        ] {
            filter.get(root, host);
        }
        let counters = filter.counters();
        assert_eq!(counters[FOO], 2);
        assert_eq!(counters[WILD], 1);
        let refused = "meshgate.requests.listener=;decision=reject;reason=no_listener;";
        assert_eq!(counters[refused], 1);
        assert_eq!(counters.len(), 3);
    }
}
