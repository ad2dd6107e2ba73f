//! Listeners of which the filter chains of one port know together.

use serde_json::json;
use system_tests::wasm_host::{Host, Root};

use crate::DECIDING;

const GIVES: &str = r#"{"version": 1, "table": "port", "chain": "foo", "listeners": [
    {"name": "foo", "hostnames": ["foo.com"]}, {"name": "bar", "hostnames": ["bar.com"]}]}"#;
const BAR: &str = r#"{"version": 1, "elsewhere": "port", "chain": "bar", "listeners": [
    {"name": "bar", "hostnames": ["bar.com"]}]}"#;
const BAZ: &str = r#"{"version": 1, "elsewhere": "port", "chain": "wild", "listeners": [
    {"name": "wild", "hostnames": ["*.baz.com"]}, {"name": "baz", "hostnames": ["a.baz.com"]}]}"#;

fn status(filter: &mut Host, root: Root, host: &str) -> u32 {
    filter.get(root, host).verdict().0
}

#[test]
fn each_chain_forwards_its_own_hosts_and_knows_those_of_the_others() {
    for name in DECIDING {
        // Envoy configures the chains in any order, and its canary VM each one alone.
        for order in [[GIVES, BAR], [BAR, GIVES]] {
            let mut filter = Host::load(name);
            let roots = order.map(|json| (json, filter.configure(json).unwrap()));
            for (json, root) in roots {
                let own = if json == BAR { "bar.com" } else { "foo.com" };
                for host in ["foo.com", "bar.com"] {
                    let expected = if host == own { 200 } else { 421 };
                    assert_eq!(status(&mut filter, root, host), expected);
                }
                assert_eq!(status(&mut filter, root, "other.com"), 404);
            }
        }
    }
}

/// As after a failure of the worker's VM, until the chain that gives the table gets a request.
#[test]
fn in_a_fresh_vm_a_chain_serves_its_own_hosts_and_no_others() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let bar = filter.configure(BAR).unwrap();
        let baz = filter.configure(BAZ).unwrap();
        for (root, host, expected) in [
            (bar, "bar.com", 200),
            (bar, "foo.com", 404),
            (bar, "other.com", 404),
            (baz, "b.baz.com", 200),
            (baz, "a.baz.com", 421),
            (baz, "baz.com", 404),
            (baz, "bar.com", 404),
        ] {
            assert_eq!(status(&mut filter, root, host), expected, "{host}");
        }
        filter.configure(GIVES).unwrap();
        assert_eq!(status(&mut filter, bar, "foo.com"), 421);
        assert_eq!(status(&mut filter, baz, "bar.com"), 421);
    }
}

#[test]
fn the_owner_in_the_other_chain_is_told() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        filter.configure(GIVES).unwrap();
        let bar = filter.configure(BAR).unwrap();
        let outcome = filter.get(bar, "foo.com");
        assert_eq!(outcome.state("meshgate.owner"), Some("foo"));
        assert_eq!(outcome.state("meshgate.listener"), Some("bar"));
    }
}

#[test]
fn a_table_that_is_given_again_holds_for_all_who_name_it() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let gives = filter.configure(GIVES).unwrap();
        let bar = filter.configure(BAR).unwrap();
        let next = GIVES.replace("foo", "new");
        let gives_next = filter.configure(&next).unwrap();
        // The old plugin serves its last connections by what it was given.
        assert_eq!(status(&mut filter, gives, "foo.com"), 200);
        assert_eq!(status(&mut filter, gives_next, "foo.com"), 404);
        assert_eq!(status(&mut filter, bar, "foo.com"), 404);
        assert_eq!(status(&mut filter, bar, "new.com"), 421);
        assert_eq!(status(&mut filter, bar, "bar.com"), 200);
    }
}

/// Envoy configures plugins of a new listener before it finds that the listener cannot be used.
#[test]
fn a_table_whose_plugin_is_gone_gives_way_to_the_one_before() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        filter.configure(GIVES).unwrap();
        let bar = filter.configure(BAR).unwrap();
        let rejected = filter.configure(&GIVES.replace("foo", "new")).unwrap();
        filter.drop_root(rejected);
        filter.configure(r#"{"version":1,"listeners":[]}"#).unwrap();
        assert_eq!(status(&mut filter, bar, "foo.com"), 421);
    }
}

#[test]
fn tables_have_their_own_listeners() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        filter.configure(GIVES).unwrap();
        let bar = filter.configure(&BAR.replace("port", "other")).unwrap();
        assert_eq!(status(&mut filter, bar, "foo.com"), 404);
    }
}

#[test]
fn a_look_elsewhere_costs_no_call() {
    let elsewhere = json!({"version": 1, "elsewhere": "port", "chain": "bar",
        "listeners": [{"name": "bar", "hostnames": ["bar.com"]}]});
    for name in DECIDING {
        let mut filter = Host::load(name);
        filter.configure(GIVES).unwrap();
        let root = filter.configure(&elsewhere.to_string()).unwrap();
        for host in ["foo.com", "other.com"] {
            let outcome = filter.get(root, host);
            let read = outcome.calls.iter().filter(|call| call.starts_with("get_"));
            assert_eq!(read.count(), 1, "{host}");
        }
    }
}
