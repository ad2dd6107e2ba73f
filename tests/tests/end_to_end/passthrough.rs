//! Connections that the network redirects to a sidecar. No test may change the network, so the original destination comes
//! in a PROXY header, which gives a connection its local address as the redirection does, and goes out in one.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};
use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::ports::free_port;
use system_tests::tls::{HelloVersion, client_hello};
use system_tests::{meshgate, on_each_envoy};
use tempfile::TempDir;

use crate::gateway::own_address;

on_each_envoy! {
    what_passes_through_is_what_the_mode_says
    what_is_for_a_port_of_the_proxy_comes_to_it
}

/// The redirected connections of a sidecar, which end at a backend that sends back what it gets.
struct World {
    _envoy: Envoy,
    outbound: u16,
    _echo: Backend,
    _dir: TempDir,
}

impl World {
    async fn start(version: &str, resources: &str) -> anyhow::Result<Self> {
        let (address, inbound, outbound) = (own_address(), free_port()?, free_port()?);
        let own = format!(
            "
type: Dataplane
mesh: default
name: web-1
networking:
  address: {address}
  inbound: [{{port: 8080, tags: {{kuma.io/service: web}}}}]
  outbound: [{{port: 9001, address: 240.0.0.1, tags: {{kuma.io/service: backend}}}}]
  transparentProxying: {{redirectPortInbound: {inbound}, redirectPortOutbound: {outbound}}}
"
        );
        let dir = TempDir::new()?;
        let [from, to] = ["resources.yaml", "bootstrap.json"].map(|name| dir.path().join(name));
        fs::write(&from, format!("{own}{resources}"))?;
        let [from, to_text] = [&from, &to].map(|path| path.display().to_string());
        meshgate::run_in(
            &dir.path().join("work"),
            [
                "bootstrap",
                &from,
                "--dataplane",
                "web-1",
                "--admin",
                "127.0.0.1:0",
                "--format",
                "json",
                "-o",
                &to_text,
            ],
        )?;
        let echo = Backend::tcp().await?;
        let mut bootstrap: Value = serde_json::from_slice(&fs::read(&to)?)?;
        let resources = &mut bootstrap["static_resources"];
        for listener in resources["listeners"].as_array_mut().into_iter().flatten() {
            in_a_header(listener);
        }
        for cluster in resources["clusters"].as_array_mut().into_iter().flatten() {
            to_the_echo(cluster, echo.port());
        }
        fs::write(&to, bootstrap.to_string())?;
        Ok(Self {
            _envoy: Envoy::start_file(version, &to).await?,
            outbound,
            _echo: echo,
            _dir: dir,
        })
    }

    /// Whether something gets to `destination`, and comes back.
    async fn passes(&self, destination: &str, bytes: &[u8]) -> anyhow::Result<bool> {
        let to: SocketAddr = destination.parse()?;
        let (family, at): (_, SocketAddr) = if to.is_ipv4() {
            (
                "TCP4 192.0.2.77",
                (Ipv4Addr::LOCALHOST, self.outbound).into(),
            )
        } else {
            (
                "TCP6 2001:db8::77",
                (Ipv6Addr::LOCALHOST, self.outbound).into(),
            )
        };
        let head = format!("PROXY {family} {} 40000 {}\r\n", to.ip(), to.port());
        let mut connection = Connection::open(at).await?;
        let end = bytes.get(bytes.len().saturating_sub(8)..).unwrap_or(bytes);
        let answer = connection
            .exchange(&[head.as_bytes(), bytes].concat(), end)
            .await;
        Ok(answer.is_ok())
    }
}

/// As the redirection: the address comes before everything else.
fn in_a_header(listener: &mut Value) {
    if listener["use_original_dst"] != json!(true) {
        return;
    }
    let proxy = json!({ "name": "proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    } });
    let is_other = |filter: &&Value| filter["name"] != "envoy.filters.listener.original_dst";
    let filters = listener["listener_filters"].as_array();
    let others = filters.into_iter().flatten().filter(is_other).cloned();
    let filters: Vec<_> = [proxy].into_iter().chain(others).collect();
    listener["listener_filters"] = json!(filters);
}

fn to_the_echo(cluster: &mut Value, port: u16) {
    if cluster["type"] != "ORIGINAL_DST" {
        return;
    }
    let endpoint =
        json!({ "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } });
    *cluster = json!({ "name": cluster["name"], "load_assignment": {
        "cluster_name": cluster["name"],
        "endpoints": [{ "lb_endpoints": [{ "endpoint": endpoint }] }],
    } });
}

fn mesh(passthrough: &str) -> String {
    format!("---\ntype: Mesh\nname: default\nnetworking: {{outbound: {{{passthrough}}}}}\n")
}

fn policy(conf: &str) -> String {
    format!(
        "---\ntype: MeshPassthrough\nmesh: default\nname: outside\nspec:\n  targetRef: {{kind: Mesh}}\n  default: {{{conf}}}\n"
    )
}

async fn what_passes_through_is_what_the_mode_says(version: &str) -> anyhow::Result<()> {
    let tls = client_hello(HelloVersion::Tls12, "api.example.com");
    let other = client_hello(HelloVersion::Tls12, "other.example.com");
    let tcp = b"no protocol that is known\n".to_vec();
    let matches = "appendMatch: [{type: Domain, value: api.example.com, port: 443, protocol: tls}, \
        {type: CIDR, value: 192.0.2.0/24, port: 5432, protocol: tcp}, \
        {type: IP, value: '2001:db8::1', port: 5432, protocol: tcp}]";
    let to = [
        "203.0.113.1:443",
        "192.0.2.9:5432",
        "192.0.2.9:5433",
        "198.51.100.1:5432",
        "[2001:db8::1]:5432",
        "[2001:db8::2]:5432",
    ];
    let sent = [
        (0, &tls),
        (0, &other),
        (1, &tcp),
        (1, &tls),
        (2, &tcp),
        (3, &tcp),
        (4, &tcp),
        (5, &tcp),
    ];
    let some = [true, false, true, false, false, false, true, false];
    for (resources, expected) in [
        (mesh(""), [true; 8]),
        (mesh("passthrough: true"), [true; 8]),
        (mesh("passthrough: false"), [false; 8]),
        (
            mesh("passthrough: false") + &policy("passthroughMode: All"),
            [true; 8],
        ),
        (mesh("") + &policy("passthroughMode: None"), [false; 8]),
        (mesh("") + &policy(""), [false; 8]),
        (mesh("") + &policy(matches), some),
        (mesh("passthrough: false") + &policy(matches), some),
    ] {
        let world = World::start(version, &resources).await?;
        for ((destination, bytes), is_open) in sent.into_iter().zip(expected) {
            let passes = world.passes(to[destination], bytes).await?;
            assert_eq!(passes, is_open, "{} {resources}", to[destination]);
        }
        // What nobody has redirected is not sent round in circles.
        let own = format!("127.0.0.1:{}", world.outbound);
        assert!(!world.passes(&own, &tcp).await?, "{resources}");
    }
    Ok(())
}

/// An outbound that does not open its port, and whose service is not there: nothing passes it by.
async fn what_is_for_a_port_of_the_proxy_comes_to_it(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, &mesh("")).await?;
    assert!(!world.passes("240.0.0.1:9001", b"for a service\n").await?);
    assert!(world.passes("240.0.0.1:9002", b"for nobody here\n").await?);
    Ok(())
}
