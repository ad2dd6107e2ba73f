//! Istio's own rules where its tables have no row: what its validators accept and refuse (`pkg/config/validation` at
//! 1.32), in its words.

use meshgate::diagnostic::Severity;
use meshgate::{resources, source};

const SERVICE: &str = "hosts: ['*.example.com'], gateways: [gw]";
const ROUTE: &str = "route: [{destination: {host: b}}]";

/// Errors and warnings about a resource, as its own validator has them.
fn verdict(kind: &str, spec: &str) -> (Vec<String>, Vec<String>) {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: row, namespace: ns}}\nspec: {{{spec}}}\n"
    );
    let (_, documents, mut findings) = source::read_text("row.yaml", &text);
    findings.extend(resources::load(documents, true).1);
    let of = |severity| {
        let own = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        own.map(|finding| finding.message.clone()).collect()
    };
    (of(Severity::Error), of(Severity::Warning))
}

/// Says that a resource is accepted, or refused with a text.
fn check(kind: &str, spec: &str, error: &str) {
    let (errors, _) = verdict(kind, spec);
    if error.is_empty() {
        assert!(errors.is_empty(), "{spec}: {errors:#?}");
    } else {
        let is_said = errors.iter().any(|text| text.contains(error));
        assert!(is_said, "{spec}: {errors:#?}");
    }
}

#[test]
fn localities_may_hold_earlier_ones_only_as_wildcards() {
    let overlap = "overlap with previous specified ones";
    for (from, error) in [
        (["r/z", "r/*"], ""),
        (["r/z/s", "r/z/*"], ""),
        (["r/z/s", "r/*"], ""),
        (["r", "*"], ""),
        (["r/z", "r"], overlap),
        (["r/*", "r/z"], overlap),
        (["r/*", "r"], overlap),
        (["*", "r"], overlap),
        (["r/z", "r/z"], overlap),
    ] {
        let parts = from
            .map(|from| format!("{{from: '{from}', to: {{a: 100}}}}"))
            .join(", ");
        let spec = format!(
            "host: a, trafficPolicy: {{loadBalancer: {{localityLbSetting: {{distribute: [{parts}]}}}}}}"
        );
        check("DestinationRule", &spec, error);
    }
}

#[test]
fn durations_that_only_the_decoder_sees_may_be_short() {
    let policy = |rest: &str| format!("host: a, trafficPolicy: {{{rest}}}");
    for (rest, error) in [
        (
            "loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 0.5ms}}}",
            "",
        ),
        ("loadBalancer: {simple: RANDOM, warmupDurationSecs: 0s}", ""),
        ("retryBudget: {budgetInterval: 0.5ms}", ""),
        (
            "loadBalancer: {simple: RANDOM, warmup: {duration: 0s}}",
            "duration must be greater than 1ms",
        ),
        (
            "loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 1d}}}",
            "bad Duration",
        ),
        (
            "connectionPool: {http: {idleTimeout: 3000000h}}",
            "bad Duration",
        ),
    ] {
        check("DestinationRule", &policy(rest), error);
    }
}

#[test]
fn tables_of_maglev_are_prime_and_small() {
    for (size, errors) in [
        (65537, &[][..]),
        (4, &["must be a prime number"]),
        (5_000_011, &["must be less than 5000011"]),
        (
            5_000_012,
            &["must be less than 5000011", "must be a prime number"],
        ),
    ] {
        let spec = format!(
            "host: a, trafficPolicy: {{loadBalancer: {{consistentHash: {{useSourceIp: true, maglev: {{tableSize: {size}}}}}}}}}"
        );
        let (found, _) = verdict("DestinationRule", &spec);
        assert_eq!(found.len(), errors.len(), "{size}: {found:#?}");
        for (found, error) in found.iter().zip(errors) {
            assert!(found.contains(error), "{size}: {found}");
        }
    }
}

