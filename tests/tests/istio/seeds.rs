//! Every YAML example of Istio's page on `Gateway`, completed with services, certificates and what else is not in it.

use std::fs;

use system_tests::client::Connection;
use system_tests::tls::Tls;
use system_tests::{envoy, meshgate, on_each_envoy};

use crate::gateway::{Setup, secret, served, split};

on_each_envoy! {
    ports_and_hosts_of_bookinfo
    requests_are_split_and_told_apart_by_cookie
    a_mongo_port_forwards_bytes
    hosts_are_for_namespaces
    a_gateway_in_no_namespace
    tls_for_every_host
}

const GATEWAY: &str = include_str!("seeds/1-gateway.yaml");
const BOOKINFO: &str = include_str!("seeds/2-virtual-service.yaml");
const MONGO: &str = include_str!("seeds/3-virtual-service.yaml");

/// The example's files are where the test can write them, and its credential is in the namespace of the workload.
fn gateway() -> anyhow::Result<Setup> {
    let text = GATEWAY.replace("/etc/certs/", "{dir}/");
    let setup = Setup::new(&text)?;
    let bundle = meshgate::certificate("uk.bookinfo.com", "ecdsa")?;
    let (key, chain) = split(&bundle)?;
    fs::write(setup.folder().join("servercert.pem"), chain)?;
    fs::write(setup.folder().join("privatekey.pem"), key)?;
    let secret = secret(
        "some-config-namespace",
        "bookinfo-secret",
        "eu.bookinfo.com",
    )?;
    Ok(setup.with(BOOKINFO).with(MONGO).with(&secret))
}

async fn ports_and_hosts_of_bookinfo(version: &str) -> anyhow::Result<()> {
    let setup = gateway()?
        .service("reviews.qa.svc.cluster.local", 7777)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;

    let moved = gateway.get(80, "uk.bookinfo.com", "/reviews/1?a=b").await?;
    assert_eq!(moved.status, 301);
    assert_eq!(
        moved.header("location"),
        "https://uk.bookinfo.com/reviews/1?a=b"
    );
    let other = gateway.get(80, "us.bookinfo.com", "/").await?;
    assert_eq!(
        (other.status, other.header("x-meshgate-reason")),
        (404, "no_listener")
    );

    // The files' certificate on 443, the Secret's on 9443, and no session for other names.
    let files = Connection::open_tls(gateway.at(443), &Tls::sni("eu.bookinfo.com")).await?;
    let secret = Connection::open_tls(gateway.at(9443), &Tls::sni("eu.bookinfo.com")).await?;
    assert_ne!(files.certificate, secret.certificate);
    assert_eq!(secret.alpn.as_deref(), Some("http/1.1"));
    for (port, name) in [(443, "us.bookinfo.com"), (9443, "bookinfo.com")] {
        let session = Connection::open_tls(gateway.at(port), &Tls::sni(name)).await;
        assert!(session.is_err(), "{port} {name}");
    }
    // Hosts of one server share its sessions.
    let tls = Tls::sni("uk.bookinfo.com");
    let answer = gateway
        .get_tls(443, &tls, "eu.bookinfo.com", "/other")
        .await?;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("x-meshgate-reason"), "");
    Ok(())
}

async fn requests_are_split_and_told_apart_by_cookie(version: &str) -> anyhow::Result<()> {
    let qa = "reviews.qa.svc.cluster.local";
    let prod = "reviews.prod.svc.cluster.local";
    let setup = gateway()?.service(qa, 7777).await?;
    let setup = setup.service(prod, 9080).await?;
    let gateway = setup.start(version, &[]).await?;
    let tls = Tls::sni("uk.bookinfo.com");

    let connection = Connection::open_tls(gateway.at(443), &tls).await?;
    let mut request = system_tests::client::get("uk.bookinfo.com", "/anything");
    let cookie = "user=dev-123".parse()?;
    request.headers_mut().insert("cookie", cookie);
    assert_eq!(
        served(&connection.http1(request).await?),
        format!("{qa}:7777")
    );

    let mut to_prod = 0;
    let requests = 200;
    let connection = Connection::open_tls(gateway.at(443), &tls).await?;
    let all = (0..requests).map(|_| system_tests::client::get("uk.bookinfo.com", "/reviews/7"));
    for answer in connection.http1_all(all.collect()).await? {
        let service = served(&answer);
        // A destination without a port means its service's only one.
        assert!([format!("{prod}:9080"), format!("{qa}:7777")].contains(&service));
        to_prod += usize::from(service.starts_with(prod));
    }
    // 160 are expected, with a standard deviation of 5.7.
    assert!((125..=190).contains(&to_prod), "{to_prod} of {requests}");
    let answer = gateway
        .get_tls(443, &tls, "uk.bookinfo.com", "/ratings")
        .await?;
    assert_eq!(answer.status, 404);
    Ok(())
}

