//! Services outside of the mesh: reached by outbounds, by hostname and through gateways, with the TLS that they want,
//! and only by those who may.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use system_tests::client::{Connection, Response, get};
use system_tests::echo::Backend;
use system_tests::envoy::Envoy;
use system_tests::outside::{self, Ca, Tls};
use system_tests::tls::Identity;
use system_tests::{meshgate, on_each_envoy};
use tempfile::TempDir;
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::gateway::own_address;

on_each_envoy! {
    each_protocol_with_and_without_tls
    only_who_is_expected_is_talked_to
    forbidden_by_default_and_permitted_by_identity
    by_hostname
    no_route_leads_round_a_permission
    behind_a_gateway
    a_missing_secret_affects_one_service
    priorities_and_sockets
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A server's TLS with this certificate.
fn server(identity: Identity) -> Tls<'static> {
    Tls {
        identity,
        clients: None,
        versions: BOTH,
        alpn: &[],
    }
}

/// A `MeshExternalService` at an address, called on port 80.
pub(crate) fn service(name: &str, protocol: &str, address: &str, port: u16, tls: &str) -> String {
    format!(
        "
---
type: MeshExternalService
mesh: default
name: {name}
spec:
  match: {{type: HostnameGenerator, port: 80, protocol: {protocol}}}
  endpoints: [{{address: '{address}', port: {port}}}]
  tls: {{{tls}}}
"
    )
}

fn inline(pem: &str) -> String {
    format!("{{inline: {}}}", STANDARD.encode(pem))
}

/// TLS with a server that `ca` has signed and that is `api.test`.
fn secured(ca: &Ca) -> String {
    verified(&format!(
        "serverName: api.test, caCert: {}",
        inline(&ca.pem())
    ))
}

fn verified(verification: &str) -> String {
    format!("enabled: true, verification: {{{verification}}}")
}

/// The sidecar of `web`, with an outbound to each of the services, from port 9001 on.
pub(crate) struct World {
    pub(crate) envoy: Envoy,
    address: IpAddr,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn start(
        version: &str,
        services: &[&str],
        resources: &str,
    ) -> anyhow::Result<Self> {
        let address = own_address();
        let outbounds = (9001..).zip(services).map(|(port, name)| {
            format!("  - {{port: {port}, address: {address}, backendRef: {{kind: MeshExternalService, name: {name}}}}}\n")
        });
        let outbounds: String = outbounds.collect();
        let own = format!(
            "
type: Dataplane
mesh: default
name: web-1
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
  outbound:
{outbounds}"
        );
        Self::of(version, address, "web-1", &format!("{own}{resources}")).await
    }

    async fn of(version: &str, address: IpAddr, name: &str, text: &str) -> anyhow::Result<Self> {
        Self::with(version, address, name, text, &[]).await
    }

    /// With further arguments for the command.
    pub(crate) async fn with(
        version: &str,
        address: IpAddr,
        name: &str,
        text: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let [resources, to] = ["resources.yaml", "bootstrap.json"].map(|f| dir.path().join(f));
        fs::write(&resources, text)?;
        let [resources, to_text] = [&resources, &to].map(|path| path.display().to_string());
        let own = [
            "bootstrap",
            &resources,
            "--dataplane",
            name,
            "--admin",
            "127.0.0.1:0",
            "--format",
            "json",
            "-o",
            &to_text,
        ];
        let work = dir.path().join("work");
        meshgate::run_in(&work, own.iter().chain(arguments).copied())?;
        Ok(Self {
            envoy: Envoy::start_file(version, &to).await?,
            address,
            _dir: dir,
        })
    }

    pub(crate) async fn connect(&self, index: u16) -> anyhow::Result<Connection> {
        Connection::open(SocketAddr::new(self.address, 9001 + index)).await
    }

    /// What an HTTP service answers.
    pub(crate) async fn get(&self, index: u16, path: &str) -> anyhow::Result<Response> {
        let connection = self.connect(index).await?;
        connection.http1(get("in-the-mesh.test", path)).await
    }

