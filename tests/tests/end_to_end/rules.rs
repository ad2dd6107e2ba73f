//! Every kind of match and filter of a rule, in both kinds of routes.

use http_body_util::Empty;
use hyper::{Request, body::Bytes};
use system_tests::client::{Response, get, request};
use system_tests::on_each_envoy;

use crate::gateway::Gateway;

on_each_envoy! {
    matches_of_a_mesh_http_route
    matches_of_a_mesh_gateway_route
    filters_of_a_mesh_http_route
    filters_of_a_mesh_gateway_route
    services_that_are_resources
}

/// Names and values.
type Headers<'a> = &'a [(&'static str, &'a str)];

const GATEWAY: &str = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8080, protocol: HTTP}
";

const HTTP_MATCHES: &str = "
type: MeshHTTPRoute
mesh: default
name: matches
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches:
      - {path: {type: Exact, value: /exact}}
      - {path: {type: PathPrefix, value: /prefix}}
      - {path: {type: RegularExpression, value: '/v[0-9]+/x'}}
      - {path: {type: PathPrefix, value: /m}, method: POST}
      - {path: {type: PathPrefix, value: /h}, headers: [{name: x-a, value: one}]}
      - {path: {type: PathPrefix, value: /h}, headers: [{name: x-b, type: Prefix, value: tw}]}
      - {path: {type: PathPrefix, value: /h}, headers: [{name: x-c, type: RegularExpression, value: 'thre+'}]}
      - {path: {type: PathPrefix, value: /h}, headers: [{name: x-d, type: Present}, {name: x-e, type: Absent}]}
      - path: {type: PathPrefix, value: /q}
        queryParams:
        - {type: Exact, name: a, value: b}
        - {type: RegularExpression, name: c, value: 'd+'}
        - {type: RegularExpression, name: e, value: 'f+'}
      default: {backendRefs: [{kind: MeshService, name: backend-foo}]}
";

const GATEWAY_MATCHES: &str = "
type: MeshGatewayRoute
mesh: default
name: matches
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  http:
    rules:
    - matches:
      - {path: {value: /exact}}
      - {path: {match: PREFIX, value: /prefix}}
      - {path: {match: REGEX, value: '/v[0-9]+/x'}}
      - {path: {match: PREFIX, value: /m}, method: POST}
      - {path: {match: PREFIX, value: /h}, headers: [{name: x-a, value: one}]}
      - {path: {match: PREFIX, value: /h}, headers: [{name: x-b, match: REGEX, value: 'tw.*'}]}
      - {path: {match: PREFIX, value: /h}, headers: [{name: x-c, match: REGEX, value: 'thre+'}]}
      - {path: {match: PREFIX, value: /h}, headers: [{name: x-d, match: PRESENT}, {name: x-e, match: ABSENT}]}
      - path: {match: PREFIX, value: /q}
        query_parameters: [{name: a, value: b}, {match: REGEX, name: c, value: 'd+'}, {match: REGEX, name: e, value: 'f+'}]
      backends: [{destination: {kuma.io/service: backend-foo}}]
";

async fn matches_of_a_mesh_http_route(version: &str) -> anyhow::Result<()> {
    matches(&Gateway::start(version, &[GATEWAY, HTTP_MATCHES]).await?).await
}

async fn matches_of_a_mesh_gateway_route(version: &str) -> anyhow::Result<()> {
    matches(&Gateway::start(version, &[GATEWAY, GATEWAY_MATCHES]).await?).await
}

