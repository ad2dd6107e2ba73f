//! What services get, and over what: TLS by `DestinationRule`, Unix sockets, gRPC-Web, mirrors, retries, shares.

use std::fs;
use std::path::Path;

use system_tests::calls::Calls;
use system_tests::client::{Connection, get, request};
use system_tests::echo::Backend;
use system_tests::outside::{self, Ca};
use system_tests::recorder::Recorder;
use system_tests::tls::Identity;
use system_tests::{envoy, on_each_envoy, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::rustls::ALL_VERSIONS;

use crate::gateway::{Setup, served};

on_each_envoy! {
    tls_to_services_is_what_rules_say
    revoked_services_get_nothing
    servers_and_endpoints_are_on_unix_sockets
    calls_from_browsers_are_calls
    copies_have_the_host_of_the_original
    failures_are_tried_again_as_often_as_asked
    requests_end_in_time
    shares_are_those_of_the_weights
    connections_begin_with_the_address_of_the_client
    retries_stay_within_their_budget
}

const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: [a.example.com]
";
const HOST: &str = "a.example.com";

/// A route by the first part of the path for each service.
fn routes(services: &[&str]) -> String {
    let entry = |name: &&str| {
        format!(
            "  - match: [{{uri: {{prefix: /{name}}}}}]\n    route: [{{destination: {{host: {name}.example.org}}}}]\n"
        )
    };
    http(&services.iter().map(entry).collect::<String>())
}

fn http(entries: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: all}}
spec:
  hosts: [{HOST}]
  gateways: [edge]
  http:
{entries}"
    )
}

fn rule(name: &str, tls: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}}}
spec: {{host: {name}.example.org, trafficPolicy: {{tls: {tls}}}}}
"
    )
}

fn write(folder: &Path, name: &str, identity: &Identity) -> anyhow::Result<()> {
    fs::write(folder.join(format!("{name}.pem")), &identity.certificate)?;
    Ok(fs::write(
        folder.join(format!("{name}.key")),
        &identity.key,
    )?)
}

/// The Secret `client`.
fn secret_of(client: &Identity, ca: &Ca) -> String {
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: client}}
stringData:
  tls.crt: |
    {}
  tls.key: |
    {}
  ca.crt: |
    {}
",
        indented(&client.certificate),
        indented(&client.key),
        indented(&ca.pem())
    )
}

async fn tls_to_services_is_what_rules_say(version: &str) -> anyhow::Result<()> {
    let (ca, other) = (Ca::new()?, Ca::new()?);
    let server = |clients| -> anyhow::Result<_> {
        Ok(outside::Tls {
            identity: ca.sign(&["server.example.org"], false)?,
            clients,
            versions: ALL_VERSIONS,
            alpn: &[],
        })
    };
    let open = outside::http("open", &server(None)?).await?;
    let closed = outside::http("closed", &server(Some(&ca))?).await?;
    let files = "caCertificates: '{dir}/ca.pem'";
    let shown = "clientCertificate: '{dir}/client.pem', privateKey: '{dir}/client.key'";
    let sni = "sni: server.example.org";
    let rows = [
        (
            "simple",
            format!("{{mode: SIMPLE, {sni}, {files}}}"),
            &open,
            "open",
        ),
        (
            "strange",
            format!("{{mode: SIMPLE, {sni}, caCertificates: '{{dir}}/other.pem'}}"),
            &open,
            "503",
        ),
        (
            "trusting",
            format!("{{mode: SIMPLE, {sni}, insecureSkipVerify: true}}"),
            &open,
            "open",
        ),
        (
            "named",
            format!(
                "{{mode: SIMPLE, {sni}, {files}, subjectAltNames: [no.example.org, server.example.org]}}"
            ),
            &open,
            "open",
        ),
        (
            "misnamed",
            format!("{{mode: SIMPLE, {sni}, {files}, subjectAltNames: [no.example.org]}}"),
            &open,
            "503",
        ),
        // Without names the certificate has to be for the host that is asked for.
        ("host", format!("{{mode: SIMPLE, {files}}}"), &open, "503"),
        (
            "mutual",
            format!("{{mode: MUTUAL, {sni}, {files}, {shown}}}"),
            &closed,
            "closed",
        ),
        (
            "secret",
            format!("{{mode: MUTUAL, {sni}, credentialName: client}}"),
            &closed,
            "closed",
        ),
        (
            "nameless",
            format!("{{mode: SIMPLE, {sni}, {files}}}"),
            &closed,
            "503",
        ),
        (
            "impostor",
            format!(
                "{{mode: MUTUAL, {sni}, {files}, clientCertificate: '{{dir}}/impostor.pem', privateKey: '{{dir}}/impostor.key'}}"
            ),
            &closed,
            "503",
        ),
    ];
    let names: Vec<_> = rows.iter().map(|row| row.0).collect();
    let client = ca.sign(&["client.example.org"], false)?;
    let impostor = other.sign(&["client.example.org"], false)?;
    let setup = Setup::new(GATEWAY)?.with(&routes(&names));
    let mut setup = setup.with(&secret_of(&client, &ca));
    write(setup.folder(), "client", &client)?;
    write(setup.folder(), "impostor", &impostor)?;
    fs::write(setup.folder().join("ca.pem"), ca.pem())?;
    fs::write(setup.folder().join("other.pem"), other.pem())?;
    for (name, tls, backend, _) in &rows {
        let host = format!("{name}.example.org");
        setup = setup.service_at(&host, 443, "HTTP", backend.port());
        setup = setup.with(&rule(name, tls));
    }
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    for (name, _, _, answer) in &rows {
        let response = gateway.get(8080, HOST, &format!("/{name}")).await?;
        assert_eq!(served(&response), *answer, "{name}");
    }
    Ok(())
}

