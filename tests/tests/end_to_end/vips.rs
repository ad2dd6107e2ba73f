//! Services outside of the mesh at virtual addresses of their own, and the names that lead there.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::ensure;
use system_tests::client::{Connection, get};
use system_tests::dns::{self, A, AAAA, Answer, FOUND, NO_SUCH_NAME, TXT};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::ports::free_port;
use system_tests::{meshgate, on_each_envoy};
use tempfile::TempDir;

use crate::gateway::own_address;

on_each_envoy! {
    services_at_their_addresses
    routes_by_name_and_labels
    addresses_of_a_range
    addresses_that_no_machine_has
    names_are_answered
}

/// The port of all services.
const PORT: u16 = 9000;

/// A service on [`PORT`] of an address; of the range if that is empty.
fn service(name: &str, protocol: &str, to: u16, vip: &str) -> String {
    format!(
        "
---
type: MeshExternalService
mesh: default
name: {name}
labels: {{team: {name}s}}
spec:
  match: {{type: HostnameGenerator, port: {PORT}, protocol: {protocol}}}
  endpoints: [{{address: localhost, port: {to}}}]
status: {{vip: {{ip: '{vip}'}}}}
"
    )
}

/// Lets one client only call a service.
fn permission(name: &str, client: &str) -> String {
    format!(
        "
---
type: MeshTrafficPermission
mesh: default
name: to-{name}
spec:
  targetRef: {{kind: MeshExternalService, name: {name}}}
  rules: [{{default: {{allow: [{{spiffeID: {{type: Exact, value: spiffe://default/{client}}}}}]}}}}]
"
    )
}

/// The sidecar of `web`, which calls nothing by an outbound.
struct World {
    envoy: Envoy,
    dir: TempDir,
}

impl World {
    async fn start(version: &str, text: &str) -> anyhow::Result<Self> {
        Self::with(version, "networking: {", text, "242.0.0.0/8").await
    }

    /// `networking` begins that of the Dataplane.
    async fn with(
        version: &str,
        networking: &str,
        text: &str,
        range: &str,
    ) -> anyhow::Result<Self> {
        let address = own_address();
        let dir = TempDir::new()?;
        let dataplane = format!(
            "
type: Dataplane
mesh: default
name: web-1
{networking}address: {address}, inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]}}
"
        );
        fs::write(dir.path().join("r.yaml"), dataplane + text)?;
        let file = dir.path().join("bootstrap.json");
        let to = file.to_string_lossy();
        let args = ["--admin", "127.0.0.1:0", "--format", "json", "-o", &*to];
        let args = ["bootstrap", "r.yaml", "--dataplane", "web-1"]
            .into_iter()
            .chain(args);
        said(&dir, range, args)?;
        Ok(Self {
            envoy: Envoy::start_file(version, &file).await?,
            dir,
        })
    }

    /// What `meshgate hosts` prints.
    fn hosts(&self) -> anyhow::Result<String> {
        let args = ["hosts", "r.yaml", "--dataplane", "web-1"];
        said(&self.dir, "242.0.0.0/8", args)
    }
}

/// What `meshgate` prints, with this range of addresses.
fn said<'a>(
    dir: &TempDir,
    range: &str,
    args: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<String> {
    let output = meshgate::command(&dir.path().join("work"))
        .args(args)
        .current_dir(dir.path())
        .env("KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR", range)
        .output()?;
    let talk = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {talk}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

async fn connect(address: IpAddr) -> anyhow::Result<Connection> {
    Connection::open(SocketAddr::new(address, PORT)).await
}

async fn answers(address: IpAddr) -> anyhow::Result<bool> {
    let mut connection = connect(address).await?;
    let answer = connection.exchange(b"hello\n", b"\n").await;
    Ok(answer.is_ok_and(|answer| answer == b"hello\n"))
}

async fn services_at_their_addresses(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("api").await?, Backend::tcp().await?];
    let vips = [(); 6].map(|()| own_address());
    let names = ["api", "grpc", "db", "closed", "closed-db", "mine"];
    let mut text = "
---
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
"
    .to_owned();
    for (name, vip) in names.iter().zip(&vips) {
        let (protocol, to) = match *name {
            "db" | "closed-db" => ("tcp", &backends[1]),
            "grpc" => ("grpc", &backends[0]),
            _ => ("http", &backends[0]),
        };
        text += &service(name, protocol, to.port(), &vip.to_string());
    }
    for (name, client) in [("closed", "else"), ("closed-db", "else"), ("mine", "web")] {
        text += &permission(name, client);
    }
    let _world = World::start(version, &text).await?;
    let [api, grpc, db, closed, closed_db, mine] = vips;
    for (vip, host) in [
        (api, "api.extsvc.mesh.local"),
        (api, "any.test:9000"),
        (grpc, "grpc.extsvc.mesh.local"),
        (mine, "mine.extsvc.mesh.local"),
    ] {
        let mut request = get(host, "/a/../b");
        let tags = "&kuma.io/service=admin&".parse()?;
        request.headers_mut().insert("x-kuma-tags", tags);
        let echo = connect(vip).await?.http1(request).await?.echo()?;
        assert_eq!((&*echo.backend, &*echo.path), ("api", "/b"), "{host}");
        assert!(echo.host.starts_with("localhost"), "{}", echo.host);
        // Nobody outside learns of the mesh's tags.
        assert_eq!(echo.headers.get("x-kuma-tags"), None);
    }
    assert!(answers(db).await?);
    assert!(!answers(closed_db).await?);
    let refused = connect(closed).await?.http1(get("any.test", "/")).await?;
    assert_eq!(
        (refused.status, refused.header("x-meshgate-reason")),
        (403, "client_not_allowed")
    );
    Ok(())
}

async fn routes_by_name_and_labels(version: &str) -> anyhow::Result<()> {
    let one = Backend::http("one").await?;
    let two = Backend::http("two").await?;
    let tcp = Backend::tcp().await?;
    let [first, second, database] = [(); 3].map(|()| own_address());
    let text = [
        service("one", "http", one.port(), &first.to_string()),
        service("two", "http", two.port(), &second.to_string()),
        service("db", "tcp", 1, &database.to_string()),
        service("other-db", "tcp", tcp.port(), ""),
        format!(
            "
---
type: MeshHTTPRoute
mesh: default
name: by-name
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, name: one}}
    rules:
    - matches: [{{path: {{type: PathPrefix, value: /two}}}}]
      default: {{backendRefs: [{{kind: MeshExternalService, name: two, port: {PORT}}}]}}
---
type: MeshHTTPRoute
mesh: default
name: by-labels
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, labels: {{team: twos}}}}
    rules:
    - matches: [{{path: {{type: Exact, value: /gone}}}}]
      default: {{filters: [{{type: RequestRedirect, requestRedirect: {{hostname: new.test}}}}]}}
---
type: MeshTCPRoute
mesh: default
name: tcp
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, labels: {{kuma.io/display-name: db}}}}
    rules: [{{default: {{backendRefs: [{{kind: MeshExternalService, name: other-db, port: {PORT}}}]}}}}]
"
        ),
    ];
    let _world = World::start(version, &text.concat()).await?;
    for (vip, path, backend) in [
        (first, "/", "one"),
        (first, "/two/x", "two"),
        (first, "/gone", "one"),
        (second, "/", "two"),
    ] {
        let response = connect(vip).await?.http1(get("any.test", path)).await?;
        assert_eq!(response.echo()?.backend, backend, "{vip} {path}");
    }
    let response = connect(second).await?.http1(get("a.test", "/gone")).await?;
    let location = format!("http://new.test:{PORT}/gone");
    assert_eq!(
        (response.status, response.header("location")),
        (302, &*location)
    );
    assert!(answers(database).await?);
    Ok(())
}

async fn addresses_of_a_range(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let vip = own_address();
    let text = service("api", "http", backend.port(), "");
    let world = World::with(version, "networking: {", &text, &format!("{vip}/32")).await?;
    let response = connect(vip).await?.http1(get("any.test", "/")).await?;
    assert_eq!(response.echo()?.backend, "api");
    let kept = fs::read_to_string(world.dir.path().join("work/vips.json"))?;
    assert!(
        kept.contains(&format!("\"default/api\": \"{vip}\"")),
        "{kept}"
    );
    Ok(())
}

/// What cannot be opened keeps no Envoy from starting.
async fn addresses_that_no_machine_has(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let text = [
        service("api", "http", backend.port(), ""),
        service("given", "http", backend.port(), "242.9.9.9"),
    ];
    let listeners = async |world: &World| -> anyhow::Result<Vec<String>> {
        let all = world.envoy.admin_get("/listeners").await?.body;
        let names = all.lines().filter_map(|line| line.split_once("::"));
        let names = names.map(|(name, _)| name.to_owned());
        Ok(names
            .filter(|name| name.starts_with("outbound:242."))
            .collect())
    };
    let world = World::start(version, &text.concat()).await?;
    assert_eq!(listeners(&world).await?, ["outbound:242.9.9.9:9000"]);
    let hosts = "242.9.9.9\tgiven.extsvc.mesh.local\t# port 9000\n";
    assert_eq!(world.hosts()?, hosts);

    let port = free_port()?;
    let networking = format!(
        "networking: {{transparentProxying: {{redirectPortInbound: 15006, redirectPortOutbound: {port}, reachableBackends: {{refs: [{{kind: MeshExternalService, labels: {{team: apis}}}}]}}}}, "
    );
    let world = World::with(version, &networking, &text.concat(), "242.0.0.0/8").await?;
    assert_eq!(listeners(&world).await?, ["outbound:242.0.0.0:9000"]);
    let hosts = "242.0.0.0\tapi.extsvc.mesh.local\t# port 9000\n";
    assert_eq!(world.hosts()?, hosts);
    Ok(())
}

async fn names_are_answered(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let (vip, port, by_name) = (own_address(), free_port()?, free_port()?);
    let networking = format!(
        "labels: {{meshgate.io/dns-port: '{port}', meshgate.io/external-service-port: '{by_name}', meshgate.io/cross-mesh-port: '{by_name}'}}\nnetworking: {{"
    );
    let text = [
        service("api", "http", backend.port(), &vip.to_string()),
        service("six", "http", backend.port(), "::1"),
        service("plain", "http", backend.port(), ""),
        "
---
type: HostnameGenerator
name: second
spec:
  selector: {meshExternalService: {matchLabels: {team: apis}}}
  template: '{{ .DisplayName }}.svc.meshext.local'
---
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
---
type: Mesh
name: other
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
---
type: MeshGateway
mesh: other
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 80, protocol: HTTP, crossMesh: true, hostname: edge.other.test}]}
"
        .to_owned(),
    ];
    let world = World::with(version, &networking, &text.concat(), "242.0.0.0/8").await?;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let found = |address: IpAddr| Answer {
        code: FOUND,
        addresses: vec![address],
    };
    let nothing = Answer {
        code: NO_SUCH_NAME,
        addresses: Vec::new(),
    };
    let server = SocketAddr::new(here, port);
    for (name, kind, expected) in [
        ("api.extsvc.mesh.local", A, found(vip)),
        ("api.svc.meshext.local", A, found(vip)),
        ("six.extsvc.mesh.local", AAAA, found("::1".parse()?)),
        ("plain.extsvc.mesh.local", A, found(here)),
        ("edge.other.test", A, found(here)),
        // Envoy says that of names whose addresses are of the other kind, too.
        ("api.extsvc.mesh.local", AAAA, nothing.clone()),
        ("plain.svc.meshext.local", A, nothing.clone()),
        ("extsvc.mesh.local", A, nothing.clone()),
        ("localhost", A, nothing.clone()),
        // Only what `run` starts knows that it has an Envoy that can compare without case.
        ("API.extsvc.mesh.local", A, nothing),
    ] {
        assert_eq!(dns::ask(server, name, kind).await?, expected, "{name}");
    }
    let text = dns::ask(server, "api.extsvc.mesh.local", TXT).await?;
    assert_eq!(text.addresses, Vec::<IpAddr>::new());
    // The same names as for /etc/hosts, and the same addresses.
    let mut names = Vec::new();
    for line in world.hosts()?.lines() {
        let mut words = line.split('\t');
        let (address, name) = (words.next(), words.next().unwrap_or_default());
        let address: IpAddr = address.unwrap_or_default().parse()?;
        let kind = if address.is_ipv4() { A } else { AAAA };
        assert_eq!(
            dns::ask(server, name, kind).await?,
            found(address),
            "{name}"
        );
        names.push(name.to_owned());
    }
    let expected = [
        "api.extsvc.mesh.local",
        "api.svc.meshext.local",
        "edge.other.test",
        "plain.extsvc.mesh.local",
        "six.extsvc.mesh.local",
    ];
    assert_eq!(names, expected);
    Ok(())
}
