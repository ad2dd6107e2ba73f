//! What becomes of requests: matches, changes, answers, subsets.

use system_tests::client::{Connection, get, request};
use system_tests::{envoy, on_each_envoy};

use crate::gateway::{Gateway, Setup, served};

on_each_envoy! {
    requests_are_matched_changed_and_answered
    subsets_are_told_apart_by_labels
    sites_faults_and_conflicts
}

const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ['*.example.com']
";

fn routes(name: &str, host: &str, http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: [{host}]
  gateways: [edge]
  http:
{http}"
    )
}

const ROUTES: &str = "  - match: [{uri: {exact: /redirect}}]
    redirect: {uri: /new, authority: new.example.org, redirectCode: 308}
  - match: [{uri: {prefix: /answer}, method: {exact: POST}}]
    directResponse: {status: 418, body: {string: short}}
  - match: [{uri: {exact: /bytes}}]
    directResponse: {status: 200, body: {bytes: AAEC/w0K}}
  - match: [{uri: {prefix: /OLD/}, ignoreUriCase: true}]
    rewrite: {uri: /new/, authority: inner.example.org}
    headers:
      request: {set: {x-set: one}, add: {x-add: two}, remove: [x-gone]}
      response: {set: {x-answer: three}}
    route: [{destination: {host: web}}]
  - match: [{uri: {regex: '/r/[0-9]+'}}]
    rewrite: {uriRegexRewrite: {match: '/r/([0-9]+)', rewrite: '/n/\\1'}}
    route: [{destination: {host: web}}]
  - match: [{queryParams: {q: {prefix: ab}}, withoutHeaders: {x-not: {exact: 'yes'}}}]
    route: [{destination: {host: query.example.org, port: {number: 80}}}]
  - match: [{headers: {x-there: {}}, port: 8080}]
    route: [{destination: {host: header.example.org, port: {number: 80}}}]
  - match: [{port: 9999}]
    route: [{destination: {host: header.example.org, port: {number: 80}}}]
  - match: [{uri: {prefix: /nowhere}}]
    route: [{destination: {host: nowhere}}]
  - route: [{destination: {host: web}}]
";

