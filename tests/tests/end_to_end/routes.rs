//! From the listener to the backend: what arrives there, and what is answered where there is no route.

use system_tests::client::get;
use system_tests::on_each_envoy;

use crate::gateway::{Gateway, ROUTE_TO_FOO, assert_served};

on_each_envoy! {
    paths_of_a_mesh_http_route
    paths_of_a_mesh_gateway_route
    listeners_without_routes
    tags_of_the_client_do_not_reach_the_backend
    websockets
}

const ONE_HOSTNAME: &str = include_str!("seeds/kuma-3-one-hostname.yaml");

async fn paths_of_a_mesh_http_route(version: &str) -> anyhow::Result<()> {
    let route = "
type: MeshHTTPRoute
mesh: default
name: paths
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway, tags: {port: http/8080}}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: PathPrefix, value: /bar}}]
      default:
        backendRefs: [{kind: MeshService, name: backend-bar}]
    - matches: [{path: {type: Exact, value: /bar/foo}}, {path: {type: Exact, value: /foo}}]
      default:
        backendRefs: [{kind: MeshService, name: backend-foo}]
";
    paths(&Gateway::start(version, &[ONE_HOSTNAME, route]).await?).await
}

async fn paths_of_a_mesh_gateway_route(version: &str) -> anyhow::Result<()> {
    let route = "
type: MeshGatewayRoute
mesh: default
name: paths
selectors:
- match: {kuma.io/service: edge-gateway, port: http/8080}
conf:
  http:
    rules:
    - matches: [{path: {match: PREFIX, value: /bar}}]
      backends: [{destination: {kuma.io/service: backend-bar}, weight: 1}]
    - matches: [{path: {match: EXACT, value: /bar/foo}}, {path: {value: /foo}}]
      backends: [{destination: {kuma.io/service: backend-foo}, weight: 1}]
";
    paths(&Gateway::start(version, &[ONE_HOSTNAME, route]).await?).await
}

async fn paths(gateway: &Gateway) -> anyhow::Result<()> {
    let rows = [
        ("/bar", Some("backend-bar")),
        ("/bar/", Some("backend-bar")),
        ("/bar/x?y=z", Some("backend-bar")),
        ("/bar/foo", Some("backend-foo")),
        ("/foo", Some("backend-foo")),
        ("/barx", None),
        ("/foo/x", None),
        ("/", None),
    ];
    let requests = rows.map(|(path, _)| get("foo.example.com", path));
    let responses = gateway.connect().await?.http1_all(requests.into()).await?;
    for ((path, backend), response) in rows.iter().zip(&responses) {
        let echo = response.echo().ok();
        let found = echo.as_ref().map(|echo| (&*echo.backend, &*echo.path));
        assert_eq!(
            found,
            backend.map(|backend| (backend, *path)),
            "{response:?}"
        );
        assert_eq!(
            response.status,
            if backend.is_some() { 200 } else { 404 },
            "{path}"
        );
    }
    Ok(())
}

async fn listeners_without_routes(version: &str) -> anyhow::Result<()> {
    let gateway = Gateway::start(version, &[ONE_HOSTNAME]).await?;
    let response = gateway.get("foo.example.com").await?;
    assert_eq!(response.status, 404);
    assert_eq!(
        response.body,
        "This is a Kuma MeshGateway. No routes match this MeshGateway!\n"
    );
    Ok(())
}

async fn tags_of_the_client_do_not_reach_the_backend(version: &str) -> anyhow::Result<()> {
    let gateway = Gateway::start(version, &[ONE_HOSTNAME, ROUTE_TO_FOO]).await?;
    let mut request = get("foo.example.com", "/");
    for value in ["&kuma.io/service=admin&", "&team=a&"] {
        request.headers_mut().append("x-kuma-tags", value.parse()?);
    }
    let response = gateway.connect().await?.http1(request).await?;
    assert_served(&response, "backend-foo");
    assert_eq!(response.echo()?.headers.get("x-kuma-tags"), None);
    Ok(())
}

async fn websockets(version: &str) -> anyhow::Result<()> {
    let gateway = Gateway::start(version, &[ONE_HOSTNAME, ROUTE_TO_FOO]).await?;
    let request = |host| {
        format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
    };
    let mut connection = gateway.connect().await?;
    let answer = connection
        .exchange(request("foo.example.com").as_bytes(), b"\r\n\r\n")
        .await?;
    assert!(
        answer.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(connection.exchange(b"ping", b"ping").await?, b"ping");

    let refused = gateway
        .connect()
        .await?
        .raw_http1(request("bar.example.com"))
        .await?;
    assert_eq!(refused.header("x-meshgate-reason"), "no_listener");
    Ok(())
}
