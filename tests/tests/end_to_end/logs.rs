//! Access logs of policies: what files, TCP servers and collectors of OpenTelemetry get.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use system_tests::client::{Connection, get};
use system_tests::collector::Collector;
use system_tests::echo::Backend;
use system_tests::tls::Tls;
use system_tests::{meshgate, on_each_envoy, until};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use crate::gateway::{Gateway, assert_served, secret};
use crate::policies::{ROUTE, newer, older};

on_each_envoy! {
    a_mesh_access_log_writes_lines
    empty_values_are_left_out
    a_traffic_log_writes_lines
    lines_for_a_tcp_server
    a_streamer_that_is_killed_holds_up_no_request
    records_for_a_collector
    a_collector_that_is_a_resource
    connections_are_logged
    a_rule_for_one_server_name
}

const LISTENERS: &str = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8080, protocol: HTTP, tags: {host: one}}
  - {port: 8081, protocol: HTTP, tags: {host: two}}
";

/// A request to `two`, and then one to `one`.
async fn request_both(gateway: &Gateway) -> anyhow::Result<()> {
    for (port, path) in [(8081, "/foo/two"), (8080, "/foo/one")] {
        let connection = Connection::open(gateway.at(port)).await?;
        let response = connection.http1(get("example.com", path)).await?;
        assert_served(&response, "backend-foo");
    }
    Ok(())
}

/// Asserts that this line comes, and nothing else.
async fn assert_only(file: &Path, line: &str) -> anyhow::Result<()> {
    let lines = until(line, async || {
        let lines = std::fs::read_to_string(file).ok()?;
        lines.contains(line).then_some(lines)
    });
    assert_eq!(lines.await?, line);
    Ok(())
}

async fn a_mesh_access_log_writes_lines(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let (plain, json) = (dir.path().join("plain"), dir.path().join("json"));
    let backends = format!(
        "{{backends: [
          {{type: File, file: {{path: {}, format: {{type: Plain, plain: '%REQ(:PATH)% %KUMA_MESH% %KUMA_SOURCE_SERVICE%'}}}}}},
          {{type: File, file: {{path: {}, format: {{type: Json, json: [{{key: to, value: '%KUMA_DESTINATION_SERVICE%'}}]}}}}}}]}}",
        plain.display(),
        json.display(),
    );
    let policy = newer("MeshAccessLog", &backends);
    let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &policy]).await?;
    request_both(&gateway).await?;
    assert_only(&plain, "/foo/one default edge-gateway\n").await?;
    assert_only(&json, "{\"to\":\"*\"}\n").await
}

async fn empty_values_are_left_out(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let (with, without) = (dir.path().join("with"), dir.path().join("without"));
    let backend = |path: &Path, omits: bool| {
        format!(
            "{{type: File, file: {{path: {}, format: {{type: Plain, plain: '[%REQ(X-NOT-THERE)%%KUMA_ZONE%]', omitEmptyValues: {omits}}}}}}}",
            path.display()
        )
    };
    let backends = [backend(&with, false), backend(&without, true)].join(", ");
    let policy = newer("MeshAccessLog", &format!("{{backends: [{backends}]}}"));
    let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &policy]).await?;
    request_both(&gateway).await?;
    assert_only(&with, "[-]\n").await?;
    assert_only(&without, "[]\n").await
}

/// A mesh with these logging backends.
fn mesh(logging: &str) -> String {
    format!("type: Mesh\nname: default\nlogging: {logging}\n")
}

async fn a_traffic_log_writes_lines(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let (named, default) = (dir.path().join("named"), dir.path().join("default"));
    let mesh = mesh(&format!(
        "{{defaultBackend: b, backends: [
            {{name: a, type: file, format: '%REQ(:PATH)% %KUMA_TRAFFIC_DIRECTION%', conf: {{path: {}}}}},
            {{name: b, type: file, format: '%REQ(:PATH)%', conf: {{path: {}}}}}]}}",
        named.display(),
        default.display(),
    ));
    let of_one = older("TrafficLog", "{backend: a}");
    let of_all = of_one
        .replace("name: one", "name: all")
        .replace(", host: one", "")
        .replace("{backend: a}", "{}");
    let resources = [LISTENERS, ROUTE, &mesh, &of_all, &of_one];
    let gateway = Gateway::start_with(version, &resources, &[]).await?;
    request_both(&gateway).await?;
    assert_only(&named, "/foo/one INBOUND\n").await?;
    assert_only(&default, "/foo/two\n").await
}

