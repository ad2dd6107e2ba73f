//! mTLS of Istio's mesh: with clients, with services, and passed on by the names of services.

use std::fs;

use system_tests::client::Connection;
use system_tests::outside::{self, Ca};
use system_tests::tls::{Identity, Tls};
use system_tests::{envoy, on_each_envoy};
use tokio_rustls::rustls::ALL_VERSIONS;

use crate::gateway::{Setup, served};

on_each_envoy! {
    workloads_of_the_mesh_prove_who_they_are
    an_authority_of_istiod_is_used
    connections_are_passed_on_by_the_names_of_services
}

const WEB: &str = "web.default.svc.cluster.local";

const MUTUAL: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: [h.example.com]
  - port: {number: 8443, name: any, protocol: HTTPS}
    hosts: [m.example.com]
    tls: {mode: ISTIO_MUTUAL}
  - port: {number: 8443, name: named, protocol: HTTPS}
    hosts: [n.example.com]
    tls: {mode: ISTIO_MUTUAL, subjectAltNames: ['spiffe://cluster.local/ns/apps/sa/client']}
  - port: {number: 8443, name: tcp, protocol: TLS}
    hosts: [t.example.com]
    tls: {mode: ISTIO_MUTUAL}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [m.example.com, n.example.com]
  gateways: [edge]
  http: [{route: [{destination: {host: web}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tcp}
spec:
  hosts: [t.example.com]
  gateways: [edge]
  tcp: [{route: [{destination: {host: tcp.example.org, port: {number: 9000}}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inner}
spec:
  hosts: [h.example.com]
  gateways: [edge]
  http:
  - match: [{uri: {prefix: /right}}]
    rewrite: {authority: m.example.com}
    route: [{destination: {host: right.example.org}}]
  - match: [{uri: {prefix: /account}}]
    rewrite: {authority: m.example.com}
    route: [{destination: {host: account.example.org}}]
  - match: [{uri: {prefix: /wrong}}]
    rewrite: {authority: m.example.com}
    route: [{destination: {host: wrong.example.org}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: inner}
spec:
  hosts: [right.example.org, wrong.example.org]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8443}]
  endpoints: [{address: '{address}'}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: account}
spec:
  hosts: [account.example.org]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8443}]
  workloadSelector: {labels: {at: account}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: account}
spec: {address: '{address}', labels: {at: account}, serviceAccount: edge-account}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: right}
spec:
  host: right.example.org
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: m.example.com, subjectAltNames: ['spiffe://cluster.local/ns/default/sa/edge-account']}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: account}
spec:
  host: account.example.org
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: m.example.com}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: wrong}
spec:
  host: wrong.example.org
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: m.example.com, subjectAltNames: ['spiffe://cluster.local/ns/default/sa/other']}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge}
spec: {template: {metadata: {labels: {app: edge}}, spec: {serviceAccountName: edge-account}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: apps}
spec: {template: {spec: {serviceAccountName: client}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other, namespace: apps}
spec: {template: {spec: {serviceAccountName: other}}}
";

async fn workloads_of_the_mesh_prove_who_they_are(version: &str) -> anyhow::Result<()> {
    let setup = Setup::new(MUTUAL)?
        .service(WEB, 80)
        .await?
        .tcp_service("tcp.example.org", 9000)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    gateway.certs()?;
    let written = fs::read_to_string(&gateway.bootstrap)?;
    assert!(!written.contains("PRIVATE KEY") && !written.contains("BEGIN CERTIFICATE"));

    let client = gateway.identity("apps.client")?;
    let other = gateway.identity("apps.other")?;
    let foreign = Ca::new()?.sign_uri("spiffe://cluster.local/ns/apps/sa/client")?;
    let web = format!("{WEB}:80");
    for (sni, identity, answer) in [
        ("m.example.com", Some(&client), Some(&web)),
        ("m.example.com", Some(&other), Some(&web)),
        ("m.example.com", Some(&foreign), None),
        ("m.example.com", None, None),
        ("n.example.com", Some(&client), Some(&web)),
        ("n.example.com", Some(&other), None),
    ] {
        let tls = Tls::sni(sni);
        let tls = match identity {
            Some(identity) => tls.identity(identity),
            None => tls,
        };
        let response = gateway.get_tls(8443, &tls, sni, "/").await;
        let found = response.ok().map(|response| served(&response));
        assert_eq!(found.as_ref(), answer, "{sni} {}", identity.is_some());
    }
    let tls = Tls::sni("t.example.com").identity(&client);
    let mut connection = Connection::open_tls(gateway.at(8443), &tls).await?;
    assert_eq!(connection.exchange(b"ping\n", b"\n").await?, b"ping\n");

    // The gateway shows its own, and looks at who answers.
    for path in ["/right", "/account"] {
        let response = gateway.get(8080, "h.example.com", path).await?;
        assert_eq!(served(&response), web, "{path}");
        let echo = response.echo()?;
        let shown = echo.headers.get("x-forwarded-client-cert");
        let shown = shown.map(String::as_str).unwrap_or_default();
        let own = "URI=spiffe://cluster.local/ns/default/sa/edge-account";
        assert!(shown.contains(own), "{path} {shown}");
    }
    let response = gateway.get(8080, "h.example.com", "/wrong").await?;
    assert_eq!(response.status, 503);
    Ok(())
}

async fn an_authority_of_istiod_is_used(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: cacerts, namespace: istio-system}}
stringData:
  ca-cert.pem: |
    {0}
  root-cert.pem: |
    {0}
  ca-key.pem: |
    {1}
",
        indented(&ca.pem()),
        indented(&ca.key_pem())
    );
    let setup = Setup::new(MUTUAL)?
        .with(&secret)
        .service(WEB, 80)
        .await?
        .tcp_service("tcp.example.org", 9000)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    let client = ca.sign_uri("spiffe://cluster.local/ns/apps/sa/client")?;
    let tls = Tls::sni("n.example.com").identity(&client);
    let response = gateway.get_tls(8443, &tls, "n.example.com", "/").await?;
    assert_eq!(served(&response), format!("{WEB}:80"));
    Ok(())
}