    /// Whether a TCP service sends back what it gets.
    pub(crate) async fn answers(&self, index: u16) -> anyhow::Result<bool> {
        let mut connection = self.connect(index).await?;
        let answer = connection.exchange(b"hello\n", b"\n").await;
        Ok(answer.is_ok_and(|answer| answer == b"hello\n"))
    }
}

async fn each_protocol_with_and_without_tls(version: &str) -> anyhow::Result<()> {
    let (ca, clients) = (Ca::new()?, Ca::new()?);
    let own = || ca.sign(&["api.test"], false);
    let client = clients.sign(&["web.test"], false)?;
    let mutual = Tls {
        clients: Some(&clients),
        ..server(own()?)
    };
    let only_h2 = Tls {
        alpn: &["h2"],
        ..server(own()?)
    };
    let backends = [
        Backend::tcp().await?,
        outside::tcp(&server(own()?)).await?,
        outside::tcp(&mutual).await?,
        Backend::http("plain").await?,
        outside::http("https", &server(own()?)).await?,
        Backend::http("grpc").await?,
        outside::http("grpcs", &only_h2).await?,
    ];
    let with_client = verified(&format!(
        "serverName: api.test, caCert: {}, clientCert: {}, clientKey: {}",
        inline(&ca.pem()),
        inline(&client.certificate),
        inline(&client.key)
    ));
    let secured = secured(&ca);
    let kinds = [
        ("tcp", "tcp", ""),
        ("tcp-tls", "tcp", &*secured),
        ("tcp-mtls", "tcp", &*with_client),
        ("http", "http", ""),
        ("https", "http", &*secured),
        ("grpc", "grpc", ""),
        ("grpcs", "http2", &*secured),
    ];
    let services = kinds.iter().zip(&backends);
    let services: String = services
        .map(|((name, protocol, tls), to)| service(name, protocol, "localhost", to.port(), tls))
        .collect();
    let world = World::start(version, &kinds.map(|(name, ..)| name), &services).await?;
    for index in 0..3 {
        assert!(
            world.answers(index).await?,
            "{}",
            kinds[usize::from(index)].0
        );
    }
    for (index, name) in (3..).zip(["plain", "https", "grpc", "grpcs"]) {
        let echo = world.get(index, "/a?b").await?.echo()?;
        assert_eq!((&*echo.backend, &*echo.path), (name, "/a?b"));
        assert!(echo.host.starts_with("localhost"), "{name}: {}", echo.host);
    }
    Ok(())
}

