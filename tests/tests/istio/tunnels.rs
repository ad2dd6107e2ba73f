//! Connections that go on through a proxy of HTTP, as DestinationRules ask for.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use system_tests::client::Connection;
use system_tests::echo::Backend;
use system_tests::outside::{self, Ca};
use system_tests::tls::Tls;
use system_tests::{envoy, on_each_envoy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ALL_VERSIONS;

use crate::gateway::{Setup, served};

on_each_envoy! { connections_go_through_tunnels }

/// A proxy that connects to one port of the loopback address, whatever it is asked for. It ends when this is dropped.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn to(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let known = heads.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let known = known.clone();
                // A client that goes away is no failure of a proxy.
                tokio::spawn(async move { serve(stream, target, &known).await.ok() });
            }
        });
        Ok(Self { port, heads, task })
    }

    /// The heads of the requests so far.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().map(|all| all.clone()).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    target: u16,
    heads: &Mutex<Vec<String>>,
) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    if let Ok(mut heads) = heads.lock() {
        heads.push(head.clone());
    }
    // A POST has a body in chunks both ways, which a server that sends all back need not take apart.
    let body = if head.starts_with("POST") {
        "transfer-encoding: chunked\r\n"
    } else {
        ""
    };
    let answer = format!("HTTP/1.1 200 OK\r\n{body}\r\n");
    client.write_all(answer.as_bytes()).await?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 9000, name: connect, protocol: TCP}
    hosts: ['*']
  - port: {number: 9001, name: post, protocol: TCP}
    hosts: ['*']
  - port: {number: 9443, name: tls, protocol: TLS}
    hosts: [t.example.com]
    tls: {mode: PASSTHROUGH}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tcp}
spec:
  hosts: ['*']
  gateways: [edge]
  tcp:
  - match: [{port: 9000}]
    route: [{destination: {host: connect.example.org, port: {number: 3128}}}]
  - match: [{port: 9001}]
    route: [{destination: {host: post.example.org, port: {number: 3128}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tls}
spec:
  hosts: [t.example.com]
  gateways: [edge]
  tls:
  - match: [{sniHosts: [t.example.com]}]
    route: [{destination: {host: subset.example.org, subset: v1, port: {number: 3128}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: connect}
spec:
  host: connect.example.org
  trafficPolicy: {tunnel: {protocol: CONNECT, targetHost: inner.example.org, targetPort: 443}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: post}
spec:
  host: post.example.org
  trafficPolicy: {tunnel: {protocol: POST, targetHost: inner.example.org, targetPort: 80}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: subset}
spec:
  host: subset.example.org
  trafficPolicy: {tunnel: {targetHost: not.example.org, targetPort: 443}}
  subsets:
  - {name: v1, trafficPolicy: {tunnel: {targetHost: '2001:db8::1', targetPort: 443}}}
";

async fn connections_go_through_tunnels(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let echo = Backend::tcp().await?;
    let server = outside::Tls {
        identity: ca.sign(&["t.example.com"], false)?,
        clients: None,
        versions: ALL_VERSIONS,
        alpn: &[],
    };
    let server = outside::http("inner", &server).await?;
    let connect = Proxy::to(echo.port()).await?;
    let post = Proxy::to(echo.port()).await?;
    let subset = Proxy::to(server.port()).await?;
    let setup = Setup::new(GATEWAY)?
        .service_at("connect.example.org", 3128, "TCP", connect.port)
        .service_at("post.example.org", 3128, "TCP", post.port)
        .service_at("subset.example.org", 3128, "TCP", subset.port);
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    assert!(!gateway.findings.contains("tunnel"), "{}", gateway.findings);

    for port in [9000, 9001] {
        let mut connection = Connection::open(gateway.at(port)).await?;
        for _ in 0..2 {
            assert_eq!(connection.exchange(b"ping\n", b"\n").await?, b"ping\n");
        }
    }
    let answer = gateway
        .get_tls(9443, &Tls::sni("t.example.com"), "t.example.com", "/")
        .await?;
    assert_eq!(served(&answer), "inner");

    for (proxy, start, host) in [
        (
            &connect,
            "CONNECT inner.example.org:443 HTTP/1.1\r\n",
            "inner.example.org:443",
        ),
        (&post, "POST / HTTP/1.1\r\n", "inner.example.org:80"),
        (
            &subset,
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\n",
            "[2001:db8::1]:443",
        ),
    ] {
        let heads = proxy.heads();
        let [head] = heads.as_slice() else {
            anyhow::bail!("{start}: {heads:?}");
        };
        assert!(head.starts_with(start), "{head}");
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
    }
    Ok(())
}
