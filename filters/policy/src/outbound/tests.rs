use core::ops::{Deref, DerefMut};

use super::*;
use crate::config::PluginConfig;

/// What a request or connection tells.
#[derive(Default)]
struct Told {
    client: &'static str,
    method: &'static str,
    path: &'static str,
    upgrade: &'static str,
    server_name: &'static str,
    address: &'static str,
}

fn some(text: &'static str) -> Option<&'static [u8]> {
    (!text.is_empty()).then_some(text.as_bytes())
}

impl Facts for Told {
    fn client(&self) -> Option<impl Deref<Target = [u8]>> {
        some(self.client)
    }

    fn method(&self) -> Option<impl Deref<Target = [u8]>> {
        some(self.method)
    }

    fn path(&self) -> Option<impl Deref<Target = [u8]>> {
        some(self.path)
    }

    fn upgrade(&self) -> Option<impl Deref<Target = [u8]>> {
        some(self.upgrade)
    }
}

impl ConnectionFacts for Told {
    fn server_name(&self) -> Option<impl DerefMut<Target = [u8]>> {
        some(self.server_name).map(<[u8]>::to_vec)
    }

    fn destination(&self) -> Option<impl DerefMut<Target = [u8]>> {
        some(self.address).map(<[u8]>::to_vec)
    }
}

fn outbound(json: &str) -> Outbound {
    let json = format!(r#"{{"version":1,{json}}}"#);
    let config = PluginConfig::from_json(json.as_bytes()).unwrap();
    config.outbound().unwrap().unwrap()
}

fn said(way: &Way<'_>) -> String {
    let target = way.target.map_or("-", |target| &*target.name);
    match way.verdict {
        Ok(Permit::Allowed) => target.to_owned(),
        Ok(Permit::Shadow) => format!("{target} shadow"),
        Err(refusal) => format!("{target} {}", refusal.reason),
    }
}

fn request(outbound: &Outbound, host: &str, told: &Told) -> String {
    let mut host = host.as_bytes().to_vec();
    said(&outbound.decide(&RequestView::new(Some(&mut host)), told))
}

const SERVICES: &str = r#""external_access":{
    "passthrough":"matched","matches":[
        {"destination":"*.cdn.example","protocol":"http","cluster":"cdn"},
        {"destination":"10.0.0.0/8","port":8080,"protocol":"http"}],
    "services":[
        {"name":"api","hostnames":["api.extsvc","192.0.2.1","2001:db8::1"],"cluster":"api"},
        {"name":"shut","hostnames":["shut.extsvc"],"permissions":{}}]}"#;

#[test]
fn a_destination_is_one_however_it_is_spelt() {
    let outbound = outbound(SERVICES);
    for (host, expected) in [
        ("api.extsvc", "api"),
        ("API.extsvc.:443", "api"),
        ("[::ffff:192.0.2.1]", "api"),
        ("[2001:DB8:0::1]:80", "api"),
        ("shut.extsvc", "shut client_not_allowed"),
        ("SHUT.extsvc.", "shut client_not_allowed"),
        ("a.cdn.example", "*.cdn.example"),
        ("10.0.0.1:8080", "10.0.0.0/8"),
        ("10.0.0.1", "- unknown_destination"),
        ("3221225985", "- malformed_authority"),
        ("0300.0.2.1", "- malformed_authority"),
        ("192.0.513", "- malformed_authority"),
        ("api.extsvc@evil.test", "- malformed_authority"),
        ("evil.test", "- unknown_destination"),
    ] {
        assert_eq!(
            request(&outbound, host, &Told::default()),
            expected,
            "{host}"
        );
    }
}

#[test]
fn nothing_but_websocket_is_tunnelled() {
    let outbound = outbound(SERVICES);
    for (method, upgrade, expected) in [
        ("GET", "websocket", "api"),
        ("GET", "h2c", "api tunnel"),
        ("GET", "websocket, h2c", "api tunnel"),
        ("CONNECT", "", "api tunnel"),
    ] {
        let told = Told {
            method,
            upgrade,
            ..Told::default()
        };
        assert_eq!(request(&outbound, "api.extsvc", &told), expected);
    }
}

#[test]
fn the_steering_header_is_never_the_clients() {
    let with = outbound(SERVICES);
    for (host, cluster) in [
        ("api.extsvc", "api"),
        ("a.cdn.example", "cdn"),
        ("10.0.0.1:8080", ""),
        ("shut.extsvc", ""),
        ("evil.test", ""),
    ] {
        let mut bytes = host.as_bytes().to_vec();
        let way = with.decide(&RequestView::new(Some(&mut bytes)), &Told::default());
        assert_eq!(with.cluster(way.target), Some(cluster), "{host}");
    }
    let without = outbound(r#""external_access":{"services":[{"name":"a","hostnames":["a"]}]}"#);
    assert_eq!(without.cluster(None), None);
}

#[test]
fn connections_go_by_name_and_address() {
    let outbound = outbound(
        r#""external_access":{"passthrough":"matched","matches":[
            {"destination":"10.0.0.0/8"},{"destination":"t.example","protocol":"tls","port":443}],
            "services":[{"name":"a","hostnames":["a.extsvc","242.0.0.1"]},{"name":"b","hostnames":["b.extsvc"],"port":443}]}"#,
    );
    for (server_name, address, expected) in [
        ("", "242.0.0.1:80", "a"),
        ("a.extsvc", "203.0.113.1:80", "a"),
        ("unknown.test", "242.0.0.1:443", "a"),
        ("b.extsvc", "203.0.113.1:443", "b"),
        ("b.extsvc", "203.0.113.1:444", "- unknown_destination"),
        ("b.extsvc", "242.0.0.1:443", "- misdirected"),
        ("t.example", "203.0.113.1:443", "t.example"),
        ("", "10.1.1.1:1", "10.0.0.0/8"),
        ("", "[fd00::1]:1", "- unknown_destination"),
        ("", "", "- unknown_destination"),
    ] {
        let told = Told {
            server_name,
            address,
            ..Told::default()
        };
        assert_eq!(
            said(&outbound.decide_connection(&told)),
            expected,
            "{server_name} {address}"
        );
    }
}

