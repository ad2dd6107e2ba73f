//! Requests and connections that leave, through the filters in a real Envoy: what no model of Envoy can show.

use serde_json::{Value, json};
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::envoy::{Envoy, socket_address};
use system_tests::on_each_envoy;
use system_tests::wasm_host::path;

on_each_envoy! {
    a_client_does_not_choose_its_cluster
    there_is_no_way_round_by_host_or_path
    tunnels_do_not_leave
    connections_that_may_not_leave_are_closed
}

const CLUSTER: &str = "x-meshgate-cluster";

fn decides_by() -> Value {
    json!({ "version": 1,
        "cross_mesh": { "gateways": [
            { "mesh": "east", "gateway": "edge", "hostnames": ["edge.east.mesh"], "cluster": "edge" },
        ] },
        "external_access": { "client": ["spiffe://default/web"], "services": [
            { "name": "api", "hostnames": ["api.extsvc", "192.0.2.1"], "cluster": "api", "permissions": {
                "deny": [{ "paths": ["/v1/admin"] }],
                "allow": [{ "client": ["spiffe://default/*"], "methods": ["GET"], "paths": ["/v1"] }],
            } },
            { "name": "shut", "hostnames": ["shut.extsvc"], "cluster": "api", "permissions": {} },
        ] },
    })
}

fn wasm(kind: &str, config: &Value) -> Value {
    json!({ "name": "meshgate", "typed_config": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
        "config": {
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "vm_id": "meshgate",
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": path("gateway") } },
            },
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": config.to_string(),
            },
        },
    } })
}

fn listener(name: &str, filters: &Value) -> Value {
    json!({
        "name": name,
        "address": socket_address("127.0.0.1", 0),
        "filter_chains": [{ "filters": filters }],
    })
}

