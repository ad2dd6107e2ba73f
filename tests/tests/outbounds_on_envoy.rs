//! Requests and connections that leave, through the filters in a real Envoy: what no model of Envoy can show.

use std::net::SocketAddr;

use serde_json::{Value, json};
use system_tests::bypass::{CLUSTERS, CONFIG, Row, Sent, Verdict, rows};
use system_tests::client::{Connection, get};
use system_tests::echo::{Backend, Echo};
use system_tests::envoy::{Envoy, socket_address};
use system_tests::http2::Http2Answer;
use system_tests::on_each_envoy;
use system_tests::tls::{HelloVersion, client_hello};
use system_tests::wasm_host::path;

on_each_envoy! {
    a_client_does_not_choose_its_cluster
    there_is_no_way_round_to_the_outside
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

fn http(config: &Value) -> Value {
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
        "upgrade_configs": [{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }, { "upgrade_type": "h2c" },
            { "upgrade_type": "other" }],
        "http2_protocol_options": { "allow_connect": true },
        "http_filters": [wasm("http", config), { "name": "router", "typed_config": {
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
    let running = Running::start(version, http(&decides_by())).await?;
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

/// Every row of the table, at an Envoy that lets through whatever an Envoy can be told to let through.
async fn there_is_no_way_round_to_the_outside(version: &str) -> anyhow::Result<()> {
    let config: Value = serde_json::from_str(CONFIG)?;
    let mut backends = Vec::new();
    for name in CLUSTERS {
        backends.push((name, Backend::http(name).await?));
    }
    let clusters: Vec<_> = backends
        .iter()
        .map(|(name, to)| cluster(name, to))
        .collect();
    let envoy = |listener: Value, clusters: Value| {
        let resources = json!({ "listeners": [listener], "clusters": clusters });
        Envoy::start(version, json!({ "static_resources": resources }))
    };
    let requests = envoy(http(&config), json!(clusters)).await?;
    let echo = Backend::tcp().await?;
    let connections = envoy(redirected(&config), json!([cluster("api", &echo)])).await?;
    let (requests_at, connections_at) = (requests.listener().await?, connections.listener().await?);
    for row in rows() {
        let at = if is_connection(&row) {
            connections_at
        } else {
            requests_at
        };
        let got = what_became(Connection::open(at).await?, &row).await?;
        let in_short = |verdict| match verdict {
            Some(Verdict::To(_)) if is_connection(&row) => "through",
            Some(Verdict::To(cluster)) => cluster,
            Some(Verdict::Upgrades) => "upgraded",
            Some(Verdict::Refused(_)) if is_connection(&row) => "closed",
            Some(Verdict::Refused(reason)) => reason,
            _ => "stopped",
        };
        let may_stop = matches!(row.verdict, Verdict::Stopped | Verdict::StoppedOr(_));
        let expected = in_short(row.verdict.of_filter());
        assert!(
            got == expected || may_stop && got == "stopped",
            "{got}: {row:?}"
        );
    }
    // Each connection that was closed is counted with its reason.
    for reason in [
        "client_not_allowed",
        "unknown_destination",
        "misdirected",
        "malformed_authority",
    ] {
        let rows = rows().into_iter();
        let rows = rows.filter(|row| is_connection(row) && row.verdict == Verdict::Refused(reason));
        let counters = connections
            .admin_get("/stats?filter=wasmcustom")
            .await?
            .body;
        let counters = counters
            .lines()
            .filter(|line| line.contains(&format!("reason={reason};")));
        let counted = counters.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        assert_eq!(counted.sum::<usize>(), rows.count(), "{reason}");
    }
    Ok(())
}

fn is_connection(row: &Row) -> bool {
    matches!(row.sent, Sent::Connection(..))
}

/// In short, what became of a row.
async fn what_became(mut connection: Connection, row: &Row) -> anyhow::Result<String> {
    let is_seen = |host: &str| row.seen.contains(&(":authority", host));
    let of_body = |body: &str| match serde_json::from_str::<Echo>(body) {
        // The backend does not see another host than the filter either.
        Ok(echo) if is_seen(&echo.host) => echo.backend,
        Ok(echo) => format!("{} as {}", echo.backend, echo.host),
        Err(_) => body
            .split_once(':')
            .map_or("stopped", |(reason, _)| reason)
            .to_owned(),
    };
    match &row.sent {
        Sent::Http1(lines) => {
            let request = format!("{lines}connection: close\r\n\r\n");
            let is_upgrade = lines.contains("Upgrade:");
            let request = if is_upgrade {
                format!("{lines}\r\n")
            } else {
                request
            };
            if row.verdict == Verdict::Upgrades {
                let answer = connection.exchange(request.as_bytes(), b"\r\n\r\n").await?;
                assert!(answer.starts_with(b"HTTP/1.1 101 "), "{row:?}");
                return Ok("upgraded".to_owned());
            }
            if lines.starts_with("HEAD") {
                let answer = connection.raw(request.as_bytes()).await?;
                let answer = String::from_utf8_lossy(&answer).into_owned();
                let reason = answer.split("x-meshgate-reason: ").nth(1);
                return Ok(reason
                    .and_then(|r| r.lines().next())
                    .unwrap_or("stopped")
                    .to_owned());
            }
            Ok(match connection.raw_http1(request).await {
                Ok(response) => of_body(&response.body),
                Err(_) => "stopped".to_owned(),
            })
        }
        Sent::Http2(headers) => Ok(match connection.raw_http2(headers).await? {
            Http2Answer::Whole(body) => of_body(&body),
            Http2Answer::Open => "upgraded".to_owned(),
            Http2Answer::Reset => "stopped".to_owned(),
        }),
        Sent::Connection(name, address) => {
            let address: SocketAddr = address.parse()?;
            let family = if address.is_ipv4() {
                "TCP4 192.0.2.77"
            } else {
                "TCP6 2001:db8::77"
            };
            let (to, port) = (address.ip(), address.port());
            let said = if name.is_empty() {
                b"hello".to_vec()
            } else {
                client_hello(HelloVersion::Tls12, name)
            };
            let head = format!("PROXY {family} {to} 40000 {port}\r\n");
            let answer = connection
                .exchange(&[head.as_bytes(), &said].concat(), &said)
                .await;
            Ok(if answer.is_ok() { "through" } else { "closed" }.to_owned())
        }
    }
}

/// A listener whose connections say where they were going.
fn redirected(config: &Value) -> Value {
    let mut listener = tcp(config);
    let proxy = json!({ "name": "proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    } });
    if let Some(filters) = listener["listener_filters"].as_array_mut() {
        filters.insert(0, proxy);
    }
    listener
}

async fn tunnels_do_not_leave(version: &str) -> anyhow::Result<()> {
    let running = Running::start(version, http(&decides_by())).await?;
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