async fn revoked_services_get_nothing(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let server = |serial| -> anyhow::Result<_> {
        Ok(outside::Tls {
            identity: ca.sign_numbered("server.example.org", serial)?,
            clients: None,
            versions: ALL_VERSIONS,
            alpn: &[],
        })
    };
    let valid = outside::http("valid", &server(7)?).await?;
    let revoked = outside::http("revoked", &server(8)?).await?;
    let tls = "{mode: SIMPLE, sni: server.example.org, caCertificates: '{dir}/ca.pem', caCrl: '{dir}/crl.pem'}";
    let setup = Setup::new(GATEWAY)?
        .with(&routes(&["valid", "revoked"]))
        .with(&rule("valid", tls))
        .with(&rule("revoked", tls))
        .service_at("valid.example.org", 443, "HTTP", valid.port())
        .service_at("revoked.example.org", 443, "HTTP", revoked.port());
    fs::write(setup.folder().join("ca.pem"), ca.pem())?;
    fs::write(setup.folder().join("crl.pem"), ca.revoke(&[8])?)?;
    let gateway = setup.start(version, &[]).await?;
    for (name, answer) in [("valid", "valid"), ("revoked", "503")] {
        let response = gateway.get(8080, HOST, &format!("/{name}")).await?;
        assert_eq!(served(&response), answer, "{name}");
    }
    Ok(())
}

async fn servers_and_endpoints_are_on_unix_sockets(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("web").await?;
    let behind = backend.address;
    let setup = Setup::new(&format!(
        "{GATEWAY}  - port: {{number: 0, name: unix, protocol: HTTP}}
    bind: 'unix://{{dir}}/edge.sock'
    hosts: [{HOST}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web}}
spec:
  hosts: [web.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 'unix://{{dir}}/web.sock'}}]
"
    ))?
    .with(&routes(&["web"]))
    .keeping(backend);
    let listener = UnixListener::bind(setup.folder().join("web.sock"))?;
    let bridge = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut to) = TcpStream::connect(behind).await {
                    // Ends with the connection, however that ends.
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut to).await;
                }
            });
        }
    });
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let response = gateway.get(8080, HOST, "/web").await?;
    assert_eq!(served(&response), "web");

    let socket = gateway.folder().join("edge.sock");
    let mut stream = UnixStream::connect(socket).await?;
    let asked = format!("GET /web HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"backend\":\"web\""), "{answer}");
    bridge.abort();
    Ok(())
}

async fn calls_from_browsers_are_calls(version: &str) -> anyhow::Result<()> {
    let calls = Calls::start("0").await?;
    let setup = Setup::new(&format!(
        "{GATEWAY}  - port: {{number: 8081, name: grpc-web, protocol: GRPC-WEB}}
    hosts: [{HOST}]
"
    ))?
    .with(&routes(&["calls"]))
    .service_at("calls.example.org", 80, "GRPC", calls.address.port());
    let gateway = setup.start(version, &[]).await?;
    for (port, kind) in [
        (8081, "application/grpc-web+proto"),
        (8080, "application/grpc"),
    ] {
        let mut asked = request("POST", HOST, "/calls/Call");
        let kind_of_request = "application/grpc-web+proto".parse()?;
        asked.headers_mut().insert("content-type", kind_of_request);
        let connection = Connection::open(gateway.at(port)).await?;
        let response = connection.http1(asked).await?;
        assert_eq!(response.status, 200, "{port}");
        assert_eq!(response.header("content-type"), kind, "{port}");
        assert_eq!(calls.take(), 1, "{port}");
    }
    Ok(())
}

