//! Policies that are aimed at one of two listeners by its tags: what the other one gets is as without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use system_tests::client::Response;
use system_tests::{on_each_envoy, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::gateway::{Gateway, assert_served};

on_each_envoy! {
    a_mesh_timeout_ends_requests
    a_timeout_ends_requests
    a_mesh_retry_tries_again
    a_retry_tries_again
    a_mesh_rate_limit_refuses
    a_rate_limit_refuses
    a_mesh_fault_injection_aborts
    mesh_circuit_breakers_limit_requests
    a_policy_for_gateways_of_the_mesh
    the_policy_of_a_zone_wins_over_that_of_all_zones
    a_mesh_health_check_probes
    a_health_check_probes
}

pub(crate) const LISTENERS: &str = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8080, protocol: HTTP, hostname: one.example.com, tags: {host: one}}
  - {port: 8080, protocol: HTTP, hostname: two.example.com, tags: {host: two}}
";

/// To a service that answers as each test wants.
pub(crate) const ROUTE: &str = "
type: MeshHTTPRoute
mesh: default
name: all
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: Exact, value: /}}]
      default:
        backendRefs: [{kind: MeshService, name: scripted}]
    - matches: [{path: {type: PathPrefix, value: /foo}}]
      default:
        backendRefs: [{kind: MeshService, name: backend-foo}]
";

/// A policy of the newer kinds for the listener `one`.
pub(crate) fn newer(kind: &str, conf: &str) -> String {
    format!(
        "type: {kind}
mesh: default
name: one
spec:
  targetRef: {{kind: MeshGateway, name: edge-gateway, tags: {{host: one}}}}
  to:
  - targetRef: {{kind: Mesh}}
    default: {conf}
"
    )
}

/// A policy of the older kinds for the listener `one`.
pub(crate) fn older(kind: &str, conf: &str) -> String {
    format!(
        "type: {kind}
mesh: default
name: one
sources:
- match: {{kuma.io/service: edge-gateway, host: one}}
destinations:
- match: {{kuma.io/service: '*'}}
conf: {conf}
"
    )
}

