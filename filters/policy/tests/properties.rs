//! Laws of host patterns, tables and authorities, on generated names.
#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;

use policy::{
    Authority, Decision, Host, HostPattern, HostTable, Hostname, Listener, NoTrace, Policy,
    RequestView, Tags, decide,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Names of few labels out of few, so that patterns and hosts often have to do with each other.
fn name() -> impl Strategy<Value = String> {
    vec(prop_oneof!["a", "b", "ab", "b-a"], 1..5).prop_map(|labels| labels.join("."))
}

fn pattern() -> impl Strategy<Value = HostPattern> {
    let text = prop_oneof![
        1 => Just("*".to_owned()),
        4 => name(),
        4 => name().prop_map(|name| format!("*.{name}")),
    ];
    text.prop_map(|text| text.parse().unwrap())
}

fn hostname(name: &str) -> Hostname<'_> {
    Hostname::from_lower_case(name.as_bytes()).unwrap()
}

fn table(patterns: &[HostPattern]) -> HostTable {
    let listener =
        |pattern: &HostPattern| Listener::new(&pattern.to_string(), &Tags::default(), None);
    let listeners = patterns.iter().map(|p| (listener(p), vec![p.clone()]));
    HostTable::new(listeners).unwrap()
}

/// Patterns, each of them once.
fn patterns() -> impl Strategy<Value = Vec<HostPattern>> {
    vec(pattern(), 0..12).prop_map(|all| {
        let mut seen = BTreeSet::new();
        all.into_iter()
            .filter(|p| seen.insert(p.to_string()))
            .collect()
    })
}

proptest! {
    #[test]
    fn a_pattern_is_read_as_it_is_written(p in pattern()) {
        prop_assert_eq!(p.to_string().parse::<HostPattern>().unwrap(), p);
    }

    #[test]
    fn containing_is_a_partial_order(a in pattern(), b in pattern(), c in pattern()) {
        prop_assert!(a.contains(&a));
        prop_assert!(!(a.contains(&b) && b.contains(&a)) || a == b);
        prop_assert!(!(a.contains(&b) && b.contains(&c)) || a.contains(&c));
    }

    #[test]
    fn who_contains_a_pattern_matches_its_hosts(a in pattern(), b in pattern(), host in name()) {
        let host = hostname(&host);
        if a.contains(&b) && b.matches(host) {
            prop_assert!(a.matches(host));
        }
    }

    #[test]
    fn who_contains_a_pattern_is_known_by_one_host(a in pattern(), b in pattern()) {
        // Of all hosts of `b`, one that no narrower pattern here has.
        let host = b.to_string().replace('*', "z-z");
        prop_assert_eq!(a.contains(&b), a.matches(hostname(&host)));
    }

    #[test]
    fn the_intersection_is_in_both_and_nothing_is_missing(
        a in pattern(), b in pattern(), host in name()
    ) {
        let both = a.intersect(&b);
        prop_assert_eq!(both, b.intersect(&a));
        if let Some(both) = both {
            prop_assert!(a.contains(both) && b.contains(both));
        }
        let host = hostname(&host);
        let in_both = a.matches(host) && b.matches(host);
        prop_assert_eq!(both.is_some_and(|both| both.matches(host)), in_both);
    }

    #[test]
    fn of_two_patterns_of_one_host_the_narrower_is_inside_the_other(
        a in pattern(), b in pattern(), host in name()
    ) {
        let host = hostname(&host);
        if a.matches(host) && b.matches(host) {
            prop_assert_eq!(a.specificity() <= b.specificity(), a.contains(&b));
            prop_assert_eq!(a.specificity() == b.specificity(), a == b);
        }
    }

    #[test]
    fn the_order_of_virtual_hosts_is_total(a in pattern(), b in pattern()) {
        let order = a.exactness_order().cmp(&b.exactness_order());
        prop_assert_eq!(order.is_eq(), a == b);
        if a.contains(&b) && a != b {
            prop_assert!(order.is_gt());
        }
    }

    #[test]
    fn the_owner_is_the_narrowest_pattern_that_matches(all in patterns(), host in name()) {
        let table = table(&all);
        let host = hostname(&host);
        let matching = all.iter().filter(|p| p.matches(host));
        let naive = matching.max_by_key(|p| p.specificity()).map(ToString::to_string);
        let owner = table.owner(host).map(|listener| listener.name.to_string());
        prop_assert_eq!(owner, naive);
    }

    #[test]
    fn the_place_of_a_listener_does_not_matter(all in patterns(), host in name()) {
        let backwards: Vec<_> = all.iter().rev().cloned().collect();
        let name = |table: &HostTable| table.owner(hostname(&host)).map(|l| l.name.clone());
        prop_assert_eq!(name(&table(&all)), name(&table(&backwards)));
    }

    #[test]
    fn case_and_port_do_not_matter(
        all in patterns(), host in name(), upper in any::<u64>(), port in any::<Option<u16>>()
    ) {
        let table = table(&all);
        let policy = Policy { table: &table, chain: None };
        let flipped = host.chars().enumerate().map(|(i, c)| {
            if upper >> (i % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c }
        });
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let mut odd = (flipped.collect::<String>() + &port).into_bytes();
        let mut plain = host.into_bytes();
        let decision = |bytes| decide(&policy, &RequestView::new(Some(bytes)), &mut NoTrace);
        prop_assert_eq!(decision(&mut odd), decision(&mut plain));
    }

    /// Nothing panics, and what is taken means the same when it is written down and read again.
    #[test]
    fn any_bytes_are_an_authority_or_none(bytes in authority_bytes()) {
        let mut first = bytes.clone();
        let Ok(authority) = Authority::parse(&mut first) else { return Ok(()) };
        let port = authority.port.map(|port| format!(":{port}"));
        let written = authority.host.to_string() + &port.unwrap_or_default();
        let mut second = written.into_bytes();
        let again = Authority::parse(&mut second);
        prop_assert_eq!(again, Ok(authority));
        if let Host::Name(name) | Host::Absolute(name) = authority.host {
            prop_assert!(name.as_str().len() <= policy::hostname::MAX_LENGTH);
            prop_assert!(bytes.to_ascii_lowercase().starts_with(name.as_str().as_bytes()));
        }
    }

    #[test]
    fn a_decision_follows_the_authority(all in patterns(), bytes in authority_bytes()) {
        let table = table(&all);
        let policy = Policy { table: &table, chain: None };
        let mut bytes = bytes;
        let request = RequestView::new(Some(&mut bytes));
        let decision = decide(&policy, &request, &mut NoTrace);
        if let Decision::Forward(listener) = decision {
            let authority = request.authority.unwrap();
            let pattern: HostPattern = listener.name.parse().unwrap();
            let Host::Name(name) = authority.host else {
                prop_assert_eq!(pattern, HostPattern::Any);
                return Ok(());
            };
            prop_assert!(pattern.matches(name));
        }
    }
}

/// Bytes of all kinds, most of them close to an authority.
fn authority_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(
            prop::sample::select(b"abC-_.:@[]%,0159 \xff".to_vec()),
            0..20
        ),
        "(\\[?[a-cA-F0-9:.]{0,20}\\]?|[a-zA-Z0-9._-]{1,260})(:[0-9]{0,6})?\\.?"
            .prop_map(String::into_bytes),
        (any::<std::net::Ipv6Addr>(), any::<u16>())
            .prop_map(|(address, port)| format!("[{address}]:{port}").into_bytes()),
    ]
}
