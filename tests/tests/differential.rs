//! The owner of a host by `policy`, against what stock Envoy's own matching makes of the same names.
//!
//! The native configuration is made from the same hostnames as the filter's, so the two have to agree on every host
//! that passes the filter; what the filter refuses before is listed in [`REFUSED`].

use policy::{Decision, HostTable, NoTrace, PluginConfig, Policy, Reason, RequestView, decide};
use proptest::collection::btree_set;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use system_tests::client::{Connection, get};
use system_tests::envoy::{Envoy, NEWEST, socket_address};
use system_tests::tls::Tls;

/// How many sets of hostnames, and how many hosts for each.
const SETS: usize = 250;
const HOSTS: usize = 30;

/// Few and alike, so that most hosts are near to some hostname.
const LABELS: [&str; 7] = ["a", "b", "ab", "b-a", "_b", "7", "com"];

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&LABELS[..]), 1..5).prop_map(|labels| labels.join("."))
}

/// What listeners of one port may have as hostnames.
fn hostnames() -> impl Strategy<Value = Vec<String>> {
    let hostname = prop_oneof![
        6 => name(),
        5 => name().prop_map(|name| format!("*.{name}")),
        1 => Just("*".to_owned()),
    ];
    btree_set(hostname, 1..10).prop_map(|set| set.into_iter().collect())
}

/// What an honest client may send as `Host`.
fn host() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        12 => name(),
        1 => select(&["[::1]", "[2001:db8::A]", "127.0.0.1"][..]).prop_map(str::to_owned),
    ];
    let host = (host, any::<u8>()).prop_map(|(host, how)| match how % 8 {
        0 => host.to_uppercase(),
        1 if !host.ends_with(']') => format!("{host}."),
        _ => host,
    });
    let port =
        prop_oneof![3 => Just(String::new()), 1 => any::<u16>().prop_map(|p| format!(":{p}"))];
    (host, port).prop_map(|(host, port)| host + &port)
}

/// The same values in each run.
fn sample<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    let mut next = || {
        strategy
            .new_tree(&mut runner)
            .expect("no value is filtered out")
    };
    (0..count).map(|_| next().current()).collect()
}

/// Listeners that are called like their only hostname.
fn table(hostnames: &[String]) -> HostTable {
    let listener = |hostname: &String| json!({ "name": hostname, "hostnames": [hostname] });
    let listeners: Vec<_> = hostnames.iter().map(listener).collect();
    let config = json!({ "version": 1, "listeners": listeners }).to_string();
    let mut config = PluginConfig::from_json(config.as_bytes()).expect("a configuration");
    let table = config.table().expect("hostnames");
    table.expect("listeners")
}

/// The name of the listener that takes the host, or why there is none.
fn owner(table: &HostTable, host: &str) -> Result<String, Reason> {
    let mut host = host.as_bytes().to_vec();
    let request = RequestView::new(Some(&mut host));
    match decide(&Policy { table, chain: None }, &request, &mut NoTrace) {
        Decision::Forward(listener) => Ok(listener.name.to_string()),
        Decision::Reject(refusal) => Err(refusal.reason),
    }
}

fn manager(fields: &Value) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        } }],
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        manager[name] = value.clone();
    }
    json!([{ "name": "http", "typed_config": manager }])
}

/// A virtual host that answers with its name.
fn virtual_host(name: &str, domain: &str) -> Value {
    json!({ "name": name, "domains": [domain], "routes": [{
        "match": { "prefix": "/" },
        "direct_response": { "status": 200, "body": { "inline_string": name } },
    }] })
}

/// One listener; the header `x-set` chooses among sets of virtual hosts with these domains.
fn by_virtual_host(sets: &[Vec<String>]) -> Value {
    let scope = |(index, hostnames): (usize, &Vec<String>)| {
        let hosts = hostnames.iter().map(|name| virtual_host(name, name));
        json!({
            "name": index.to_string(),
            "key": { "fragments": [{ "string_key": index.to_string() }] },
            "route_configuration": {
                "name": index.to_string(),
                "ignore_port_in_host_matching": true,
                "virtual_hosts": hosts.collect::<Vec<_>>(),
            },
        })
    };
    let scopes: Vec<_> = sets.iter().enumerate().map(scope).collect();
    let filters = manager(&json!({ "scoped_routes": {
        "name": "sets",
        "scope_key_builder": { "fragments": [{
            "header_value_extractor": { "name": "x-set", "index": 0 },
        }] },
        "scoped_route_configurations_list": { "scoped_route_configurations": scopes },
    } }));
    json!({ "static_resources": { "listeners": [{
        "name": "sets",
        "address": socket_address("127.0.0.1", 0),
        "filter_chains": [{ "filters": filters }],
    }] } })
}