#[test]
fn warnings_about_parts_are_dropped_where_istio_drops_them() {
    let outliers = "outlierDetection: {consecutiveErrors: 1}";
    let subset = format!("host: a, subsets: [{{name: a, trafficPolicy: {{{outliers}}}}}]");
    let port = format!(
        "host: a, trafficPolicy: {{portLevelSettings: [{{port: {{number: 1}}, {outliers}}}]}}"
    );
    let whole = format!("host: a, trafficPolicy: {{{outliers}}}");
    let legacy = |part: &str| format!("{SERVICE}, {part}");
    for (kind, spec, count) in [
        ("DestinationRule", subset, 0),
        ("DestinationRule", port, 0),
        ("DestinationRule", whole, 1),
        (
            "VirtualService",
            legacy(&format!(
                "http: [{{match: [{{gateways: [gw.ns]}}], {ROUTE}}}]"
            )),
            0,
        ),
        (
            "VirtualService",
            legacy(&format!(
                "tcp: [{{match: [{{gateways: [gw.ns]}}], {ROUTE}}}]"
            )),
            0,
        ),
        (
            "VirtualService",
            legacy(&format!(
                "tls: [{{match: [{{sniHosts: [a.example.com], gateways: [gw.ns]}}], {ROUTE}}}]"
            )),
            1,
        ),
    ] {
        let (errors, warnings) = verdict(kind, &spec);
        assert!(errors.is_empty(), "{spec}: {errors:#?}");
        assert_eq!(warnings.len(), count, "{spec}: {warnings:#?}");
    }
}

#[test]
fn nothing_is_not_an_entry() {
    let http = |part: &str| format!("{SERVICE}, http: [{{match: [{part}], {ROUTE}}}]");
    for (spec, error) in [
        (http("{headers: {x: {}}}"), ""),
        (
            http("{headers: {x: null}}"),
            "header match x cannot be null",
        ),
        (
            format!("{SERVICE}, tcp: [{{match: [null], {ROUTE}}}]"),
            "tcp match may not be nil",
        ),
    ] {
        check("VirtualService", &spec, error);
    }
    let entry = |rest: &str| format!("hosts: [a.test], ports: [null], {rest}");
    for (rest, error) in [
        ("resolution: STATIC", "service entry port may not be null"),
        (
            "resolution: DNS, addresses: [1.2.3.4]",
            "ports cannot be nil",
        ),
    ] {
        check("ServiceEntry", &entry(rest), error);
    }
}

#[test]
fn every_prefix_that_holds_a_later_one_is_named() {
    let part = |prefix: &str| format!("{{match: [{{uri: {{prefix: {prefix}}}}}], {ROUTE}}}");
    let parts = ["/a", "/ab", "/abc", "/abc"].map(part).join(", ");
    let (_, warnings) = verdict("VirtualService", &format!("{SERVICE}, http: [{parts}]"));
    let said = |text: &str| warnings.iter().filter(|w| w.contains(text)).count();
    assert_eq!(said("of prefix /a on #0"), 2, "{warnings:#?}");
    assert_eq!(said("of prefix /ab on #1"), 1, "{warnings:#?}");
    assert_eq!(said("rule #3"), 2, "{warnings:#?}");
}

#[test]
fn names_are_as_istio_takes_them() {
    let label = "a".repeat(64);
    for (kind, spec) in [
        (
            "DestinationRule",
            format!("host: a, subsets: [{{name: a, labels: {{{label}/b: c}}}}]"),
        ),
        (
            "VirtualService",
            format!("{SERVICE}, http: [{{corsPolicy: {{allowHeaders: ['a,b']}}, {ROUTE}}}]"),
        ),
        (
            "VirtualService",
            format!(
                "hosts: ['*.com'], tls: [{{match: [{{sniHosts: [outbound_.80_._.a.com]}}], {ROUTE}}}]"
            ),
        ),
    ] {
        check(kind, &spec, "");
    }
}