/// `meshgate stream-logs`, which ends when this is dropped.
struct StreamLogs(Child);

impl StreamLogs {
    async fn start(pipe: &Path) -> anyhow::Result<Self> {
        let child = Command::new(meshgate::binary())
            .arg("stream-logs")
            .arg(pipe)
            .stderr(Stdio::null())
            .spawn()?;
        let streamer = Self(child);
        until("the pipe", async || pipe.exists().then_some(())).await?;
        Ok(streamer)
    }
}

impl Drop for StreamLogs {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

async fn lines_for_a_tcp_server(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let pipe = dir.path().join("pipe");
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let policy = newer(
        "MeshAccessLog",
        &format!(
            "{{backends: [
              {{type: Tcp, tcp: {{address: '{address}', format: {{type: Plain, plain: 'plain %REQ(:PATH)% \"%KUMA_SOURCE_SERVICE%\"'}}}}}},
              {{type: Tcp, tcp: {{address: '{address}', format: {{type: Json, json: [{{key: status, value: '%RESPONSE_CODE%'}}]}}}}}}]}}"
        ),
    );
    let mesh = mesh(&format!(
        "{{backends: [{{name: a, type: tcp, format: 'older %REQ(:PATH)%', conf: {{address: '{address}'}}}}]}}"
    ));
    let older = older("TrafficLog", "{backend: a}");
    let _streamer = StreamLogs::start(&pipe).await?;
    let gateway = Gateway::start_with(
        version,
        &[LISTENERS, ROUTE, &policy, &mesh, &older],
        &["--log-pipe", &pipe.display().to_string()],
    )
    .await?;
    request_both(&gateway).await?;
    let (stream, _) = server.accept().await?;
    let mut lines = BufReader::new(stream).lines();
    for line in [
        "older /foo/one",
        "plain /foo/one \"edge-gateway\"",
        "{\"status\":200}",
    ] {
        assert_eq!(lines.next_line().await?.as_deref(), Some(line));
    }
    Ok(())
}

/// More than a pipe holds is logged while nobody reads, and what comes after that is sent by the next streamer.
async fn a_streamer_that_is_killed_holds_up_no_request(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let pipe = dir.path().join("pipe");
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let backend = format!(
        "{{type: Tcp, tcp: {{address: '{}', format: {{type: Plain, plain: '%REQ(:PATH)%'}}}}}}",
        server.local_addr()?
    );
    let policy = newer("MeshAccessLog", &format!("{{backends: [{backend}]}}"));
    let mut streamer = StreamLogs::start(&pipe).await?;
    let gateway = Gateway::start_with(
        version,
        &[LISTENERS, ROUTE, &policy],
        &["--log-pipe", &pipe.display().to_string()],
    )
    .await?;
    request_both(&gateway).await?;
    streamer.0.kill()?;
    streamer.0.wait()?;
    let mut kept = Connection::open(gateway.at(8080))
        .await?
        .keep_http1()
        .await?;
    for number in 0..1000 {
        let path = format!("/foo/{number}/{}", "x".repeat(200));
        let answer = kept.send(get("example.com", &path)).await?;
        assert_served(&answer, "backend-foo");
    }
    let _next = StreamLogs::start(&pipe).await?;
    let said = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&said);
    tokio::spawn(async move {
        while let Ok((stream, _)) = server.accept().await {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sink.lock().unwrap().push_str(&line);
            }
        }
    });
    // Lines from before it reads are lost, so there are more of them until one comes.
    until("a line", async || {
        kept.send(get("example.com", "/foo/again")).await.ok()?;
        said.lock().unwrap().contains("/foo/again").then_some(())
    })
    .await
}

