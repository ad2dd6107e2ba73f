//! Configurations, good and bad, and plugins without one.

use system_tests::wasm_host::{Host, Level};

use crate::{DECIDING, TWO_HOSTS};

const FILTERS: [&str; 4] = ["host_match", "listener_tags", "cross_mesh", "gateway"];
const NO_CONFIG: &str = "no_config: the gateway has no valid configuration";

#[test]
fn a_configuration_that_cannot_be_used_is_refused_with_its_mistake() {
    for name in FILTERS {
        for (json, mistake) in [
            ("", "there is none"),
            ("{", "expected a text at line 1 column 2"),
            ("\u{feff}{}", "expected an object at line 1 column 1"),
            (
                r#"{"version":2,"listeners":[]}"#,
                "version 2 is not known, this filter reads version 1",
            ),
            (
                r#"{"version":1}"#,
                "`listeners` is missing, or what an outbound has in their place",
            ),
            (
                r#"{"version":1,"listeners":[{"name":"a","hostnames":["a..b"]}]}"#,
                "listener `a`: hostname `a..b`: the host has an empty label",
            ),
            (
                r#"{"version":1,"listeners":[{"name":"a"},{"name":"b"}]}"#,
                "listeners `a` and `b` both have the hostname `*`",
            ),
            (
                r#"{"version":1,"chain":"b","listeners":[{"name":"a"}]}"#,
                "`chain` names `b`, which is none of the listeners",
            ),
            (
                r#"{"version":1,"listeners":[{"name":"a","hostname":"a.com"}]}"#,
                "unknown field `hostname`, expected one of `name`, `hostnames`, `tags`, `permissions` at line 1 column 49",
            ),
            (
                r#"{"version":1,"elsewhere":"port","listeners":[{"name":"a"}]}"#,
                "`elsewhere` is about hosts of other filter chains: give the `chain` of this one",
            ),
        ] {
            let mut filter = Host::load(name);
            let error = filter.configure(json).unwrap_err();
            assert_eq!(
                error,
                format!("{name}.wasm: plugin configuration: {mistake}")
            );
            assert_eq!(filter.log()[0].0, Level::Error);
        }
    }
}

#[test]
fn fields_that_a_filter_would_ignore_are_refused() {
    for (name, json, mistake) in [
        (
            "host_match",
            r#"{"version":1,"listeners":[{"name":"a","tags":{"b":"c"}}]}"#,
            "listener `a` has `tags`, which this filter does not publish: use listener_tags.wasm after it, or \
             gateway.wasm in its place",
        ),
        (
            "cross_mesh",
            r#"{"version":1,"listeners":[{"name":"a","tags":{"b":"c"}}]}"#,
            "listener `a` has `tags`, which this filter does not publish: use gateway.wasm in its place",
        ),
        (
            "external_access",
            r#"{"version":1,"listeners":[{"name":"a"}]}"#,
            "this filter does not have this part, gateway.wasm has at line 1 column 26",
        ),
        (
            "host_match",
            r#"{"version":1,"listeners":[{"name":"a","permissions":{}}]}"#,
            "this filter does not have this part, gateway.wasm has at line 1 column 53",
        ),
        (
            "listener_tags",
            r#"{"version":1,"mode":"audit","listeners":[{"name":"a"}]}"#,
            "`mode` is about refused requests, and this filter refuses none: leave it out",
        ),
        (
            "listener_tags",
            r#"{"version":1,"publish":"refused","listeners":[{"name":"a"}]}"#,
            "`publish` is about refused requests, and this filter refuses none: leave it out",
        ),
        (
            "listener_tags",
            r#"{"version":1,"port":80,"listeners":[{"name":"a"}]}"#,
            "`port` is about refused requests, and this filter refuses none: leave it out",
        ),
    ] {
        let error = Host::load(name).configure(json).unwrap_err();
        assert_eq!(
            error,
            format!("{name}.wasm: plugin configuration: {mistake}")
        );
    }
}