async fn requests_are_matched_changed_and_answered(version: &str) -> anyhow::Result<()> {
    let setup = Setup::new(GATEWAY)?
        .with(&routes("all", "a.example.com", ROUTES))
        .service("web.default.svc.cluster.local", 80)
        .await?
        .service("query.example.org", 80)
        .await?
        .service("header.example.org", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let host = "a.example.com";

    let moved = gateway.get(8080, host, "/redirect?a=b").await?;
    assert_eq!(moved.status, 308);
    assert_eq!(moved.header("location"), "http://new.example.org/new?a=b");
    let posted = Connection::open(gateway.at(8080)).await?;
    let posted = posted.http1(request("POST", host, "/answers")).await?;
    assert_eq!((posted.status, posted.body.as_str()), (418, "short"));
    let mut bytes = Connection::open(gateway.at(8080)).await?;
    let asked = format!("GET /bytes HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let answer = bytes.raw(asked.as_bytes()).await?;
    assert!(
        answer.ends_with(b"\r\n\r\n\x00\x01\x02\xff\r\n"),
        "{answer:?}"
    );

    let mut changed = get(host, "/old/path?q=1");
    changed.headers_mut().insert("x-gone", "x".parse()?);
    let answer = Connection::open(gateway.at(8080))
        .await?
        .http1(changed)
        .await?;
    let echo = answer.echo()?;
    assert_eq!(
        (echo.path.as_str(), echo.host.as_str()),
        ("/new/path?q=1", "inner.example.org")
    );
    assert_eq!(echo.headers.get("x-set").map(String::as_str), Some("one"));
    assert_eq!(echo.headers.get("x-add").map(String::as_str), Some("two"));
    assert!(!echo.headers.contains_key("x-gone"));
    assert_eq!(answer.header("x-answer"), "three");
    assert_eq!(
        gateway.get(8080, host, "/r/17").await?.echo()?.path,
        "/n/17"
    );

    let web = "web.default.svc.cluster.local:80";
    for (path, header, answer) in [
        ("/", None, web),
        ("/answer", None, web),
        ("/?q=abc", None, "query.example.org:80"),
        ("/?q=abc", Some(("x-not", "yes")), web),
        ("/?q=abc", Some(("x-not", "no")), "query.example.org:80"),
        ("/", Some(("x-there", "")), "header.example.org:80"),
        ("/nowhere", None, "503"),
    ] {
        let mut own = get(host, path);
        if let Some((name, value)) = header {
            own.headers_mut().insert(name, value.parse()?);
        }
        let connection = Connection::open(gateway.at(8080)).await?;
        assert_eq!(
            served(&connection.http1(own).await?),
            answer,
            "{path} {header:?}"
        );
    }
    Ok(())
}

async fn subsets_are_told_apart_by_labels(version: &str) -> anyhow::Result<()> {
    let one = system_tests::echo::Backend::http("one").await?;
    let two = system_tests::echo::Backend::http("two").await?;
    let services = format!(
        "apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1], targetRef: {{kind: Pod, name: one}}}}]
ports: [{{name: http, port: {}}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-2, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1], targetRef: {{kind: Pod, name: two}}}}]
ports: [{{name: http, port: {}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: one, labels: {{app: web, version: v1}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: two, labels: {{app: web, version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec:
  host: web
  trafficPolicy:
    loadBalancer: {{consistentHash: {{httpHeaderName: x-user}}}}
    connectionPool: {{tcp: {{maxConnections: 100, connectTimeout: 1s}}, http: {{maxRequestsPerConnection: 10}}}}
    outlierDetection: {{consecutive5xxErrors: 3}}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
",
        one.port(),
        two.port()
    );
    let http = "  - match: [{uri: {prefix: /one}}]
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {prefix: /two}}]
    route: [{destination: {host: web, subset: v2}}]
  - match: [{uri: {prefix: /three}}]
    route: [{destination: {host: web, subset: v3}}]
  - route: [{destination: {host: web}}]
";
    let setup = Setup::new(GATEWAY)?
        .with(&routes("all", "a.example.com", http))
        .with(&services);
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    for (path, answer) in [("/one", "one"), ("/two", "two"), ("/three", "503")] {
        let response = gateway.get(8080, "a.example.com", path).await?;
        assert_eq!(served(&response), answer, "{path}");
    }
    assert!(
        gateway
            .findings
            .contains("destinationrule not found: \"web+v3\""),
        "{}",
        gateway.findings
    );
    // The same user always meets the same backend.
    let first = same_user(&gateway).await?;
    for _ in 0..10 {
        assert_eq!(same_user(&gateway).await?, first);
    }
    Ok(())
}

async fn same_user(gateway: &Gateway) -> anyhow::Result<String> {
    let mut own = get("a.example.com", "/");
    own.headers_mut().insert("x-user", "jason".parse()?);
    let connection = Connection::open(gateway.at(8080)).await?;
    Ok(served(&connection.http1(own).await?))
}

async fn sites_faults_and_conflicts(version: &str) -> anyhow::Result<()> {
    let cors = "  - match: [{uri: {prefix: /cors}}]
    corsPolicy:
      allowOrigins: [{exact: 'https://shop.example.org'}]
      allowMethods: [GET]
      maxAge: 24h
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /fault}}]
    fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
    route: [{destination: {host: web}}]
";
    // Of routes of two VirtualServices for one host those of the first by name come first, but for one that takes all.
    let rest = "  - route: [{destination: {host: web}}]\n";
    let setup = Setup::new(GATEWAY)?
        .with(&routes("a-rest", "a.example.com", rest))
        .with(&routes("b-cors", "a.example.com", cors))
        .with(
            "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: z-other}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: tcp, protocol: TCP}
    hosts: ['*']
",
        )
        .service("web.default.svc.cluster.local", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let host = "a.example.com";
    let mut asked = request("OPTIONS", host, "/cors");
    let headers = asked.headers_mut();
    headers.insert("origin", "https://shop.example.org".parse()?);
    headers.insert("access-control-request-method", "GET".parse()?);
    let answer = Connection::open(gateway.at(8080))
        .await?
        .http1(asked)
        .await?;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://shop.example.org"
    );
    assert_eq!(answer.header("access-control-max-age"), "86400");
    assert_eq!(gateway.get(8080, host, "/fault").await?.status, 555);
    let other = gateway.get(8080, host, "/other").await?;
    assert_eq!(served(&other), "web.default.svc.cluster.local:80");
    assert!(gateway.findings.contains("MG0650"), "{}", gateway.findings);
    Ok(())
}
