//! Each example of Kuma's page on `MeshExternalService`, against a real server of its kind: served, and refused.
//!
//! `seeds/external-*`: as they stand on the page, with endpoints on loopback and a client certificate that is valid.
//! None of them has a `caCert`, so the system's CAs are asked.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::grpc::{self, Code, ServingStatus};
use system_tests::on_each_envoy;
use system_tests::outside::{self, Ca, Tls};
use system_tests::ports::free_port;

use super::{World, server};
use crate::gateway::own_address;

on_each_envoy! {
    each_is_served
    each_is_refused_where_all_are_forbidden
    without_passthrough_they_are_all_that_there_is
    calls_of_grpc_stream_both_ways
}

/// The name of a service, its protocol, and the example.
const EXAMPLES: [(&str, Protocol, &str); 7] = [
    (
        "mes-tcp",
        Protocol::Tcp,
        include_str!("../seeds/external-1-tcp.yaml"),
    ),
    (
        "mes-tcp-tls",
        Protocol::Tcp,
        include_str!("../seeds/external-2-tcp-tls.yaml"),
    ),
    (
        "mes-tcp-mtls",
        Protocol::Tcp,
        include_str!("../seeds/external-3-tcp-mtls.yaml"),
    ),
    (
        "mes-http",
        Protocol::Http,
        include_str!("../seeds/external-4-http.yaml"),
    ),
    (
        "mes-https",
        Protocol::Http,
        include_str!("../seeds/external-5-https.yaml"),
    ),
    (
        "mes-grpc",
        Protocol::Grpc,
        include_str!("../seeds/external-6-grpc.yaml"),
    ),
    (
        "mes-grpcs",
        Protocol::Grpc,
        include_str!("../seeds/external-7-grpcs.yaml"),
    ),
];
const HOSTNAMES: &str = include_str!("../seeds/external-0-hostnames.yaml");
/// Universal and Kubernetes.
const FORBIDDEN: [&str; 2] = [
    include_str!("../seeds/external-8-forbidden.yaml"),
    include_str!("../seeds/external-9-forbidden-kubernetes.yaml"),
];
const NO_PASSTHROUGH: &str = "
type: Mesh
name: default
networking: {outbound: {passthrough: false}}
";

/// The services by their place in [`EXAMPLES`].
const GRPC: u16 = 5;
const GRPCS: u16 = 6;

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Tcp,
    Http,
    Grpc,
}

/// What the examples lead to, and the proxy that serves them.
struct Examples {
    world: World,
    /// Where the proxy listens for hostnames.
    hostnames: SocketAddr,
    calls: [grpc::Server; 2],
    _backends: [Backend; 5],
}

impl Examples {
    async fn start(version: &str, mesh: &str) -> anyhow::Result<Self> {
        let (ca, clients) = (Ca::new()?, Ca::new()?);
        let named = |name: &str| anyhow::Ok(server(ca.sign(&[name], false)?));
        let mutual = Tls {
            clients: Some(&clients),
            ..named("tcpbin.com")?
        };
        let h2 = Tls {
            alpn: &["h2"],
            ..named("grpcbin.test.k6.io")?
        };
        let backends = [
            Backend::tcp().await?,
            outside::tcp(&named("tcpbin.com")?).await?,
            outside::tcp(&mutual).await?,
            Backend::http("http").await?,
            outside::http("https", &named("httpbin.org")?).await?,
        ];
        let calls = [
            grpc::Server::start(None).await?,
            grpc::Server::start(Some(&h2)).await?,
        ];
        let client = clients.sign(&["tcpbin.com-client"], false)?;
        let ports = backends.iter().map(Backend::port);
        let ports = ports.chain(calls.iter().map(grpc::Server::port));
        let mut resources = vec![mesh.to_owned(), HOSTNAMES.to_owned()];
        for ((_, _, example), port) in EXAMPLES.iter().zip(ports) {
            let example = example
                .replace("{certificate}", &STANDARD.encode(&client.certificate))
                .replace("{key}", &STANDARD.encode(&client.key));
            resources.push(at(&example, port)?);
        }
        let address = own_address();
        let hostnames = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        resources.push(dataplane(&address.to_string(), hostnames.port()));
        let text = resources.join("\n---\n");
        let world = World::trusting(version, address, "example", &text, Some(&ca)).await?;
        Ok(Self {
            world,
            hostnames,
            calls,
            _backends: backends,
        })
    }
}

/// The example with an endpoint on loopback.
fn at(example: &str, port: u16) -> anyhow::Result<String> {
    let (before, endpoint) = example
        .split_once("    - address: ")
        .context("no endpoint")?;
    // Its address, its port, and what follows.
    let after = endpoint.splitn(3, '\n').nth(2).unwrap_or_default();
    Ok(format!(
        "{before}    - address: localhost\n      port: {port}\n{after}"
    ))
}