async fn matches(gateway: &Gateway) -> anyhow::Result<()> {
    let rows: &[(&str, &str, Headers<'_>, bool)] = &[
        ("GET", "/exact", &[], true),
        ("GET", "/exact/", &[], false),
        ("GET", "/prefix", &[], true),
        ("GET", "/prefix/x?y", &[], true),
        ("GET", "/prefixed", &[], false),
        ("GET", "/v12/x?y", &[], true),
        ("GET", "/v12/x/y", &[], false),
        ("POST", "/m/x", &[], true),
        ("GET", "/m/x", &[], false),
        ("GET", "/h", &[("x-a", "one")], true),
        ("GET", "/h", &[("x-a", "ones")], false),
        ("GET", "/h", &[("x-b", "two")], true),
        ("GET", "/h", &[("x-b", "one")], false),
        ("GET", "/h", &[("x-c", "threeee")], true),
        ("GET", "/h", &[("x-c", "threefold")], false),
        ("GET", "/h", &[("x-d", "any")], true),
        ("GET", "/h", &[("x-d", "any"), ("x-e", "any")], false),
        ("GET", "/q?a=b&c=dd&e=f", &[], true),
        ("GET", "/q?a=b&c=dd&e=x", &[], false),
        ("GET", "/q?a=b&c=x&e=f", &[], false),
        ("GET", "/q?c=d&e=f", &[], false),
    ];
    for (method, path, headers, is_served) in rows {
        let response = send(gateway, request(method, "any.test", path), headers).await?;
        let expected = if *is_served { 200 } else { 404 };
        assert_eq!(response.status, expected, "{method} {path} {headers:?}");
    }
    Ok(())
}

const HTTP_FILTERS: &str = "
type: MeshHTTPRoute
mesh: default
name: filters
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: PathPrefix, value: /headers}}]
      default:
        filters:
        - type: RequestHeaderModifier
          requestHeaderModifier:
            set: [{name: x-set, value: new}, {name: host, value: set.test}]
            add: [{name: x-add, value: more}]
            remove: [x-remove]
        - type: ResponseHeaderModifier
          responseHeaderModifier: {set: [{name: x-out, value: out}]}
        backendRefs: [{kind: MeshService, name: backend-foo}]
    - matches: [{path: {type: PathPrefix, value: /prefix}}]
      default:
        filters:
        - type: URLRewrite
          urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
        backendRefs: [{kind: MeshService, name: backend-foo}]
    - matches: [{path: {type: PathPrefix, value: /drop}}]
      default:
        filters:
        - type: URLRewrite
          urlRewrite: {hostname: rewritten.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
        backendRefs: [{kind: MeshService, name: backend-foo}]
    - matches: [{path: {type: PathPrefix, value: /full}}]
      default:
        filters:
        - type: URLRewrite
          urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /all}}
        - type: RequestMirror
          requestMirror: {backendRef: {kind: MeshService, name: backend-bar}}
        backendRefs: [{kind: MeshService, name: backend-foo}]
    - matches: [{path: {type: PathPrefix, value: /old}}]
      default:
        filters:
        - type: RequestRedirect
          requestRedirect: {scheme: https, hostname: to.test, port: 8443, statusCode: 301, path: {type: ReplacePrefixMatch, replacePrefixMatch: /there}}
    - matches: [{path: {type: PathPrefix, value: /here}}]
      default:
        filters: [{type: RequestRedirect, requestRedirect: {hostname: to.test}}]
";

const GATEWAY_FILTERS: &str = "
type: MeshGatewayRoute
mesh: default
name: filters
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  http:
    rules:
    - matches: [{path: {match: PREFIX, value: /headers}}]
      filters:
      - request_header:
          set: [{name: x-set, value: new}, {name: host, value: set.test}]
          add: [{name: x-add, value: more}]
          remove: [x-remove]
      - responseHeader: {set: [{name: x-out, value: out}]}
      backends: [{destination: {kuma.io/service: backend-foo}}]
    - matches: [{path: {match: PREFIX, value: /prefix}}]
      filters: [{rewrite: {replacePrefixMatch: /new}}]
      backends: [{destination: {kuma.io/service: backend-foo}}]
    - matches: [{path: {match: PREFIX, value: /drop}}]
      filters:
      - {rewrite: {replacePrefixMatch: /}}
      - {requestHeader: {set: [{name: host, value: rewritten.test}]}}
      backends: [{destination: {kuma.io/service: backend-foo}}]
    - matches: [{path: {match: PREFIX, value: /full}}]
      filters:
      - {rewrite: {replaceFull: /all}}
      - {mirror: {percentage: 100, backend: {destination: {kuma.io/service: backend-bar}}}}
      backends: [{destination: {kuma.io/service: backend-foo}}]
    - matches: [{path: {match: PREFIX, value: /old}}]
      filters: [{redirect: {scheme: https, hostname: to.test, port: 8443, statusCode: 301, path: {replacePrefixMatch: /there}}}]
    - matches: [{path: {match: PREFIX, value: /here}}]
      filters: [{redirect: {hostname: to.test, statusCode: 302}}]
