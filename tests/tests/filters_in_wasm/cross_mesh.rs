//! Requests to gateways of other meshes, by hostname.

use system_tests::wasm_host::{Host, Outcome};

const FILTERS: [&str; 2] = ["cross_mesh", "gateway"];
const CLUSTER: &str = "x-meshgate-cluster";

const GATEWAYS: &str = r#"{"version": 1, "cross_mesh": {"gateways": [
    {"mesh": "east", "gateway": "edge", "hostnames": ["internal.edge.east.mesh"], "cluster": "edge_east"},
    {"mesh": "west", "gateway": "shop", "hostnames": ["shop.west"], "port": 8080, "cluster": "shop_west"},
    {"mesh": "west", "gateway": "admin", "hostnames": ["shop.west"], "port": 9090, "cluster": "admin_west"}
]}}"#;

fn clusters(outcome: &Outcome) -> Vec<&str> {
    let named = outcome.headers.iter().filter(|(name, _)| name == CLUSTER);
    named
        .map(|(_, value)| core::str::from_utf8(value).unwrap())
        .collect()
}

#[test]
fn a_hostname_leads_to_the_cluster_of_its_gateway() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(GATEWAYS).unwrap();
        for (host, cluster) in [
            ("internal.edge.east.mesh", "edge_east"),
            ("Internal.EDGE.east.mesh:10080", "edge_east"),
            ("shop.west:8080", "shop_west"),
            ("shop.west:9090", "admin_west"),
        ] {
            let outcome = filter.get(root, host);
            assert!(outcome.forwarded());
            assert_eq!(clusters(&outcome), [cluster], "{host}");
        }
    }
}

#[test]
fn what_is_not_in_the_table_is_refused_with_a_reason() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(GATEWAYS).unwrap();
        let unknown = "no_cross_mesh_gateway: no gateway of a mesh is called";
        for (host, answer) in [
            ("other.mesh", format!("{unknown} other.mesh")),
            ("shop.west", format!("{unknown} shop.west")),
            ("shop.west:1", format!("{unknown} shop.west on port 1")),
            ("[::1]", format!("{unknown} [::1]")),
        ] {
            assert_eq!(filter.get(root, host).verdict(), (404, &*answer));
        }
        for host in [
            "",
            "a,b",
            "u@shop.west:8080",
            "shop.west:x",
            "127.1",
            "0x7f.1",
        ] {
            assert_eq!(filter.get(root, host).verdict().0, 400, "{host}");
        }
        assert_eq!(
            filter.counters()["meshgate.requests.listener=;decision=reject;reason=no_cross_mesh_gateway;destination=;"],
            4
        );
    }
}

#[test]
fn a_client_does_not_choose_the_cluster() {
    for name in FILTERS {
        for mode in ["enforce", "audit"] {
            let mut filter = Host::load(name);
            let json = GATEWAYS.replacen('{', &format!(r#"{{"mode": "{mode}", "#), 1);
            let root = filter.configure(&json).unwrap();
            for (host, cluster) in [
                (&b"internal.edge.east.mesh"[..], "edge_east"),
                (b"other.mesh", ""),
                (b"a,b", ""),
            ] {
                let headers: [(&str, &[u8]); 4] = [
                    (CLUSTER, b"admin_west"),
                    (":authority", host),
                    (CLUSTER, b"\xff"),
                    (":path", b"/"),
                ];
                let outcome = filter.request(root, &headers);
                if outcome.forwarded() {
                    assert_eq!(clusters(&outcome), [cluster]);
                }
                assert_eq!(outcome.forwarded(), mode == "audit" || !cluster.is_empty());
            }
        }
    }
}

#[test]
fn a_header_that_cannot_be_replaced_closes_the_way() {
    for name in FILTERS {
        for mode in ["enforce", "audit"] {
            let mut filter = Host::load(name);
            let json = GATEWAYS.replacen('{', &format!(r#"{{"mode": "{mode}", "#), 1);
            let root = filter.configure(&json).unwrap();
            filter.forbid("replace_header_map_value");
            for host in ["internal.edge.east.mesh", "shop.west:8080"] {
                assert_eq!(filter.get(root, host).verdict().0, 503);
            }
        }
    }
}

#[test]
fn a_request_that_passes_reads_one_value_and_writes_one() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter.configure(GATEWAYS).unwrap();
        filter.get(root, "shop.west:8080");
        assert_eq!(
            filter.get(root, "shop.west:8080").calls,
            [
                "get_header_map_value :authority",
                "increment_metric meshgate.requests.listener=;decision=forward;reason=;destination=west/shop;",
                "replace_header_map_value x-meshgate-cluster",
            ]
        );
    }
}

#[test]
fn tables_that_cannot_be_used_are_refused() {
    for name in FILTERS {
        for (gateways, mistake) in [
            (
                r#"[{"mesh":"a","gateway":"g","hostnames":["*.a"],"cluster":"c"}]"#,
                "`a/g`: host `*.a`: the host has the byte 0x2a, which no host name has",
            ),
            (
                r#"[{"mesh":"a","gateway":"g","hostnames":["x"],"cluster":"c"},
                    {"mesh":"b","gateway":"h","hostnames":["X"],"cluster":"d"}]"#,
                "`a/g` and `b/h` have a host and port in common",
            ),
            (
                r#"[{"mesh":"a","gateway":"g","hostnames":["x"],"cluster":""}]"#,
                "gateway `a/g` has an empty `cluster`",
            ),
        ] {
            let json = format!(r#"{{"version":1,"cross_mesh":{{"gateways":{gateways}}}}}"#);
            let error = Host::load(name).configure(&json).unwrap_err();
            assert_eq!(
                error,
                format!("{name}.wasm: plugin configuration: {mistake}")
            );
        }
        let both = r#"{"version":1,"listeners":[],"cross_mesh":{"gateways":[]}}"#;
        let error = Host::load(name).configure(both).unwrap_err();
        assert!(
            error.ends_with(
                "`listeners` does not go together with `cross_mesh` or `external_access`"
            )
        );
    }
}