async fn a_mongo_port_forwards_bytes(version: &str) -> anyhow::Result<()> {
    let mongo = "mongo.prod.svc.cluster.local";
    // The document's route is for port 27017, which its gateway does not have: it is said, and nothing listens.
    let setup = gateway()?.tcp_service(mongo, 5555).await?;
    let gateway = setup.start(version, &[]).await?;
    assert!(gateway.findings.contains("MG0651"), "{}", gateway.findings);
    assert!(Connection::open(gateway.at(2379)).await.is_err());

    let text = include_str!("seeds/6-gateway.yaml");
    let route = MONGO
        .replace("port: 27017", "port: 27018")
        .replace("some-config-namespace/my-gateway", "default/my-tcp-ingress");
    let setup = Setup::new(text)?
        .with(&route)
        .with(&format!(
            "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: mongo}}
spec:
  host: {mongo}
  trafficPolicy: {{connectionPool: {{tcp: {{idleTimeout: 1s}}}}}}
"
        ))
        .tcp_service(mongo, 5555)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let mut connection = Connection::open(gateway.at(27018)).await?;
    let bytes = b"\x00\x01\xff no protocol that Envoy knows\n";
    assert_eq!(connection.exchange(bytes, b"\n").await?, bytes);
    // Silent for longer than the rule says, it ends.
    assert_eq!(connection.raw(b"").await?, b"");
    Ok(())
}

async fn hosts_are_for_namespaces(version: &str) -> anyhow::Result<()> {
    let text = include_str!("seeds/4-gateway.yaml");
    let route = |namespace: &str, name: &str, host: &str| {
        format!(
            "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{host}]
  gateways: [some-config-namespace/my-gateway]
  http:
  - route:
    - destination: {{host: {namespace}.example.com, port: {{number: 80}}}}
"
        )
    };
    let setup = Setup::new(text)?
        .with(&route("ns1", "any", "one.example.com"))
        .with(&route("ns2", "foo", "foo.bar.com"))
        .with(&route("ns2", "other", "two.example.com"))
        .with(&route("ns3", "none", "three.example.com"))
        .service("ns1.example.com", 80)
        .await?
        .service("ns2.example.com", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    for (host, answer) in [
        ("one.example.com", "ns1.example.com:80"),
        ("foo.bar.com", "ns2.example.com:80"),
        ("foo.bar.com:8080", "ns2.example.com:80"),
        ("two.example.com", "404"),
        ("three.example.com", "404"),
    ] {
        assert_eq!(served(&gateway.get(80, host, "/").await?), answer, "{host}");
    }
    for (host, route) in [
        ("two.example.com", "ns2/other"),
        ("three.example.com", "ns3/none"),
    ] {
        let said = format!("one or more host [{host}] defined in VirtualService {route} not found");
        assert!(gateway.findings.contains(&said), "{}", gateway.findings);
    }
    Ok(())
}

async fn a_gateway_in_no_namespace(version: &str) -> anyhow::Result<()> {
    let text = include_str!("seeds/5-gateway.yaml");
    let setup = Setup::new(text)?
        .with(&to_web("my-ingress"))
        .service("web.default.svc.cluster.local", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let connection = Connection::open(gateway.at(80)).await?;
    let request = system_tests::client::get("shop.example.com", "/");
    let answers = connection.http2("http", vec![request]).await?;
    assert_eq!(served(&answers[0]), "web.default.svc.cluster.local:80");
    let answer = gateway.get(80, "any.example.com", "/").await?;
    assert_eq!(served(&answer), "web.default.svc.cluster.local:80");
    assert_eq!(answer.header("server"), "istio-envoy");
    Ok(())
}

async fn tls_for_every_host(version: &str) -> anyhow::Result<()> {
    let text = include_str!("seeds/7-gateway.yaml");
    let setup = Setup::new(text)?
        .with(&to_web("my-tls-ingress"))
        .with(&secret("default", "tls-cert", "shop.example.com")?)
        .service("web.default.svc.cluster.local", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    for tls in [
        Tls::sni("shop.example.com"),
        Tls::sni("x.org"),
        Tls::no_sni(),
    ] {
        let answer = gateway.get_tls(443, &tls, "any.example.com", "/").await?;
        assert_eq!(served(&answer), "web.default.svc.cluster.local:80");
    }
    Ok(())
}

fn to_web(gateway: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: ['*']
  gateways: [{gateway}]
  http:
  - route:
    - destination: {{host: web}}
"
    )
}