async fn copies_have_the_host_of_the_original(version: &str) -> anyhow::Result<()> {
    let copies = Recorder::start(&[500]).await?;
    let others = Recorder::start(&[200]).await?;
    let setup = Setup::new(GATEWAY)?
        .with(&http(
            "  - match: [{uri: {prefix: /one}}]
    route: [{destination: {host: web.example.org}}]
    mirror: {host: copies.example.org}
  - match: [{uri: {prefix: /two}}]
    route: [{destination: {host: web.example.org}}]
    mirrors:
    - {destination: {host: copies.example.org}}
    - {destination: {host: others.example.org}, percentage: {value: 100}}
  - match: [{uri: {prefix: /none}}]
    route: [{destination: {host: web.example.org}}]
    mirror: {host: copies.example.org}
    mirrorPercentage: {value: 0}
",
        ))
        .service("web.example.org", 80)
        .await?
        .service_at("copies.example.org", 80, "HTTP", copies.port())
        .service_at("others.example.org", 80, "HTTP", others.port());
    let gateway = setup.start(version, &[]).await?;
    for path in ["/none", "/one", "/two"] {
        let response = gateway.get(8080, HOST, path).await?;
        assert_eq!(served(&response), "web.example.org:80");
    }
    let mut seen = Vec::new();
    until("the copies", async || {
        seen.extend(copies.take());
        (seen.len() == 2).then_some(())
    })
    .await?;
    seen.sort();
    for (request, path) in seen.iter().zip(["/one", "/two"]) {
        let line = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n");
        assert!(request.starts_with(&line), "{request}");
    }
    let other = until("the other copy", async || others.take().pop()).await?;
    assert!(other.starts_with("GET /two "), "{other}");
    Ok(())
}

async fn failures_are_tried_again_as_often_as_asked(version: &str) -> anyhow::Result<()> {
    let failing = Recorder::start(&[503]).await?;
    let route = "    route: [{destination: {host: failing.example.org}}]";
    let setup = Setup::new(GATEWAY)?
        .with(&http(&format!(
            "  - match: [{{uri: {{prefix: /default}}}}]\n{route}
  - match: [{{uri: {{prefix: /never}}}}]
    retries: {{attempts: 0}}\n{route}
  - match: [{{uri: {{prefix: /often}}}}]
    retries: {{attempts: 3, retryOn: 5xx, backoff: 1ms}}\n{route}
  - match: [{{uri: {{prefix: /status}}}}]
    retries: {{attempts: 2, retryOn: '503', backoff: 1ms}}\n{route}
  - match: [{{uri: {{prefix: /other}}}}]
    retries: {{attempts: 2, retryOn: '500', backoff: 1ms}}\n{route}
"
        )))
        .service_at("failing.example.org", 80, "HTTP", failing.port());
    let gateway = setup.start(version, &[]).await?;
    for (path, attempts) in [
        ("/default", 1),
        ("/never", 1),
        ("/often", 4),
        ("/status", 3),
        ("/other", 1),
    ] {
        assert_eq!(gateway.get(8080, HOST, path).await?.status, 503, "{path}");
        let seen = failing.take();
        assert_eq!(seen.len(), attempts, "{path}");
        let last = format!("x-envoy-attempt-count: {attempts}\r\n");
        assert!(seen[attempts - 1].contains(&last), "{path} {seen:?}");
    }
    Ok(())
}

async fn requests_end_in_time(version: &str) -> anyhow::Result<()> {
    let silent = Calls::start("").await?;
    let setup = Setup::new(GATEWAY)?
        .with(&http(
            "  - match: [{uri: {prefix: /timeout}}]
    timeout: 50ms
    route: [{destination: {host: silent.example.org}}]
  - match: [{uri: {prefix: /try}}]
    timeout: 60s
    retries: {attempts: 1, perTryTimeout: 50ms, retryOn: 5xx}
    route: [{destination: {host: silent.example.org}}]
  - match: [{uri: {prefix: /delay}}]
    fault: {delay: {fixedDelay: 1ms, percentage: {value: 100}}, abort: {httpStatus: 418, percentage: {value: 100}}}
    route: [{destination: {host: silent.example.org}}]
",
        ))
        .service_at("silent.example.org", 80, "GRPC", silent.address.port());
    let gateway = setup.start(version, &[]).await?;
    for (path, status, calls) in [("/timeout", 504, 1), ("/try", 504, 2), ("/delay", 418, 0)] {
        assert_eq!(
            gateway.get(8080, HOST, path).await?.status,
            status,
            "{path}"
        );
        assert_eq!(silent.take(), calls, "{path}");
    }
    Ok(())
}

