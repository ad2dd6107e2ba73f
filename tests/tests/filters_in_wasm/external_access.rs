//! What may be reached outside the mesh.

use system_tests::wasm_host::{Headers, Host, Outcome, Root};

const FILTERS: [&str; 2] = ["external_access", "gateway"];

/// Two services, and a third one that is forbidden.
const SERVICES: &str = r#"{"version": 1, "external_access": {
    "passthrough": "matched",
    "matches": [
        {"destination": "*.cdn.example", "protocol": "http"},
        {"destination": "10.0.0.0/8", "port": 8080, "protocol": "http"},
        {"destination": "10.9.0.0/16", "port": 9000},
        {"destination": "tls.example", "port": 443, "protocol": "tls"}
    ],
    "services": [
        {"name": "api", "hostnames": ["api.extsvc", "192.0.2.1"], "permissions": {
            "deny": [{"paths": ["/v1/admin"]}],
            "allow": [{"client": ["spiffe://default/web"], "methods": ["GET"], "paths": ["/v1"]}]}},
        {"name": "open", "hostnames": ["open.extsvc"]},
        {"name": "shut", "hostnames": ["shut.extsvc"], "permissions": {}}
    ]
}}"#;
const CLIENT: &str = "filter_state meshgate.client";

fn send(filter: &mut Host, root: Root, headers: &[(&str, &str)]) -> Outcome {
    let all = [(":method", "GET"), (":path", "/v1")];
    let missing = all
        .iter()
        .filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
    let headers: Headers = headers
        .iter()
        .chain(missing)
        .map(|&(n, v)| (n.to_owned(), v.into()))
        .collect();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), &value[..]))
        .collect();
    filter.request(root, &headers)
}

fn verdict(outcome: &Outcome) -> String {
    match &outcome.reply {
        Some(reply) => format!(
            "{} {}",
            reply.status,
            outcome.state("meshgate.reason").unwrap_or("-")
        ),
        None => "200".to_owned(),
    }
}

#[test]
fn rules_about_methods_and_paths_have_no_way_round() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(SERVICES).unwrap();
        filter.set_property(CLIENT, b"spiffe://default/web");
        for (method, path, expected) in [
            ("GET", "/v1", "200"),
            ("GET", "/v1/users?next=/v1/admin/..", "200"),
            ("POST", "/v1", "403 client_not_allowed"),
            ("get", "/v1", "403 client_not_allowed"),
            ("GET", "/v10", "403 client_not_allowed"),
            ("GET", "/", "403 client_not_allowed"),
            ("GET", "/v1/admin", "403 client_not_allowed"),
            ("GET", "/v1/admin/", "403 client_not_allowed"),
            ("GET", "/v1/./admin", "400 ambiguous_path"),
            ("GET", "/v1//admin", "400 ambiguous_path"),
            ("GET", "/v1/x/../admin", "400 ambiguous_path"),
            ("GET", "/v1/%2e%2e/v2", "400 ambiguous_path"),
            ("GET", "/v1%2fadmin", "400 ambiguous_path"),
            ("GET", "/v1/%61dmin", "400 ambiguous_path"),
            ("GET", "/v1/%2561dmin", "400 ambiguous_path"),
            ("GET", "/v1/admin;x=y", "400 ambiguous_path"),
            ("GET", "/v1\\admin", "400 ambiguous_path"),
            ("OPTIONS", "*", "400 ambiguous_path"),
            ("GET", "http://api.extsvc/v1", "400 ambiguous_path"),
            ("CONNECT", "/v1", "403 tunnel"),
        ] {
            let headers = [
                (":authority", "api.extsvc"),
                (":method", method),
                (":path", path),
            ];
            let outcome = send(&mut filter, root, &headers);
            assert_eq!(verdict(&outcome), expected, "{method} {path}");
        }
        for (protocol, expected) in [
            ("websocket", "200"),
            ("WebSocket", "200"),
            ("h2c", "403 tunnel"),
            ("connect-udp", "403 tunnel"),
        ] {
            let headers = [(":authority", "api.extsvc"), ("upgrade", protocol)];
            assert_eq!(verdict(&send(&mut filter, root, &headers)), expected);
        }
        let headers: [(&str, &[u8]); 2] =
            [(":authority", b"open.extsvc:443"), (":method", b"CONNECT")];
        assert_eq!(verdict(&filter.request(root, &headers)), "403 tunnel");
    }
}