async fn only_who_is_expected_is_talked_to(version: &str) -> anyhow::Result<()> {
    let (ca, other) = (Ca::new()?, Ca::new()?);
    let right = server(ca.sign(&["api.test"], false)?);
    let foreign = server(other.sign(&["api.test"], false)?);
    let misnamed = server(ca.sign(&["else.test"], false)?);
    let expired = server(ca.sign(&["api.test"], true)?);
    let old = Tls {
        versions: &[&TLS12],
        ..server(ca.sign(&["api.test"], false)?)
    };
    let new = Tls {
        versions: &[&TLS13],
        ..server(ca.sign(&["api.test"], false)?)
    };
    let mutual = Tls {
        clients: Some(&other),
        ..server(ca.sign(&["api.test"], false)?)
    };
    let pem = inline(&ca.pem());
    let mode = |mode: &str| {
        verified(&format!(
            "mode: {mode}, serverName: api.test, caCert: {pem}"
        ))
    };
    let from = |name: &str, min: &str| format!("version: {{min: {min}}}, {}", mode(name));
    let names = |names: &str| {
        verified(&format!(
            "serverName: api.test, caCert: {pem}, subjectAltNames: [{names}]"
        ))
    };
    let cases = [
        ("right", &right, mode("Secured"), true),
        ("another CA", &foreign, mode("Secured"), false),
        ("another CA, SkipSAN", &foreign, mode("SkipSAN"), false),
        ("another CA, SkipCA", &foreign, mode("SkipCA"), true),
        ("another name", &misnamed, mode("Secured"), false),
        ("another name, SkipSAN", &misnamed, mode("SkipSAN"), true),
        ("expired", &expired, mode("Secured"), false),
        ("expired, SkipSAN", &expired, mode("SkipSAN"), false),
        ("expired, SkipAll", &expired, mode("SkipAll"), true),
        ("old", &old, mode("Secured"), true),
        ("too old", &old, from("Secured", "TLS13"), false),
        ("too old, SkipAll", &old, from("SkipAll", "TLS13"), false),
        ("new enough", &new, from("Secured", "TLS13"), true),
        (
            "without a certificate of its own",
            &mutual,
            mode("Secured"),
            false,
        ),
        (
            "a listed name",
            &misnamed,
            names("{type: Prefix, value: else}"),
            true,
        ),
        (
            "a name that is not listed",
            &right,
            names("{type: Exact, value: else.test}"),
            false,
        ),
    ];
    let mut services = String::new();
    let mut backends = Vec::new();
    for (index, (_, tls, conf, _)) in cases.iter().enumerate() {
        let backend = outside::tcp(tls).await?;
        let name = format!("s{index}");
        services += &service(&name, "tcp", "127.0.0.1", backend.port(), conf);
        backends.push(backend);
    }
    let names: Vec<_> = (0..cases.len()).map(|index| format!("s{index}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::start(version, &names, &services).await?;
    for (index, (what, _, _, is_right)) in (0..).zip(&cases) {
        assert_eq!(world.answers(index).await?, *is_right, "{what}");
    }
    Ok(())
}

pub(crate) const FORBIDDEN: &str = "
---
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
routing: {defaultForbidMeshExternalServiceAccess: true}
";

pub(crate) fn permission(service: &str, rules: &str) -> String {
    format!(
        "
---
type: MeshTrafficPermission
mesh: default
name: to-{service}
spec:
  targetRef: {{kind: MeshExternalService, name: {service}}}
  rules: [{{default: {{{rules}}}}}]
"
    )
}

async fn forbidden_by_default_and_permitted_by_identity(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("api").await?, Backend::tcp().await?];
    let names = [
        "closed",
        "mine",
        "others",
        "closed-tcp",
        "mine-tcp",
        "others-tcp",
    ];
    let mut resources = FORBIDDEN.to_owned();
    for name in names {
        let (protocol, to) = if name.ends_with("tcp") {
            ("tcp", &backends[1])
        } else {
            ("http", &backends[0])
        };
        resources += &service(name, protocol, "127.0.0.1", to.port(), "");
    }
    let allow =
        |id: &str| format!("allow: [{{spiffeID: {{type: Exact, value: spiffe://default/{id}}}}}]");
    for (name, id) in [
        ("mine", "web"),
        ("mine-tcp", "web"),
        ("others", "else"),
        ("others-tcp", "else"),
    ] {
        resources += &permission(name, &allow(id));
    }
    let world = World::start(version, &names, &resources).await?;
    for (index, expected) in [
        (0, "403 forbidden_by_default"),
        (1, "200 "),
        (2, "403 client_not_allowed"),
    ] {
        let response = world.get(index, "/").await?;
        let said = format!(
            "{} {}",
            response.status,
            response.header("x-meshgate-reason")
        );
        assert_eq!(said, expected, "{}", names[usize::from(index)]);
    }
    for (index, is_open) in [(3, false), (4, true), (5, false)] {
        assert_eq!(
            world.answers(index).await?,
            is_open,
            "{}",
            names[usize::from(index)]
        );
    }
    let counters = world.envoy.admin_get("/stats/prometheus").await?.body;
    for reason in ["forbidden_by_default", "client_not_allowed"] {
        let is_counted = |line: &&str| line.contains(reason) && line.contains("tcp");
        assert!(counters.lines().any(|line| is_counted(&line)), "{counters}");
    }
    Ok(())
}

async fn by_hostname(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("one").await?, Backend::http("two").await?];
    let address = own_address();
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let own = format!(
        "
type: Dataplane
mesh: default
name: web-1
labels: {{meshgate.io/external-service-port: '{port}'}}
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
---
type: HostnameGenerator
name: example
spec:
  selector: {{meshExternalService: {{matchLabels: {{kuma.io/origin: zone}}}}}}
  template: '{{{{ .DisplayName }}}}.svc.meshext.local'
---
type: MeshHTTPRoute
mesh: default
name: two
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, name: two}}
    rules:
    - matches: [{{path: {{type: PathPrefix, value: /old}}}}]
      default: {{filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /new}}}}}}]}}
{}{}{}{}",
        service("one", "http", "localhost", backends[0].port(), ""),
        service("two", "http2", "localhost", backends[1].port(), ""),
        service("closed", "http", "localhost", backends[1].port(), ""),
        permission("closed", "allow: [{spiffeID: {type: Exact, value: spiffe://default/else}}]"),
    );
    let world = World::of(version, address, "web-1", &own).await?;
    let ask = async |host: &str, path: &str| {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Connection::open(to).await?.http1(get(host, path)).await
    };
    for (host, path, backend, seen) in [
        ("one.svc.meshext.local", "/", "one", "/"),
        ("one.extsvc.mesh.local", "/old/x", "one", "/old/x"),
        ("ONE.svc.meshext.local:80", "/", "one", "/"),
        ("two.svc.meshext.local", "/old/x", "two", "/new/x"),
        ("two.extsvc.mesh.local", "/", "two", "/"),
    ] {
        let echo = ask(host, path).await?.echo()?;
        assert_eq!((&*echo.backend, &*echo.path), (backend, seen), "{host}");
        assert!(echo.host.starts_with("localhost"), "{}", echo.host);
    }
    for (host, expected) in [
        ("other.test", "403 unknown_destination"),
        ("svc.meshext.local", "403 unknown_destination"),
        ("127.0.0.1", "403 unknown_destination"),
        ("2130706433", "400 malformed_authority"),
        ("closed.svc.meshext.local", "403 client_not_allowed"),
    ] {
        let response = ask(host, "/").await?;
        let said = format!(
            "{} {}",
            response.status,
            response.header("x-meshgate-reason")
        );
        assert_eq!(said, expected, "{host}");
    }
    drop(world);
    Ok(())
}