async fn shares_are_those_of_the_weights(version: &str) -> anyhow::Result<()> {
    let all = [
        Backend::http("v1").await?,
        Backend::http("v2").await?,
        Backend::http("v3").await?,
    ];
    let endpoints: Vec<_> = all
        .iter()
        .zip(["v1", "v2", "v3"])
        .map(|(own, label)| {
            let port = own.port();
            format!("{{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{version: {label}}}}}")
        })
        .collect();
    let mut setup = Setup::new(GATEWAY)?
        .with(&http(
            "  - route:
    - {destination: {host: web.example.org, subset: v1}, weight: 90, headers: {response: {set: {x-subset: first}}}}
    - {destination: {host: web.example.org, subset: v2}, weight: 10}
    - {destination: {host: web.example.org, subset: v3}, weight: 0}
",
        ))
        .with(&format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web}}
spec:
  hosts: [web.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec:
  host: web.example.org
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
  - {{name: v3, labels: {{version: v3}}}}
",
            endpoints.join(", ")
        ));
    for backend in all {
        setup = setup.keeping(backend);
    }
    let gateway = setup.start(version, &[]).await?;
    let (mut first, mut second) = (0, 0);
    let requests = (0..200).map(|_| get(HOST, "/"));
    let connection = Connection::open(gateway.at(8080)).await?;
    for response in connection.http1_all(requests.collect()).await? {
        match served(&response).as_str() {
            "v1" => {
                assert_eq!(response.header("x-subset"), "first");
                first += 1;
            }
            "v2" => {
                assert_eq!(response.header("x-subset"), "");
                second += 1;
            }
            other => panic!("{other}"),
        }
    }
    // By chance alone this would be otherwise once in a thousand million times.
    assert!(second > 0 && first > 2 * second, "{first} {second}");
    Ok(())
}

async fn connections_begin_with_the_address_of_the_client(version: &str) -> anyhow::Result<()> {
    let first = TcpListener::bind("127.0.0.1:0").await?;
    let other = TcpListener::bind("127.0.0.1:0").await?;
    let setup = Setup::new(GATEWAY)?
        .with(&routes(&["text", "binary"]))
        .with(&policy("text", "{proxyProtocol: {version: V1}}"))
        .with(&policy("binary", "{proxyProtocol: {version: V2}}"))
        .service_at("text.example.org", 80, "HTTP", first.local_addr()?.port())
        .service_at("binary.example.org", 80, "HTTP", other.local_addr()?.port());
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    for (path, listener, start) in [
        ("/text", first, "PROXY TCP4 127.".as_bytes()),
        ("/binary", other, b"\r\n\r\n\0\r\nQUIT\n\x21\x11"),
    ] {
        let seen = async {
            let (mut stream, _) = listener.accept().await?;
            let mut bytes = vec![0; start.len()];
            stream.read_exact(&mut bytes).await?;
            anyhow::Ok(bytes)
        };
        // The backend ends the connection without an answer.
        let (seen, _) = tokio::join!(seen, gateway.get(8080, HOST, path));
        assert_eq!(seen?, start, "{path}");
    }
    Ok(())
}

fn policy(name: &str, policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}}}
spec: {{host: {name}.example.org, trafficPolicy: {policy}}}
"
    )
}

async fn retries_stay_within_their_budget(version: &str) -> anyhow::Result<()> {
    let failing = Recorder::start(&[503]).await?;
    let own = "{retryBudget: {percent: 0, minRetryConcurrency: 1}, loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}, \
               connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE, http2KeepAlive: {interval: 1s, timeout: 1s}}}}";
    let setup = Setup::new(GATEWAY)?
        .with(&http(
            "  - match: [{uri: {prefix: /often}, statPrefix: often}]
    retries: {attempts: 3, retryOn: 5xx, backoff: 1ms}
    route: [{destination: {host: failing.example.org}}]
",
        ))
        .with(&policy("failing", own))
        .service_at("failing.example.org", 80, "HTTP", failing.port());
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    assert_eq!(gateway.get(8080, HOST, "/often").await?.status, 503);
    // One at a time is always allowed, and so each is.
    assert_eq!(failing.take().len(), 4);
    let counter = "vhost.a.example.com:8080.route.often.upstream_rq_503";
    assert_eq!(gateway.envoy.counter(counter).await?, 1);
    let shown = gateway.envoy.admin_get("/config_dump").await?.body;
    for field in ["retry_budget", "slow_start_config"] {
        assert!(shown.contains(field), "{field}");
    }
    Ok(())
}