#[test]
fn clients_are_those_of_the_connection_or_the_one_that_is_known() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let of_connection = filter.configure(SERVICES).unwrap();
        let known = SERVICES.replace(
            r#""passthrough""#,
            r#""client": ["spiffe://default/web", "kuma://version/1"], "passthrough""#,
        );
        let known = filter.configure(&known).unwrap();
        for (root, property, expected) in [
            (of_connection, "spiffe://default/web", "200"),
            (
                of_connection,
                "spiffe://default/other",
                "403 client_not_allowed",
            ),
            (of_connection, "", "403 client_not_allowed"),
            (known, "", "200"),
            (known, "spiffe://default/other", "200"),
        ] {
            filter.set_property(CLIENT, property.as_bytes());
            let outcome = send(&mut filter, root, &[(":authority", "api.extsvc")]);
            assert_eq!(verdict(&outcome), expected, "{property}");
        }
    }
}

#[test]
fn modes() {
    for name in FILTERS {
        for (fields, known, unknown) in [
            (r#""passthrough": "all""#, "200", "200"),
            (r#""passthrough": "none""#, "200", "403 unknown_destination"),
            (
                r#""default": "forbid""#,
                "403 forbidden_by_default",
                "403 unknown_destination",
            ),
            (
                r#""default": "forbid", "passthrough": "all""#,
                "403 forbidden_by_default",
                "200",
            ),
        ] {
            let json = format!(
                r#"{{"version":1,"external_access":{{{fields},"services":[{{"name":"a","hostnames":["a.extsvc"],"port":80}}]}}}}"#
            );
            let mut filter = Host::load(name);
            let root = filter.configure(&json).unwrap();
            let mut send = |host| verdict(&send(&mut filter, root, &[(":authority", host)]));
            assert_eq!(send("a.extsvc:80"), known, "{fields}");
            assert_eq!(send("b.extsvc"), unknown, "{fields}");
            // The name of a service is never let through for want of its port.
            assert_eq!(send("a.extsvc:81"), "403 unknown_destination");
        }
    }
}

#[test]
fn a_chain_belongs_to_one_service() {
    let json = r#"{"version":1,"chain":"a","external_access":{"services":[
        {"name":"a","hostnames":["a.extsvc"]},{"name":"b","hostnames":["b.extsvc"]}]}}"#;
    for name in FILTERS {
        let mut filter = Host::load(name);
        let strict = filter.configure(json).unwrap();
        let any = filter
            .configure(&json.replace(r#","hostnames":["a.extsvc"]"#, ""))
            .unwrap();
        for (root, host, expected) in [
            (strict, "a.extsvc", "200"),
            (strict, "b.extsvc", "421 misdirected"),
            (strict, "c.extsvc", "421 misdirected"),
            (any, "a.extsvc", "200"),
            (any, "b.extsvc", "421 misdirected"),
            (any, "u@a.extsvc", "400 malformed_authority"),
        ] {
            let outcome = send(&mut filter, root, &[(":authority", host)]);
            assert_eq!(verdict(&outcome), expected, "{host}");
        }
    }
}

#[test]
fn audit_lets_pass_to_where_the_configuration_says() {
    let json = r#"{"version":1,"mode":"audit","external_access":{"services":[
        {"name":"a","hostnames":["a.extsvc"],"cluster":"a","permissions":{}}]}}"#;
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(json).unwrap();
        for (host, cluster) in [("a.extsvc", "a"), ("b.extsvc", "")] {
            let headers = [(":authority", host), ("x-meshgate-cluster", "evil")];
            let outcome = send(&mut filter, root, &headers);
            assert!(outcome.forwarded());
            assert_eq!(outcome.state("meshgate.decision"), Some("audit"));
            let own = outcome
                .headers
                .iter()
                .filter(|(name, _)| name == "x-meshgate-cluster");
            assert_eq!(
                own.map(|(_, value)| &value[..]).collect::<Vec<_>>(),
                [cluster.as_bytes()]
            );
        }
    }
}