#[test]
fn configurations_that_cannot_hold_are_refused() {
    for (json, mistake) in [
        (
            r#""external_access":{"passthrough":"matched"}"#,
            "`matches` and the `passthrough` mode `matched` belong together",
        ),
        (
            r#""external_access":{"matches":[{"destination":"a"}]}"#,
            "`matches` and the `passthrough` mode `matched` belong together",
        ),
        (
            r#""external_access":{"passthrough":"matched","matches":[{"destination":"10.0.0.0/40"}]}"#,
            "`matches`: destination `10.0.0.0/40`: it is no range of addresses like 10.0.0.0/8",
        ),
        (
            r#""external_access":{"services":[{"name":"a","hostnames":["127.1"]}]}"#,
            "`a`: host `127.1`: the host ends in a number and is no IPv4 address of four decimal numbers",
        ),
        (
            r#""external_access":{"services":[{"name":"a","hostnames":["x"]},{"name":"b","hostnames":["x"]}]}"#,
            "`a` and `b` have a host and port in common",
        ),
        (
            r#""chain":"b","external_access":{"services":[{"name":"a"}]}"#,
            "`chain` names `b`, which is none of the external services",
        ),
        (
            r#""external_access":{"services":[{"name":"a","permissions":{"allow":[{"paths":["v1"]}]}}]}"#,
            "service `a`: path `v1`: the path can be read in more than one way",
        ),
    ] {
        let json = format!(r#"{{"version":1,{json}}}"#);
        let config = PluginConfig::from_json(json.as_bytes()).unwrap();
        assert_eq!(config.outbound().unwrap_err().to_string(), mistake);
    }
}
