//! Twice the listeners are twice the configuration: no chain brings what only others need.

use std::fmt::Write as _;

use meshgate::certs::{KeyType, Role, self_signed};
use meshgate::check::{self, Made};
use meshgate::envoy::{self, Format, Options};
use meshgate::model::kuma::Input;
use meshgate::resources::Meta;
use meshgate::{resources, source};

const HEAD: &str = "type: Mesh
name: default
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: 127.0.0.1
  inbound:
  - {port: 9000, tags: {kuma.io/service: backend, kuma.io/protocol: http}}
";

/// A gateway with `count` listeners, the hostname of each made by `host`, and a route for all of them.
fn gateway(count: usize, tls: Option<&str>, host: fn(usize) -> String) -> String {
    let mut text = HEAD.to_owned();
    if let Some(secret) = tls {
        let _ = write!(
            text,
            "---\ntype: Secret\nmesh: default\nname: own\ndata: {secret}\n"
        );
    }
    text.push_str(
        "---
type: MeshHTTPRoute
mesh: default
name: all
spec:
  targetRef: {kind: MeshGateway, name: edge}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      default: {backendRefs: [{kind: MeshService, name: backend}]}
---
type: MeshGateway
mesh: default
name: edge
selectors:
- match: {kuma.io/service: edge}
conf:
  listeners:
",
    );
    for index in 0..count {
        let protocol = match tls {
            Some(_) => "protocol: HTTPS, tls: {mode: TERMINATE, certificates: [{secret: own}]}",
            None => "protocol: HTTP",
        };
        let _ = writeln!(
            text,
            "  - {{port: 8080, hostname: '{}', {protocol}}}",
            host(index)
        );
    }
    text
}

/// The bytes of the configuration of the only gateway.
fn size(yaml: &str) -> usize {
    let (sources, documents, _) = source::read_text("gateway.yaml", yaml);
    let (resources, _) = resources::load(documents, false);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    let mut made = Made::default();
    check::with_proxies(input, &mut made);
    let (_, proxy) = made.into_dataplane().unwrap();
    let options = Options {
        admin: "127.0.0.1:9901".parse().unwrap(),
        wasm: "gateway.wasm".to_owned(),
        mode: policy::config::Mode::Enforce,
        reasons: policy::config::Reasons::Full,
        access_log: None,
        log_pipe: None,
        secrets: "/secrets".into(),
        range: envoy::EnvoyRange::From1_36,
    };
    let bytes = envoy::encode(&envoy::bootstrap(&proxy, &options), Format::Pb).unwrap();
    bytes.len()
}

#[test]
fn configurations_grow_with_their_listeners() {
    let pair = self_signed(Role::Server, KeyType::Ecdsa, &["*.example.com".to_owned()]).unwrap();
    let secret = {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(pair.certificate + &pair.key)
    };
    let exact = |index| format!("h{index:03}.example.com");
    let wildcard = |index| format!("*.h{index:03}.example.com");
    let hosts: [fn(usize) -> String; 2] = [exact, wildcard];
    for (tls, host) in [None, Some(&*secret)]
        .into_iter()
        .flat_map(|tls| hosts.map(|host| (tls, host)))
    {
        let [few, some, many] = [50, 100, 200].map(|count| size(&gateway(count, tls, host)));
        let (once, twice) = (some - few, many - some);
        assert!(
            twice < 2 * once + once / 20,
            "{}: {few}, {some} and {many} bytes",
            host(0)
        );
    }
}

#[test]
fn of_several_proxies_the_one_that_is_wanted_is_kept() {
    let yaml = gateway(1, None, |_| "a.example.com".to_owned());
    let other = HEAD
        .split("---\n")
        .find(|document| document.contains("edge-1"))
        .unwrap()
        .replace("edge-1", "edge-2");
    let yaml = format!("{yaml}---\n{other}");
    let (sources, documents, _) = source::read_text("gateway.yaml", &yaml);
    let (resources, _) = resources::load(documents, false);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    for (wanted, kept) in [(None, "edge-1"), (Some("edge-2"), "edge-2")] {
        let mut made = Made::wanting(wanted);
        check::with_proxies(input, &mut made);
        assert!(made.take_dataplane(&Meta::default()).is_none());
        let (whose, proxy) = made.into_dataplane().unwrap();
        assert_eq!((whose.name.as_str(), proxy.name.as_str()), (kept, kept));
    }
}