/// The Dataplane of the page, with an outbound to each.
fn dataplane(address: &str, hostnames: u16) -> String {
    let outbounds = (9001..).zip(EXAMPLES).map(|(port, (name, ..))| {
        format!("  - {{port: {port}, address: {address}, backendRef: {{kind: MeshExternalService, name: {name}}}}}\n")
    });
    format!(
        "
type: Dataplane
mesh: default
name: example
labels: {{meshgate.io/external-service-port: '{hostnames}'}}
networking:
  address: {address}
  inbound:
  - {{port: 7000, servicePort: 26379, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: example, kuma.io/protocol: tcp}}}}
  outbound:
{}",
        outbounds.collect::<String>()
    )
}

async fn each_is_served(version: &str) -> anyhow::Result<()> {
    let examples = Examples::start(version, "{type: Mesh, name: default}").await?;
    for (index, (name, protocol, _)) in (0..).zip(EXAMPLES) {
        let host = format!("{name}.svc.meshext.local");
        match protocol {
            Protocol::Tcp => assert!(examples.world.answers(index).await?, "{name}"),
            Protocol::Http => {
                let by_hostname = Connection::open(examples.hostnames).await?;
                for response in [
                    examples.world.get(index, "/a?b").await?,
                    by_hostname.http1(get(&host, "/a?b")).await?,
                ] {
                    let echo = response.echo()?;
                    assert_eq!(format!("mes-{}", echo.backend), name);
                    assert_eq!(echo.path, "/a?b", "{name}");
                    assert!(echo.host.starts_with("localhost"), "{}", echo.host);
                }
            }
            Protocol::Grpc => {
                let by_hostname = grpc::Client::open(examples.hostnames, &host).await?;
                for client in [examples.world.call(index).await?, by_hostname] {
                    let services = client.services().await?;
                    assert!(services.iter().any(|name| name == "grpc.health.v1.Health"));
                    assert_eq!(client.check("").await?, 1, "{name}");
                }
            }
        }
    }
    Ok(())
}

async fn each_is_refused_where_all_are_forbidden(version: &str) -> anyhow::Result<()> {
    for mesh in FORBIDDEN {
        each_is_refused(&Examples::start(version, mesh).await?).await?;
    }
    Ok(())
}

async fn each_is_refused(examples: &Examples) -> anyhow::Result<()> {
    for (index, (name, protocol, _)) in (0..).zip(EXAMPLES) {
        let host = format!("{name}.svc.meshext.local");
        match protocol {
            Protocol::Tcp => assert!(!examples.world.answers(index).await?, "{name}"),
            Protocol::Http => {
                let by_hostname = Connection::open(examples.hostnames).await?;
                for response in [
                    examples.world.get(index, "/").await?,
                    by_hostname.http1(get(&host, "/")).await?,
                ] {
                    let reason = response.header("x-meshgate-reason");
                    assert_eq!((response.status, reason), (403, "forbidden_by_default"));
                }
            }
            Protocol::Grpc => {
                let by_hostname = grpc::Client::open(examples.hostnames, &host).await?;
                for client in [examples.world.call(index).await?, by_hostname] {
                    let refused = client.check("").await.err().context("it is served")?;
                    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
                    assert!(
                        refused.message().starts_with("forbidden_by_default"),
                        "{refused:?}"
                    );
                }
            }
        }
    }
    let stats = examples
        .world
        .envoy
        .admin_get("/stats?filter=upstream_cx_total");
    for line in stats.await?.body.lines() {
        assert!(line.ends_with(": 0"), "somebody was asked: {line}");
    }
    Ok(())
}

async fn without_passthrough_they_are_all_that_there_is(version: &str) -> anyhow::Result<()> {
    let examples = Examples::start(version, NO_PASSTHROUGH).await?;
    let ask = async |host: &str| {
        let connection = Connection::open(examples.hostnames).await?;
        connection.http1(get(host, "/")).await
    };
    assert_eq!(ask("mes-http.svc.meshext.local").await?.status, 200);
    for host in [
        "httpbin.org",
        "localhost",
        "127.0.0.1",
        "mes-tcp.svc.meshext.local",
    ] {
        let response = ask(host).await?;
        let reason = response.header("x-meshgate-reason");
        assert_eq!(
            (response.status, reason),
            (403, "unknown_destination"),
            "{host}"
        );
    }
    Ok(())
}

async fn calls_of_grpc_stream_both_ways(version: &str) -> anyhow::Result<()> {
    let examples = Examples::start(version, "{type: Mesh, name: default}").await?;
    for (index, server) in [(GRPC, &examples.calls[0]), (GRPCS, &examples.calls[1])] {
        let client = examples.world.call(index).await?;
        let unknown = client.check("unknown").await.err().context("it is known")?;
        assert_eq!(unknown.code(), Code::NotFound, "the status in trailers");
        let mut states = client.watch("").await?;
        let mut next = async || anyhow::Ok(states.message().await?.context("an end")?.status);
        assert_eq!(next().await?, 1);
        // The stream stays open, and what comes is not kept back.
        let state = ServingStatus::NotServing;
        server.health.set_service_status("", state).await;
        assert_eq!(next().await?, 2);
        assert_eq!(client.check("").await?, 2);
    }
    Ok(())
}