/// A backend that answers every request with the same bytes, or never with none, and counts them.
struct Scripted {
    port: u16,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Scripted {
    async fn start(answer: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while let Ok(1..) = stream.read(&mut request).await {
                        count.fetch_add(1, Ordering::Relaxed);
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Ok(Self {
            port,
            requests,
            task,
        })
    }

    fn dataplane(&self) -> String {
        format!(
            "type: Dataplane
mesh: default
name: scripted-1
networking:
  address: 127.0.0.1
  inbound:
  - {{port: {}, tags: {{kuma.io/service: scripted, kuma.io/protocol: http}}}}
",
            self.port
        )
    }

    /// How many requests have come since the last call.
    fn take(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }

    async fn gateway(&self, version: &str, policy: &str) -> anyhow::Result<Gateway> {
        Gateway::start(version, &[LISTENERS, ROUTE, &self.dataplane(), policy]).await
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

pub(crate) async fn get(gateway: &Gateway, host: &str, path: &str) -> anyhow::Result<Response> {
    let request = system_tests::client::get(host, path);
    gateway.connect().await?.http1(request).await
}

async fn a_mesh_timeout_ends_requests(version: &str) -> anyhow::Result<()> {
    times_out(
        version,
        &newer("MeshTimeout", "{http: {requestTimeout: 100ms}}"),
    )
    .await
}

async fn a_timeout_ends_requests(version: &str) -> anyhow::Result<()> {
    times_out(
        version,
        &older("Timeout", "{http: {request_timeout: 0.1s}}"),
    )
    .await
}

async fn times_out(version: &str, policy: &str) -> anyhow::Result<()> {
    let silent = Scripted::start("").await?;
    let gateway = silent.gateway(version, policy).await?;
    let response = get(&gateway, "one.example.com", "/").await?;
    assert_eq!(
        (response.status, &*response.body),
        (504, "upstream request timeout")
    );
    // What Envoy tells backends is the timeout of the route.
    for (host, timeout) in [("one.example.com", "100"), ("two.example.com", "15000")] {
        let response = get(&gateway, host, "/foo").await?;
        let echo = response.echo()?;
        let told = echo.headers.get("x-envoy-expected-rq-timeout-ms");
        assert_eq!(told.map(String::as_str), Some(timeout), "{host}");
    }
    Ok(())
}

async fn a_mesh_retry_tries_again(version: &str) -> anyhow::Result<()> {
    let policy = "{http: {numRetries: 3, backOff: {baseInterval: 1ms}, retryOn: [5xx]}}";
    retries(version, &newer("MeshRetry", policy)).await
}

async fn a_retry_tries_again(version: &str) -> anyhow::Result<()> {
    let policy = "{http: {numRetries: 3, backOff: {baseInterval: 0.001s}}}";
    retries(version, &older("Retry", policy)).await
}

async fn retries(version: &str, policy: &str) -> anyhow::Result<()> {
    let failing = Scripted::start(UNAVAILABLE).await?;
    let gateway = failing.gateway(version, policy).await?;
    for (host, requests) in [("one.example.com", 4), ("two.example.com", 1)] {
        let response = get(&gateway, host, "/").await?;
        assert_eq!((response.status, failing.take()), (503, requests), "{host}");
    }
    Ok(())
}

async fn a_mesh_rate_limit_refuses(version: &str) -> anyhow::Result<()> {
    let policy = "{local: {http: {requestRate: {num: 1, interval: 1h}, \
                  onRateLimit: {status: 423, headers: {set: [{name: x-limited, value: it-is}]}}}}}";
    let ok = Scripted::start(OK).await?;
    let gateway = ok.gateway(version, &newer("MeshRateLimit", policy)).await?;
    let limited = second_response(&gateway).await?;
    assert_eq!(
        (limited.status, limited.header("x-limited")),
        (423, "it-is")
    );
    Ok(())
}

async fn a_rate_limit_refuses(version: &str) -> anyhow::Result<()> {
    let policy = older("RateLimit", "{http: {requests: 1, interval: 3600s}}");
    let ok = Scripted::start(OK).await?;
    let gateway = ok.gateway(version, &policy).await?;
    let limited = second_response(&gateway).await?;
    assert_eq!(
        (limited.status, &*limited.body),
        (429, "local_rate_limited")
    );
    Ok(())
}

/// What `one` answers after one request has passed, while `two` answers all.
async fn second_response(gateway: &Gateway) -> anyhow::Result<Response> {
    for _ in 0..2 {
        assert_eq!(get(gateway, "two.example.com", "/").await?.status, 200);
    }
    assert_eq!(get(gateway, "one.example.com", "/").await?.status, 200);
    get(gateway, "one.example.com", "/").await
}

async fn a_mesh_fault_injection_aborts(version: &str) -> anyhow::Result<()> {
    let policy = newer(
        "MeshFaultInjection",
        "{http: [{delay: {value: 1ms, percentage: 100}}, {abort: {httpStatus: 418, percentage: '100'}}]}",
    );
    let ok = Scripted::start(OK).await?;
    let gateway = ok.gateway(version, &policy).await?;
    let aborted = get(&gateway, "one.example.com", "/").await?;
    assert_eq!(
        (aborted.status, &*aborted.body),
        (418, "fault filter abort")
    );
    assert_eq!(ok.take(), 0);
    assert_eq!(get(&gateway, "two.example.com", "/").await?.status, 200);
    Ok(())
}

async fn mesh_circuit_breakers_limit_requests(version: &str) -> anyhow::Result<()> {
    // With one failure in a row the only endpoint is left out, and with no healthy one there is nobody to ask.
    let policy = newer(
        "MeshCircuitBreaker",
        "{outlierDetection: {maxEjectionPercent: 100, detectors: {totalFailures: {consecutive: 1}}, \
         healthyPanicThreshold: 0}}",
    );
    let failing = Scripted::start(UNAVAILABLE).await?;
    let gateway = failing.gateway(version, &policy).await?;
    // The main thread leaves the endpoint out after the answer has been sent.
    until("no endpoint", async || {
        let response = get(&gateway, "one.example.com", "/").await.ok()?;
        (response.body == "no healthy upstream").then_some(())
    })
    .await?;
    failing.take();
    for (host, requests) in [("one.example.com", 0), ("two.example.com", 2)] {
        for _ in 0..2 {
            assert_eq!(get(&gateway, host, "/").await?.status, 503);
        }
        assert_eq!(failing.take(), requests, "{host}");
    }
    Ok(())
}

/// A policy for all of a mesh reaches gateways, unless it is for sidecars only.
async fn a_policy_for_gateways_of_the_mesh(version: &str) -> anyhow::Result<()> {
    let for_all = |name: &str, types: &str, timeout: &str| {
        format!(
            "type: MeshTimeout
mesh: default
name: {name}
spec:
  targetRef: {{kind: Mesh, proxyTypes: [{types}]}}
  to:
  - targetRef: {{kind: Mesh}}
    default: {{http: {{requestTimeout: {timeout}}}}}
"
        )
    };
    let gateways = for_all("b", "Gateway", "7s");
    let sidecars = for_all("a", "Sidecar", "8s");
    let resources = [LISTENERS, ROUTE, &gateways, &sidecars];
    let gateway = Gateway::start(version, &resources).await?;
    let response = get(&gateway, "two.example.com", "/foo").await?;
    assert_served(&response, "backend-foo");
    let echo = response.echo()?;
    let told = echo.headers.get("x-envoy-expected-rq-timeout-ms");
    assert_eq!(told.map(String::as_str), Some("7000"));
    Ok(())
}

async fn the_policy_of_a_zone_wins_over_that_of_all_zones(version: &str) -> anyhow::Result<()> {
    // By its name alone the global one would win.
    let policy = |name: &str, origin: &str, timeout: &str| {
        format!(
            "type: MeshTimeout
mesh: default
name: {name}
labels: {{kuma.io/origin: {origin}}}
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: Mesh}}
    default: {{http: {{requestTimeout: {timeout}}}}}
"
        )
    };
    let (global, zone) = (policy("a", "global", "8s"), policy("b", "zone", "7s"));
    let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &global, &zone]).await?;
    let echo = get(&gateway, "one.example.com", "/foo").await?.echo()?;
    let told = echo.headers.get("x-envoy-expected-rq-timeout-ms");
    assert_eq!(told.map(String::as_str), Some("7000"));
    Ok(())
}

async fn a_mesh_health_check_probes(version: &str) -> anyhow::Result<()> {
    let policy = newer(
        "MeshHealthCheck",
        "{interval: 100ms, timeout: 1s, unhealthyThreshold: 1, healthyPanicThreshold: 0, http: {path: /health}}",
    );
    probes(version, &policy).await
}

async fn a_health_check_probes(version: &str) -> anyhow::Result<()> {
    let policy = older(
        "HealthCheck",
        "{interval: 0.1s, timeout: 1s, unhealthyThreshold: 1, healthyThreshold: 1, healthyPanicThreshold: 0, \
         http: {path: /health, expectedStatuses: [201]}}",
    );
    probes(version, &policy).await
}

async fn probes(version: &str, policy: &str) -> anyhow::Result<()> {
    let failing = Scripted::start(UNAVAILABLE).await?;
    let gateway = failing.gateway(version, policy).await?;
    until("an unhealthy endpoint", async || {
        let response = get(&gateway, "one.example.com", "/").await.ok()?;
        (response.status == 503 && response.body == "no healthy upstream").then_some(())
    })
    .await?;
    let response = get(&gateway, "two.example.com", "/").await?;
    assert_eq!((response.status, &*response.body), (503, ""));
    Ok(())
}