async fn no_route_leads_round_a_permission(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("api").await?, Backend::tcp().await?];
    let [http, tcp] = [&backends[0], &backends[1]].map(Backend::port);
    let route = |kind: &str, name: &str, rules: &str| {
        format!(
            "
---
type: {kind}
mesh: default
name: {name}
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, name: {name}}}
    rules: [{rules}]
"
        )
    };
    let to = |name: &str| {
        format!("backendRefs: [{{kind: MeshExternalService, name: {name}, port: 80}}]")
    };
    let matches = "matches: [{path: {type: PathPrefix, value: /round}}]";
    let resources = [
        service("open", "http", "127.0.0.1", http, ""),
        service("closed", "http", "127.0.0.1", http, ""),
        service("open-tcp", "tcp", "127.0.0.1", tcp, ""),
        service("closed-tcp", "tcp", "127.0.0.1", tcp, ""),
        permission(
            "closed",
            "deny: [{spiffeID: {type: Prefix, value: spiffe://default}}]",
        ),
        permission(
            "closed-tcp",
            "deny: [{spiffeID: {type: Prefix, value: spiffe://default}}]",
        ),
        route(
            "MeshHTTPRoute",
            "open",
            &format!("{{{matches}, default: {{{}}}}}", to("closed")),
        ),
        route(
            "MeshTCPRoute",
            "open-tcp",
            &format!("{{default: {{{}}}}}", to("closed-tcp")),
        ),
    ];
    let world = World::start(version, &["open", "open-tcp"], &resources.concat()).await?;
    assert_eq!(world.get(0, "/").await?.status, 200);
    assert_eq!(world.get(0, "/round").await?.status, 403);
    assert!(!world.answers(1).await?);
    Ok(())
}