/// What Envoy answers for each host, in HTTP/1.1 or HTTP/2, over one connection.
async fn ask(envoy: &Envoy, set: usize, hosts: &[String], h2: bool) -> anyhow::Result<Vec<Answer>> {
    let connection = Connection::open(envoy.listener().await?).await?;
    let request = |host: &String| {
        let mut request = get(host, "/");
        request.headers_mut().insert("x-set", set.into());
        request
    };
    let requests = hosts.iter().map(request).collect();
    let responses = if h2 {
        connection.http2("http", requests).await?
    } else {
        connection.http1_all(requests).await?
    };
    Ok(responses.into_iter().map(|r| (r.status, r.body)).collect())
}

/// Status and body.
type Answer = (u16, String);

/// What Envoy has to answer when the decision is ours.
fn expected(decision: Result<String, Reason>) -> Answer {
    match decision {
        Ok(listener) => (200, listener),
        Err(reason) => (reason.status(), String::new()),
    }
}

#[tokio::test]
async fn owners_are_those_of_envoys_virtual_hosts() -> anyhow::Result<()> {
    let sets = sample(hostnames(), SETS);
    let hosts = sample(prop::collection::vec(host(), HOSTS), SETS);
    let envoy = Envoy::start(NEWEST, by_virtual_host(&sets)).await?;
    let (mut cases, mut owned) = (0, 0);
    for (set, (hostnames, hosts)) in sets.iter().zip(&hosts).enumerate() {
        let table = table(hostnames);
        let answers = ask(&envoy, set, hosts, false).await?;
        assert_eq!(answers, ask(&envoy, set, hosts, true).await?);
        for (host, answer) in hosts.iter().zip(answers) {
            let ours = expected(owner(&table, host));
            assert_eq!(answer, ours, "host {host:?} among {hostnames:?}");
            cases += 1;
            owned += usize::from(answer.0 == 200);
        }
    }
    // A generator that seldom hits anything would prove nothing.
    assert!(
        owned > cases / 4 && owned < cases * 3 / 4,
        "{owned} of {cases}"
    );
    Ok(())
}

/// Hosts that we refuse, with what stock Envoy does with them where `*.a.com`, `a.com` and `*` are served: it refuses
/// some itself, and the others it would send on. Each of these is a way to make two parties see two hosts.
const REFUSED: &[(&str, u16, &str)] = &[
    // Nothing.
    ("", 200, "*"),
    (":80", 200, "*"),
    // User information (RFC 9110 §4.2.4).
    ("u@b.a.com", 200, "*.a.com"),
    ("u:p@b.a.com:80", 200, "*.a.com"),
    ("a.com@evil.org", 200, "*"),
    ("evil.org:80@a.com", 200, "*"),
    // Two `Host` headers, which Envoy joins.
    ("a.com\r\nHost: evil.org", 200, "*"),
    ("evil.org\r\nHost: b.a.com", 200, "*.a.com"),
    ("a.com\r\nHost: a.com", 200, "*"),
    ("evil.org,b.a.com", 200, "*.a.com"),
    // Ports that are none.
    ("a.com:", 200, "a.com"),
    ("a.com:http", 200, "a.com"),
    ("a.com:99999", 200, "a.com"),
    ("a.com:1:2", 200, "*"),
    ("a.com:-1", 200, "a.com"),
    // Labels that are none.
    (".a.com", 200, "*"),
    ("b..a.com", 200, "*.a.com"),
    ("a.com..", 200, "*"),
    (".", 200, "*"),
    // Bytes that no name has.
    ("*.a.com", 200, "*.a.com"),
    ("b%2ea.com", 200, "*"),
    ("b%00.a.com", 200, "*.a.com"),
    ("b!.a.com", 200, "*.a.com"),
    ("b/.a.com", 400, ""),
    ("b\\.a.com", 400, ""),
    ("b .a.com", 400, ""),
    ("b\u{e4}.a.com", 400, ""),
    ("b\t.a.com", 400, ""),
    // Brackets without an address.
    ("[::1", 200, "*"),
    ("[b].a.com", 200, "*.a.com"),
    ("[fe80::1%25eth0]", 200, "*"),
    ("::1", 200, "*"),
    ("[::1]80", 200, "*"),
];