#[test]
fn cross_mesh_hosts_come_before_external_ones() {
    let json = r#"{"version":1,"cross_mesh":{"gateways":[
        {"mesh":"m","gateway":"g","hostnames":["g.mesh"],"cluster":"g"}]},
        "external_access":{"services":[{"name":"a","hostnames":["a.extsvc"],"cluster":"a"}]}}"#;
    let mut filter = Host::load("gateway");
    let root = filter.configure(json).unwrap();
    for (host, expected) in [
        ("g.mesh", "200"),
        ("a.extsvc", "200"),
        ("b", "403 unknown_destination"),
    ] {
        let outcome = send(&mut filter, root, &[(":authority", host)]);
        assert_eq!(verdict(&outcome), expected);
    }
}

#[test]
fn connections() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(SERVICES).unwrap();
        for (server_name, address, reason) in [
            ("open.extsvc", "203.0.113.1:443", None),
            ("OPEN.extsvc.", "203.0.113.1:443", None),
            ("shut.extsvc", "203.0.113.1:443", Some("client_not_allowed")),
            ("tls.example", "203.0.113.1:443", None),
            (
                "tls.example",
                "203.0.113.1:444",
                Some("unknown_destination"),
            ),
            (
                "a.cdn.example",
                "203.0.113.1:443",
                Some("unknown_destination"),
            ),
            ("evil.test", "10.9.1.1:9000", None),
            ("", "10.9.1.1:9000", None),
            ("", "[::ffff:10.9.1.1]:9000", None),
            ("", "10.8.1.1:9000", Some("unknown_destination")),
            ("", "[fd00::1]:9000", Some("unknown_destination")),
            ("open.extsvc", "192.0.2.1:443", Some("misdirected")),
            ("167838211", "10.9.1.1:9000", Some("malformed_authority")),
            ("a,b", "10.9.1.1:9000", Some("malformed_authority")),
            ("open.extsvc", "", Some("unknown_destination")),
        ] {
            filter.set_property("connection requested_server_name", server_name.as_bytes());
            filter.set_property("destination address", address.as_bytes());
            let outcome = filter.connect(root);
            assert_eq!(outcome.closed, reason.is_some(), "{server_name} {address}");
            assert_eq!(
                outcome.state("meshgate.reason"),
                reason,
                "{server_name} {address}"
            );
            assert_eq!(outcome.reply, None);
        }
        let refused = "meshgate.requests.listener=;decision=reject;reason=client_not_allowed;destination=shut;";
        assert_eq!(filter.counters()[refused], 1);
        let audit = filter
            .configure(&SERVICES.replacen('{', r#"{"mode": "audit", "#, 1))
            .unwrap();
        assert!(filter.connect(audit).forwarded());
    }
}

#[test]
fn a_connection_of_a_chain_reads_nothing() {
    let json = SERVICES.replacen('{', r#"{"chain": "open", "#, 1);
    for name in FILTERS {
        let mut filter = Host::load(name);
        let open = filter.configure(&json).unwrap();
        filter.connect(open);
        let counted = "increment_metric meshgate.requests.listener=;decision=forward;reason=;destination=open;";
        assert_eq!(filter.connect(open).calls, [counted]);
    }
}

#[test]
fn a_listeners_filter_is_no_network_filter() {
    let mut filter = Host::load("gateway");
    let root = filter
        .configure(r#"{"version":1,"listeners":[{"name":"a"}]}"#)
        .unwrap();
    let outcome = filter.connect(root);
    assert!(outcome.closed);
    assert_eq!(outcome.state("meshgate.reason"), Some("no_config"));
}

#[test]
fn a_request_reads_what_its_rules_speak_of() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(SERVICES).unwrap();
        filter.set_property(CLIENT, b"spiffe://default/web");
        let mut calls = |host| {
            send(&mut filter, root, &[(":authority", host)]);
            send(&mut filter, root, &[(":authority", host)]).calls
        };
        let (authority, method, upgrade) = (
            "get_header_map_value :authority",
            "get_header_map_value :method",
            // In vain, so it returns no value.
            "get_header_map_value upgrade",
        );
        let counted = |name: &str| {
            format!(
                "increment_metric meshgate.requests.listener=;decision=forward;reason=;destination={name};"
            )
        };
        assert_eq!(
            calls("open.extsvc"),
            [authority, method, upgrade, &counted("open")]
        );
        let client = "get_property filter_state meshgate.client";
        let path = "get_header_map_value :path";
        assert_eq!(
            calls("api.extsvc"),
            [authority, method, upgrade, client, path, &counted("api")]
        );
    }
}