async fn behind_a_gateway(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let own = server(ca.sign(&["api.test"], false)?);
    let backends = [
        outside::http("https", &own).await?,
        outside::tcp(&own).await?,
    ];
    let address = own_address();
    let text = format!(
        "
type: Dataplane
mesh: default
name: edge-1
networking:
  address: {address}
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: MeshGateway
mesh: default
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
  listeners:
  - {{port: 9001, protocol: HTTP}}
  - {{port: 9002, protocol: TCP}}
---
type: MeshHTTPRoute
mesh: default
name: api
spec:
  targetRef: {{kind: MeshGateway, name: edge}}
  to:
  - targetRef: {{kind: Mesh}}
    rules:
    - matches: [{{path: {{type: PathPrefix, value: /closed}}}}]
      default: {{backendRefs: [{{kind: MeshExternalService, name: closed, port: 80}}]}}
    - matches: [{{path: {{type: PathPrefix, value: /}}}}]
      default: {{backendRefs: [{{kind: MeshExternalService, name: api, port: 80}}]}}
---
type: MeshTCPRoute
mesh: default
name: tcp
spec:
  targetRef: {{kind: MeshGateway, name: edge}}
  to:
  - targetRef: {{kind: Mesh}}
    rules: [{{default: {{backendRefs: [{{kind: MeshExternalService, name: tcp, port: 80}}]}}}}]
{}{}{}{}",
        service(
            "api",
            "http",
            "localhost",
            backends[0].port(),
            &secured(&ca)
        ),
        service(
            "closed",
            "http",
            "localhost",
            backends[0].port(),
            &secured(&ca)
        ),
        service("tcp", "tcp", "localhost", backends[1].port(), &secured(&ca)),
        permission(
            "closed",
            "allow: [{spiffeID: {type: Exact, value: spiffe://default/else}}]"
        ),
    );
    let world = World::of(version, address, "edge-1", &text).await?;
    let echo = world.get(0, "/a").await?.echo()?;
    assert_eq!((&*echo.backend, &*echo.path), ("https", "/a"));
    assert!(echo.host.starts_with("localhost"), "{}", echo.host);
    let refused = world.get(0, "/closed").await?;
    assert_eq!(
        (refused.status, refused.header("x-meshgate-reason")),
        (403, "client_not_allowed")
    );
    assert!(world.answers(1).await?);
    Ok(())
}

async fn a_missing_secret_affects_one_service(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let services = [
        service("good", "http", "127.0.0.1", backend.port(), ""),
        service(
            "bad",
            "http",
            "127.0.0.1",
            backend.port(),
            &verified("serverName: api.test, caCert: {secret: not-there}"),
        ),
    ];
    let world = World::start(version, &["good", "bad"], &services.concat()).await?;
    assert_eq!(world.get(0, "/").await?.status, 200);
    assert_eq!(world.get(1, "/").await?.status, 503);
    Ok(())
}

async fn priorities_and_sockets(version: &str) -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let socket = dir.path().join("s");
    let listener = tokio::net::UnixListener::bind(&socket)?;
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let backends = [
        Backend::http("first").await?,
        Backend::http("second").await?,
    ];
    let services = format!(
        "
---
type: MeshExternalService
mesh: default
name: socket
spec:
  match: {{port: 80, protocol: tcp}}
  endpoints: [{{address: 'unix://{}'}}]
---
type: MeshExternalService
mesh: default
name: two
spec:
  match: {{port: 80, protocol: http}}
  endpoints:
  - {{address: 127.0.0.1, port: {}, priority: 7}}
  - {{address: 127.0.0.1, port: {}, priority: 2}}
",
        socket.display(),
        backends[1].port(),
        backends[0].port()
    );
    let world = World::start(version, &["socket", "two"], &services).await?;
    assert!(world.answers(0).await?);
    for _ in 0..5 {
        assert_eq!(world.get(1, "/").await?.echo()?.backend, "first");
    }
    server.abort();
    Ok(())
}