#[tokio::test]
async fn deliberate_differences_are_these() -> anyhow::Result<()> {
    let hostnames = ["*", "*.a.com", "a.com"].map(str::to_owned).to_vec();
    let envoy = Envoy::start(NEWEST, by_virtual_host(std::slice::from_ref(&hostnames))).await?;
    let table = table(&hostnames);
    let long = "b".repeat(300) + ".a.com";
    let mut wrong = Vec::new();
    for &(host, status, body) in REFUSED.iter().chain([&(&*long, 200, "*.a.com")]) {
        let joined = host.replace("\r\nHost: ", ",");
        assert_eq!(
            owner(&table, &joined),
            Err(Reason::MalformedAuthority),
            "{host:?}"
        );
        let mut connection = Connection::open(envoy.listener().await?).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Set: 0\r\n\r\n");
        let answer = connection.raw_http1(request).await?;
        let served = if status == 200 { &answer.body } else { "" };
        if (answer.status, served) != (status, body) {
            wrong.push((host, answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// One TLS listener for each set, with a filter chain for each hostname that answers with its name to any host.
fn by_sni(sets: &[Vec<String>]) -> anyhow::Result<Value> {
    let own = rcgen::generate_simple_self_signed(["a.com".into()])?;
    let tls = json!({ "name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": { "tls_certificates": [{
            "certificate_chain": { "inline_string": own.cert.pem() },
            "private_key": { "inline_string": own.signing_key.serialize_pem() },
        }] },
    } });
    let chain = |hostname: &String| {
        let matches = match hostname.as_str() {
            "*" => json!({}),
            name => json!({ "server_names": [name] }),
        };
        let routes = json!({ "virtual_hosts": [virtual_host(hostname, "*")] });
        json!({
            "filter_chain_match": matches,
            "filters": manager(&json!({ "route_config": routes })),
            "transport_socket": tls,
        })
    };
    let listener = |(index, hostnames): (usize, &Vec<String>)| {
        json!({
            "name": index.to_string(),
            "address": socket_address("127.0.0.1", 0),
            "listener_filters": [{ "name": "sni", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            } }],
            "filter_chains": hostnames.iter().map(chain).collect::<Vec<_>>(),
        })
    };
    let listeners: Vec<_> = sets.iter().enumerate().map(listener).collect();
    Ok(json!({ "static_resources": { "listeners": listeners } }))
}

#[tokio::test]
async fn owners_are_those_of_envoys_filter_chains() -> anyhow::Result<()> {
    // rustls sends no SNI that ends in a number, as WHATWG URLs would read it as an address.
    let name = || name().prop_filter("no address", |name| !name.ends_with('7'));
    let sets = sample(hostnames(), 30);
    let hosts = sample(prop::collection::vec(name(), 12), sets.len());
    let envoy = Envoy::start(NEWEST, by_sni(&sets)?).await?;
    let listeners = envoy.listeners().await?;
    for (index, (hostnames, hosts)) in sets.iter().zip(&hosts).enumerate() {
        let table = table(hostnames);
        for host in hosts {
            let tls = Tls::sni(host);
            let answer = match Connection::open_tls(listeners[&index.to_string()], &tls).await {
                Ok(connection) => Some(connection.http1(get(host, "/")).await?.body),
                // No filter chain: the connection is closed.
                Err(_) => None,
            };
            assert_eq!(
                answer,
                owner(&table, host).ok(),
                "SNI {host:?} among {hostnames:?}"
            );
        }
    }
    Ok(())
}