const PASSED: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: east-west}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 15443, name: all, protocol: TLS}
    hosts: ['*.local']
    tls: {mode: AUTO_PASSTHROUGH}
  - port: {number: 15444, name: other, protocol: TLS}
    hosts: ['other/*.local']
    tls: {mode: AUTO_PASSTHROUGH}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web.default.svc.cluster.local
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
";

fn entry(name: &str, host: &str, location: &str, endpoints: &[(&str, u16)]) -> String {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(label, port)| {
            format!("{{address: 127.0.0.1, ports: {{tls: {port}}}, labels: {{version: {label}}}}}")
        })
        .collect();
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{host}]
  location: {location}
  resolution: STATIC
  ports: [{{number: 80, name: tls, protocol: HTTP}}]
  endpoints: [{}]
",
        endpoints.join(", ")
    )
}

async fn connections_are_passed_on_by_the_names_of_services(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let server = |identity: Identity| outside::Tls {
        identity,
        clients: None,
        versions: ALL_VERSIONS,
        alpn: &[],
    };
    let one = outside::http("one", &server(ca.sign(&["a"], false)?)).await?;
    let two = outside::http("two", &server(ca.sign(&["a"], false)?)).await?;
    let both = [("v1", one.port()), ("v2", two.port())];
    let setup = Setup::new(PASSED)?
        .with(&entry("web", WEB, "MESH_INTERNAL", &both))
        .with(&entry("out", "out.local", "MESH_EXTERNAL", &both))
        .with(&entry("com", "web.com", "MESH_INTERNAL", &both))
        .keeping(one)
        .keeping(two);
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let ask = async |port: u16, sni: &str, alpn: &[&str]| {
        let tls = Tls::sni(sni).alpn(alpn);
        let response = gateway.get_tls(port, &tls, "any", "/").await;
        response.ok().map(|response| served(&response))
    };
    let istio: &[&str] = &["istio"];
    for (sni, alpn, answer) in [
        (
            "outbound_.80_.v1_.web.default.svc.cluster.local",
            istio,
            Some("one"),
        ),
        (
            "outbound_.80_.v2_.web.default.svc.cluster.local",
            istio,
            Some("two"),
        ),
        // What no sidecar of Istio offers is not mTLS of its mesh.
        (
            "outbound_.80_.v1_.web.default.svc.cluster.local",
            &["h2"],
            None,
        ),
        ("outbound_.80_.v1_.web.default.svc.cluster.local", &[], None),
        (
            "outbound_.80_.v3_.web.default.svc.cluster.local",
            istio,
            None,
        ),
        (
            "outbound_.81_.v1_.web.default.svc.cluster.local",
            istio,
            None,
        ),
        ("outbound_.80_._.out.local", istio, None),
        ("outbound_.80_._.web.com", istio, None),
        ("web.default.svc.cluster.local", istio, None),
    ] {
        assert_eq!(
            ask(15443, sni, alpn).await.as_deref(),
            answer,
            "{sni} {alpn:?}"
        );
    }
    let whole = ask(
        15443,
        "outbound_.80_._.web.default.svc.cluster.local",
        istio,
    )
    .await;
    assert!(whole.is_some());
    // The hosts of the other server are those of another namespace.
    let other = ask(
        15444,
        "outbound_.80_._.web.default.svc.cluster.local",
        istio,
    )
    .await;
    assert_eq!(other, None);
    Ok(())
}