fn http() -> Value {
    let route = json!({ "match": { "prefix": "/" }, "route": {
        "cluster_header": CLUSTER, "cluster_not_found_response_code": "NOT_FOUND",
    } });
    let tunnel = json!({ "match": { "connect_matcher": {} }, "route": {
        "cluster_header": CLUSTER, "upgrade_configs": [{ "upgrade_type": "CONNECT", "connect_config": {} }],
    } });
    listener(
        "http",
        &json!([{ "name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        // The widest that somebody could set.
        "upgrade_configs": [{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }, { "upgrade_type": "h2c" }],
        "http_filters": [wasm("http", &decides_by()), { "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        } }],
        "route_config": {
            "request_headers_to_remove": [CLUSTER],
            "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [tunnel, route] }],
        },
    } }]),
    )
}

fn tcp(config: &Value) -> Value {
    let mut listener = listener(
        "tcp",
        &json!([wasm("network", config), { "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": "api",
    } }]),
    );
    listener["listener_filters"] = json!([{ "name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    } }]);
    listener
}

fn cluster(name: &str, backend: &Backend) -> Value {
    json!({ "name": name, "load_assignment": { "cluster_name": name, "endpoints": [{
        "lb_endpoints": [{ "endpoint": { "address": socket_address("127.0.0.1", backend.port()) } }],
    }] } })
}

struct Running {
    envoy: Envoy,
    _backends: [Backend; 2],
}

impl Running {
    async fn start(version: &str, listener: Value) -> anyhow::Result<Self> {
        let backends = [Backend::http("edge").await?, Backend::http("api").await?];
        let clusters = [cluster("edge", &backends[0]), cluster("api", &backends[1])];
        let bootstrap =
            json!({ "static_resources": { "listeners": [listener], "clusters": clusters } });
        let envoy = Envoy::start(version, bootstrap).await?;
        Ok(Self {
            envoy,
            _backends: backends,
        })
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.envoy.listener().await?).await
    }

    /// Status and reason, or who answered.
    async fn send(&self, request: &str) -> anyhow::Result<String> {
        let response = self.connect().await?.raw_http1(request).await?;
        Ok(match response.status {
            200 => response.echo()?.backend,
            status => format!("{status} {}", response.header("x-meshgate-reason")),
        })
    }
}

async fn a_client_does_not_choose_its_cluster(version: &str) -> anyhow::Result<()> {
    let running = Running::start(version, http()).await?;
    for (host, backend) in [("edge.east.mesh", "edge"), ("api.extsvc", "api")] {
        for other in ["edge", "api", "", "none"] {
            let request = format!(
                "GET /v1 HTTP/1.1\r\nHost: {host}\r\n{CLUSTER}: {other}\r\nX-Meshgate-Cluster: {other}\r\n\r\n"
            );
            let response = running.connect().await?.raw_http1(request).await?;
            let echo = response.echo()?;
            assert_eq!(echo.backend, backend);
            assert_eq!(echo.headers.get(CLUSTER), None);
        }
        let mut request = get(host, "/v1");
        for other in ["edge", "api"] {
            request.headers_mut().append(CLUSTER, other.parse()?);
        }
        let responses = running
            .connect()
            .await?
            .http2("http", vec![request])
            .await?;
        let echo = responses[0].echo()?;
        assert_eq!(echo.backend, backend);
        assert_eq!(echo.headers.get(CLUSTER), None);
    }
    let request = format!("GET / HTTP/1.1\r\nHost: other\r\n{CLUSTER}: edge\r\n\r\n");
    assert_eq!(running.send(&request).await?, "403 unknown_destination");
    Ok(())
}

async fn there_is_no_way_round_by_host_or_path(version: &str) -> anyhow::Result<()> {
    const UNKNOWN: &str = "403 unknown_destination";
    const DENIED: &str = "403 client_not_allowed";
    const MALFORMED: &str = "400 malformed_authority";
    const AMBIGUOUS: &str = "400 ambiguous_path";
    let running = Running::start(version, http()).await?;
    for (target, host, expected) in [
        ("/v1", "api.extsvc", "api"),
        ("/v1", "API.extsvc.:80", "api"),
        ("/v1", "[::ffff:192.0.2.1]", "api"),
        ("http://api.extsvc/v1", "evil.test", "api"),
        ("http://shut.extsvc/v1", "api.extsvc", DENIED),
        ("http://api.extsvc@evil.test/v1", "api.extsvc", UNKNOWN),
        ("/v1", "shut.extsvc.", DENIED),
        ("/v1", "SHUT.extsvc:443", DENIED),
        ("/v1", "evil.test", UNKNOWN),
        ("/v1", "3221225985", MALFORMED),
        ("/v1", "0xc0000201", MALFORMED),
        ("/v1", "0300.0.2.1", MALFORMED),
        ("/v1", "192.0.513", MALFORMED),
        ("/v1", "api.extsvc@evil.test", MALFORMED),
        ("/v1", "api.extsvc\r\nHost: evil.test", MALFORMED),
        ("/v1", "[fe80::1%25lo]", MALFORMED),
        ("/v1/admin", "api.extsvc", DENIED),
        ("/v1/x/../admin", "api.extsvc", DENIED),
        ("/v1/x/%2e%2e/admin", "api.extsvc", DENIED),
        ("//v1//admin", "api.extsvc", DENIED),
        ("/v1/%61dmin", "api.extsvc", DENIED),
        ("/v1/%2561dmin", "api.extsvc", AMBIGUOUS),
        ("/v1%2fadmin", "api.extsvc", AMBIGUOUS),
        ("/v1\\admin", "api.extsvc", DENIED),
        ("/v1/admin;x", "api.extsvc", AMBIGUOUS),
        ("/v10", "api.extsvc", DENIED),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(running.send(&request).await?, expected, "{target} {host:?}");
    }
    let request = "POST /v1 HTTP/1.1\r\nHost: api.extsvc\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(running.send(request).await?, DENIED);
    Ok(())
}

async fn tunnels_do_not_leave(version: &str) -> anyhow::Result<()> {
    let running = Running::start(version, http()).await?;
    let connect = "CONNECT api.extsvc:443 HTTP/1.1\r\nHost: api.extsvc:443\r\n\r\n";
    assert_eq!(running.send(connect).await?, "403 tunnel");
    let h2c = "GET /v1 HTTP/1.1\r\nHost: api.extsvc\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
        HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    let answer = running.send(h2c).await?;
    // Envoy takes this upgrade out of requests by itself.
    assert!(["api", "403 tunnel"].contains(&&*answer), "{answer}");
    Ok(())
}

async fn connections_that_may_not_leave_are_closed(version: &str) -> anyhow::Result<()> {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n";
    for (field, is_open) in [("all", true), ("none", false)] {
        let config = json!({ "version": 1, "external_access": { "passthrough": field } });
        let running = Running::start(version, tcp(&config)).await?;
        let answer = running.connect().await?.raw(request).await?;
        assert_eq!(!answer.is_empty(), is_open, "{field}");
        let (decision, reason, destination) = if is_open {
            ("forward", "", "passthrough")
        } else {
            ("reject", "unknown_destination", "")
        };
        let counter = format!(
            "wasmcustom.meshgate.requests.listener=;decision={decision};reason={reason};destination={destination};"
        );
        assert_eq!(running.envoy.counter(&counter).await?, 1);
    }
    Ok(())
}
