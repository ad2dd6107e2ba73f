//! Which clients may call a listener, by the URIs of their certificates.

use system_tests::wasm_host::{Host, Outcome, Root};

const FILTERS: [&str; 2] = ["cross_mesh", "gateway"];
const CLIENT: &str = "filter_state meshgate.client";

const SHOP: &str = r#"{"version": 1, "listeners": [{"name": "shop", "permissions": {
    "deny": [{"client": ["spiffe://west/bad"]}],
    "shadow_deny": [{"client": ["spiffe://old/*"]}],
    "allow": [{"client": ["spiffe://west/*"]}, {"client": ["spiffe://east/web"]},
              {"client": ["spiffe://old/*"]}]
}}]}"#;

fn call(filter: &mut Host, root: Root, client: &str) -> Outcome {
    filter.set_property(CLIENT, client.as_bytes());
    filter.get(root, "shop.example.com")
}

#[test]
fn clients_of_the_list_get_in() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(SHOP).unwrap();
        for (client, status) in [
            ("spiffe://west/web", 200),
            ("spiffe://west/web,kuma://kuma.io/service/web", 200),
            ("spiffe://east/web", 200),
            ("spiffe://old/web", 200),
            ("spiffe://east/web2", 403),
            ("spiffe://east/web/x", 403),
            ("spiffe://westend/web", 403),
            ("spiffe://west", 403),
            ("SPIFFE://west/web", 403),
            ("spiffe://west/bad", 403),
            ("spiffe://west/web,spiffe://west/bad", 403),
            ("kuma://kuma.io/service/web", 403),
            ("kuma://kuma.io/service/web,spiffe://west/web", 403),
            ("spiffe://north/web,spiffe://west/web", 403),
            ("spiffe://west/web,spiffe://north/web", 403),
            ("-", 403),
            ("", 403),
        ] {
            let outcome = call(&mut filter, root, client);
            assert_eq!(outcome.verdict().0, status, "{client}");
        }
    }
}

#[test]
fn a_refusal_has_a_reason_and_names_the_listener() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(SHOP).unwrap();
        let outcome = call(&mut filter, root, "spiffe://east/other");
        let answer = "client_not_allowed: the rules do not permit this client to do this";
        assert_eq!(outcome.verdict(), (403, answer));
        assert_eq!(outcome.state("meshgate.listener"), Some("shop"));
        assert_eq!(outcome.state("meshgate.reason"), Some("client_not_allowed"));
    }
}

#[test]
fn requests_are_counted_by_mesh_and_strangers_together() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(SHOP).unwrap();
        for client in [
            "spiffe://west/web",
            "spiffe://west/web2",
            "spiffe://west/bad",
            "spiffe://old/web",
            "spiffe://stranger/1",
            "spiffe://other-stranger/2",
            "",
        ] {
            call(&mut filter, root, client);
        }
        let counters: Vec<_> = filter.counters().into_iter().collect();
        let counter = |outcome: &str, mesh: &str, count| {
            let name = format!("meshgate.requests.listener=shop;decision={outcome};mesh={mesh};");
            (name, count)
        };
        assert_eq!(
            counters,
            [
                counter("audit;reason=client_not_allowed", "old", 1),
                counter("forward;reason=", "west", 2),
                counter("reject;reason=client_not_allowed", "(other)", 3),
                counter("reject;reason=client_not_allowed", "west", 1),
            ]
        );
    }
}

#[test]
fn audit_lets_everybody_in_and_says_who_should_not_be() {
    let json = SHOP.replacen('{', r#"{"mode": "audit", "#, 1);
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(&json).unwrap();
        let outcome = call(&mut filter, root, "spiffe://stranger/1");
        assert!(outcome.forwarded());
        assert_eq!(outcome.state("meshgate.decision"), Some("audit"));
    }
}

#[test]
fn one_value_more_is_read_and_only_where_there_are_permissions() {
    let json = SHOP.replace(
        r#""listeners": ["#,
        r#""listeners": [{"name": "open", "hostnames": ["open.com"]}, "#,
    );
    let counted =
        "increment_metric meshgate.requests.listener=shop;decision=forward;reason=;mesh=west;";
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(&json).unwrap();
        filter.set_property(CLIENT, b"spiffe://west/web");
        let calls = |filter: &mut Host, host: &str| {
            filter.get(root, host);
            let calls = filter.get(root, host).calls;
            let told = calls
                .into_iter()
                .filter(|call| !call.starts_with("set_property"));
            told.collect::<Vec<_>>()
        };
        assert_eq!(
            calls(&mut filter, "shop.com"),
            [
                "get_header_map_value :authority",
                "get_property filter_state meshgate.client",
                counted
            ]
        );
        assert_eq!(
            calls(&mut filter, "open.com"),
            [
                "get_header_map_value :authority",
                "increment_metric meshgate.requests.listener=open;decision=forward;reason=;",
            ]
        );
    }
}

#[test]
fn without_the_property_nobody_gets_in() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let json = r#"{"version":1,"listeners":[{"name":"a","permissions":{
            "deny":[{"client":["spiffe://west/*"]}],"allow":[{}]}}]}"#;
        let root = filter.configure(json).unwrap();
        assert!(call(&mut filter, root, "spiffe://east/web").forwarded());
        filter.forbid("get_property");
        assert!(!call(&mut filter, root, "spiffe://east/web").forwarded());
    }
}