async fn records_for_a_collector(version: &str) -> anyhow::Result<()> {
    let mut collector = Collector::start().await?;
    let policy = newer(
        "MeshAccessLog",
        &format!(
            "{{backends: [
              {{type: OpenTelemetry, openTelemetry: {{endpoint: '{address}',
                attributes: [{{key: path, value: '%REQ(:PATH)%'}}, {{key: mesh, value: '%KUMA_MESH%'}}],
                body: {{kvlistValue: {{values: [{{key: to, value: {{stringValue: '%KUMA_DESTINATION_SERVICE%'}}}}]}}}}}}}}]}}",
            address = collector.address
        ),
    );
    let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &policy]).await?;
    request_both(&gateway).await?;
    let record = collector.record().await?;
    assert_eq!(
        record.resource.get("kuma.mesh").map(String::as_str),
        Some("default")
    );
    assert_eq!(record.attributes["path"], "/foo/one");
    assert_eq!(record.attributes["mesh"], "default");
    assert_eq!(record.body, "{to: *}");
    Ok(())
}

async fn a_collector_that_is_a_resource(version: &str) -> anyhow::Result<()> {
    let mut collector = Collector::start().await?;
    let resource = format!(
        "type: MeshOpenTelemetryBackend
mesh: default
name: collector
labels: {{signals: all}}
spec:
  endpoint: {{address: 127.0.0.1, port: {}}}
",
        collector.address.port()
    );
    // A body that is no value of OTLP is a text, as it stands in JSON.
    let policy = newer(
        "MeshAccessLog",
        "{backends: [{type: OpenTelemetry, openTelemetry: {
           backendRef: {kind: MeshOpenTelemetryBackend, labels: {signals: all}}, body: 'path %REQ(:PATH)%'}}]}",
    );
    let gateway = Gateway::start(version, &[LISTENERS, ROUTE, &policy, &resource]).await?;
    request_both(&gateway).await?;
    assert_eq!(collector.record().await?.body, "\"path /foo/one\"");
    Ok(())
}

async fn connections_are_logged(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let file = dir.path().join("log");
    let echo = Backend::tcp().await?;
    let resources = format!(
        "type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {{kuma.io/service: edge-gateway}}
conf:
  listeners:
  - {{port: 8080, protocol: TCP, tags: {{host: one}}}}
---
type: Dataplane
mesh: default
name: echo-1
networking:
  address: 127.0.0.1
  inbound:
  - {{port: {}, tags: {{kuma.io/service: echo}}}}
---
type: MeshTCPRoute
mesh: default
name: to-echo
spec:
  targetRef: {{kind: MeshGateway, name: edge-gateway}}
  to:
  - targetRef: {{kind: Mesh}}
    rules:
    - default:
        backendRefs: [{{kind: MeshService, name: echo}}]
",
        echo.address.port()
    );
    let policy = newer(
        "MeshAccessLog",
        &format!(
            "{{backends: [{{type: File, file: {{path: {}}}}}]}}",
            file.display()
        ),
    );
    let gateway = Gateway::start(version, &[&resources, &policy]).await?;
    let mut connection = gateway.connect().await?;
    assert_eq!(connection.exchange(b"hello\n", b"\n").await?, b"hello\n");
    drop(connection);
    let line = until("a line", async || {
        let lines = std::fs::read_to_string(&file).ok()?;
        lines.contains('\n').then_some(lines)
    });
    let line = line.await?;
    let to = format!("(edge-gateway)->127.0.0.1:{}(*)", echo.address.port());
    assert!(
        line.contains(&to) && line.contains("sent 6 bytes"),
        "{line}"
    );
    Ok(())
}

async fn a_rule_for_one_server_name(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let file = dir.path().join("log");
    let (secret, _) = secret("own", "*.example.com", "ecdsa")?;
    let listeners = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8443, protocol: HTTPS, hostname: '*.example.com', tls: {mode: TERMINATE, certificates: [{secret: own}]}}
";
    let policy = format!(
        "type: MeshAccessLog
mesh: default
name: one
spec:
  rules:
  - matches: [{{sni: {{type: Exact, value: one.example.com}}}}]
    default: {{backends: [{{type: File, file: {{path: {}, format: {{type: Plain, plain: '%REQ(:AUTHORITY)%'}}}}}}]}}
",
        file.display()
    );
    let gateway = Gateway::start(version, &[listeners, ROUTE, &secret, &policy]).await?;
    for host in ["two.example.com", "one.example.com"] {
        let connection = gateway.connect_tls(&Tls::sni(host)).await?;
        assert_served(&connection.http1(get(host, "/foo")).await?, "backend-foo");
    }
    assert_only(&file, "one.example.com\n").await
}