";

async fn filters_of_a_mesh_http_route(version: &str) -> anyhow::Result<()> {
    filters(&Gateway::start(version, &[GATEWAY, HTTP_FILTERS]).await?).await
}

async fn filters_of_a_mesh_gateway_route(version: &str) -> anyhow::Result<()> {
    filters(&Gateway::start(version, &[GATEWAY, GATEWAY_FILTERS]).await?).await
}

async fn filters(gateway: &Gateway) -> anyhow::Result<()> {
    let sent = [("x-set", "old"), ("x-add", "one"), ("x-remove", "gone")];
    let response = send(gateway, get("any.test", "/headers"), &sent).await?;
    let echo = response.echo()?;
    let header = |name| echo.headers.get(name).map(String::as_str);
    assert_eq!(header("x-set"), Some("new"));
    assert!(header("x-add").is_some_and(|value| value.contains("more")));
    assert_eq!(header("x-remove"), None);
    assert_eq!(echo.host, "set.test");
    assert_eq!(response.header("x-out"), "out");

    for (path, seen, host) in [
        ("/prefix", "/new", "any.test"),
        ("/prefix/", "/new/", "any.test"),
        ("/prefix/x?y=z", "/new/x?y=z", "any.test"),
        ("/drop", "/", "rewritten.test"),
        ("/drop/x", "/x", "rewritten.test"),
        ("/full/x?y=z", "/all?y=z", "any.test"),
    ] {
        let echo = send(gateway, get("any.test", path), &[]).await?.echo()?;
        assert_eq!((&*echo.path, &*echo.host), (seen, host), "{path}");
    }

    for (path, status, location) in [
        ("/old/x?y=z", 301, "https://to.test:8443/there/x"),
        ("/old", 301, "https://to.test:8443/there"),
        ("/here/x", 302, "http://to.test:8080/here/x"),
    ] {
        let response = send(gateway, get("any.test", path), &[]).await?;
        let found = (response.status, response.header("location"));
        assert_eq!(found, (status, location), "{path}");
    }

    let counter = "cluster.backend-bar-";
    system_tests::until("a mirrored request", async || {
        let stats = gateway
            .envoy
            .admin_get("/stats?filter=backend-bar.*upstream_rq_200")
            .await;
        let stats = stats.ok()?.body;
        stats
            .lines()
            .any(|line| line.starts_with(counter) && line.ends_with(": 1"))
            .then_some(())
    })
    .await
}

async fn services_that_are_resources(version: &str) -> anyhow::Result<()> {
    let route = "
type: MeshService
mesh: default
name: shop
spec:
  selector: {dataplaneTags: {kuma.io/service: backend-bar}}
  ports: [{port: 80, targetPort: 9, appProtocol: http}]
---
type: MeshHTTPRoute
mesh: default
name: resources
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: PathPrefix, value: /no-port}}]
      default: {backendRefs: [{kind: MeshService, name: shop, port: 81}]}
    - matches: [{path: {type: PathPrefix, value: /no-endpoint}}]
      default: {backendRefs: [{kind: MeshService, name: shop}]}
";
    let gateway = Gateway::start(version, &[GATEWAY, route]).await?;
    for (path, status) in [("/no-port", 500), ("/no-endpoint", 503)] {
        let response = send(&gateway, get("any.test", path), &[]).await?;
        assert_eq!(response.status, status, "{path}");
    }
    Ok(())
}

async fn send(
    gateway: &Gateway,
    mut request: Request<Empty<Bytes>>,
    headers: Headers<'_>,
) -> anyhow::Result<Response> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse()?);
    }
    gateway.connect().await?.http1(request).await
}