#[test]
fn a_plugin_without_configuration_refuses_everything() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        let root = filter
            .configure(TWO_HOSTS.replace(r#""port": 8080,"#, "").as_str())
            .unwrap();
        filter.drop_root(root);
        // Any new configuration makes the filter look for plugins that are gone.
        let other = filter
            .configure(r#"{"version":1,"listeners":[{"name":"a"}]}"#)
            .unwrap();
        let outcome = filter.get(root, "foo.example.com");
        assert_eq!(outcome.verdict(), (503, NO_CONFIG), "{name}");
        assert_eq!(outcome.state("meshgate.reason"), Some("no_config"));
        assert!(filter.get(other, "foo.example.com").forwarded());
    }
}

#[test]
fn a_stream_that_was_not_created_last_is_refused() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let root = filter.configure(TWO_HOSTS).unwrap();
        let first = filter.create_stream(root);
        filter.create_stream(root);
        let outcome = filter.request_in(first, &[(":authority", b"foo.example.com")]);
        assert_eq!(outcome.verdict(), (503, NO_CONFIG));
    }
}

#[test]
fn each_plugin_of_a_vm_has_its_own_listeners() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let roots = ["a.com", "b.com", "c.com"].map(|host| {
            let json = format!(
                r#"{{"version":1,"listeners":[{{"name":"{host}","hostnames":["{host}"]}}]}}"#
            );
            (host, filter.configure(&json).unwrap())
        });
        for (own, root) in roots {
            for (host, _) in roots {
                assert_eq!(filter.get(root, host).forwarded(), own == host);
            }
        }
    }
}

#[test]
fn a_plugin_that_is_configured_again_forgets_what_was() {
    for name in DECIDING {
        let mut filter = Host::load(name);
        let root = filter.configure(TWO_HOSTS).unwrap();
        filter
            .reconfigure(
                root,
                r#"{"version":1,"listeners":[{"name":"a","hostnames":["a.com"]}]}"#,
            )
            .unwrap();
        assert!(filter.get(root, "a.com").forwarded());
        assert!(!filter.get(root, "foo.example.com").forwarded());
    }
}

#[test]
fn plugins_that_are_gone_are_asked_for_once_and_cost_no_memory() {
    let listener = |i| format!(r#"{{"name":"listener-{i}","hostnames":["{i}.example.com"]}}"#);
    let listeners: Vec<String> = (0..200).map(listener).collect();
    let json = format!(r#"{{"version":1,"listeners":[{}]}}"#, listeners.join(","));
    for name in FILTERS {
        let mut filter = Host::load(name);
        let mut root = filter.configure(&json).unwrap();
        let mut reload = |filter: &mut Host| {
            let old = root;
            root = filter.configure(&json).unwrap();
            filter.drop_root(old);
        };
        (0..10).for_each(|_| reload(&mut filter));
        let size = filter.memory_size();
        (0..100).for_each(|_| reload(&mut filter));
        assert_eq!(filter.memory_size(), size);
        filter.clear_calls();
        filter.configure(&json).unwrap();
        let asked = filter
            .calls()
            .iter()
            .filter(|call| call.starts_with("set_effective_context"));
        assert_eq!(
            asked.count(),
            4,
            "itself, the one before, the one that is gone, and itself again"
        );
    }
}

#[test]
fn without_the_right_to_ask_nobody_is_gone() {
    for name in FILTERS {
        let mut filter = Host::load(name);
        filter.forbid("set_effective_context");
        let first = filter
            .configure(TWO_HOSTS.replace(r#""port": 8080,"#, "").as_str())
            .unwrap();
        filter
            .configure(r#"{"version":1,"listeners":[{"name":"a"}]}"#)
            .unwrap();
        assert!(filter.get(first, "foo.example.com").forwarded());
    }
}
