//! Listeners that the filter chains of one port share.

use system_tests::wasm_host::{Host, Root};

use crate::DECIDING;

const GIVES: &str = r#"{"version": 1, "table": "port", "chain": "foo", "listeners": [
    {"name": "foo", "hostnames": ["foo.com"]}, {"name": "bar", "hostnames": ["bar.com"]}]}"#;
const BAR: &str = r#"{"version": 1, "table": "port", "chain": "bar"}"#;
const BAZ: &str = r#"{"version": 1, "table": "port", "chain": "baz"}"#;

fn status(filter: &mut Host, root: Root, host: &str) -> u32 {
    filter.get(root, host).verdict().0
}

#[test]
fn one_chain_gives_the_listeners_and_the_others_name_them() {
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
                assert_eq!(status(&mut filter, root, "baz.com"), 404);
            }
        }
    }
}

#[test]
fn a_table_or_a_listener_that_nobody_gives_refuses_everything() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let bar = filter.configure(BAR).unwrap();
        assert_eq!(status(&mut filter, bar, "bar.com"), 503);
        filter.configure(GIVES).unwrap();
        assert_eq!(status(&mut filter, bar, "bar.com"), 200);
        let baz = filter.configure(BAZ).unwrap();
        assert_eq!(status(&mut filter, baz, "foo.com"), 503);
    }
}

#[test]
fn in_audit_mode_a_missing_table_is_told_and_passes() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let root = filter
            .configure(r#"{"version":1,"mode":"audit","table":"port"}"#)
            .unwrap();
        let outcome = filter.get(root, "bar.com");
        assert!(outcome.forwarded());
        assert_eq!(outcome.state("meshgate.reason"), Some("no_config"));
    }
}

#[test]
fn a_table_that_is_given_again_holds_for_all_who_name_it() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let gives = filter.configure(GIVES).unwrap();
        let bar = filter.configure(BAR).unwrap();
        let baz = filter.configure(BAZ).unwrap();
        let next = GIVES.replace("bar", "baz");
        let gives_next = filter.configure(&next).unwrap();
        // The old plugin serves its last connections by what it was given.
        assert_eq!(status(&mut filter, gives, "bar.com"), 421);
        assert_eq!(status(&mut filter, gives_next, "bar.com"), 404);
        assert_eq!(status(&mut filter, baz, "baz.com"), 200);
        assert_eq!(status(&mut filter, bar, "bar.com"), 503);
        filter.drop_root(gives);
        filter.configure(BAZ).unwrap();
        assert_eq!(status(&mut filter, baz, "baz.com"), 200);
    }
}

/// Envoy configures plugins of a new listener before it finds that the listener cannot be used.
#[test]
fn a_table_whose_plugin_is_gone_gives_way_to_the_one_before() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        filter.configure(GIVES).unwrap();
        let bar = filter.configure(BAR).unwrap();
        let rejected = filter.configure(&GIVES.replace("bar", "baz")).unwrap();
        filter.drop_root(rejected);
        filter.configure(r#"{"version":1,"listeners":[]}"#).unwrap();
        assert_eq!(status(&mut filter, bar, "bar.com"), 200);
    }
}

#[test]
fn tables_have_their_own_listeners() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        filter.configure(GIVES).unwrap();
        let other = r#"{"version":1,"table":"other","listeners":[{"name":"bar","hostnames":["*.bar.com"]}]}"#;
        filter.configure(other).unwrap();
        let root = filter
            .configure(r#"{"version":1,"table":"other"}"#)
            .unwrap();
        assert_eq!(status(&mut filter, root, "a.bar.com"), 200);
        assert_eq!(status(&mut filter, root, "bar.com"), 404);
    }
}
