//! Models by hand, one for each sentence of which there is a golden file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use meshgate::envoy::{AccessLog, EnvoyRange, Options};
use meshgate::model::policy::{ClusterPolicy, ListenerPolicy, RoutePolicy};
use meshgate::model::{
    Action, Certificate, Cluster, Dialect, Endpoint, Forward, Listener, Origin, PathMatch, Port,
    Protocol, Proxy, Role, Route, ServerTls, UpstreamProtocol, VirtualHost, WeightedCluster,
};
use policy::Tags;
use policy::config::{Mode, Reasons};

/// A model with its options.
pub(crate) struct Case {
    /// The golden file's name.
    pub(crate) name: &'static str,
    /// The model.
    pub(crate) proxy: Proxy,
    /// The options.
    pub(crate) options: Options,
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let mut audited = case(
        "every-option",
        vec![http(8080, vec![listener("*", "*", "all")])],
    );
    audited.options.mode = Mode::Audit;
    audited.options.reasons = Reasons::Short;
    audited.options.range = EnvoyRange::From1_40;
    audited.options.access_log = Some(AccessLog::Stdout);
    let mut logged = case(
        "a-log-knows-the-listener-from-the-virtual-host",
        vec![two_hostnames()],
    );
    logged.options.access_log = Some(AccessLog::Stdout);
    vec![
        case("two-hostnames-share-a-port", vec![two_hostnames()]),
        logged,
        case(
            "a-listener-without-routes-hides-those-of-a-wider-one",
            vec![shadowed()],
        ),
        case("tls-with-a-filter-chain-for-each-hostname", vec![tls()]),
        case("tcp-without-routes-and-a-limit", vec![tcp()]),
        case("every-route-and-cluster", vec![routes()]),
        case("text-that-yaml-1.1-takes-for-something-else", vec![traps()]),
        audited,
    ]
}

/// A listener with a virtual host for each of the domains that it holds.
pub(crate) fn with_domains(hostname: &str, domains: &[String]) -> Listener {
    let mut made = listener(hostname, hostname, "ip");
    made.virtual_hosts = domains
        .iter()
        .flat_map(|domain| listener(hostname, domain, "ip").virtual_hosts)
        .filter(|virtual_host| made.hostname.contains(&virtual_host.domain))
        .collect();
    made
}

/// A proxy with one port.
pub(crate) fn with_listeners(protocol: Protocol, listeners: Vec<Listener>) -> Case {
    let port = Port {
        protocol,
        ..http(8080, listeners)
    };
    case("generated", vec![port])
}

fn case(name: &'static str, ports: Vec<Port>) -> Case {
    Case {
        name,
        proxy: Proxy {
            dialect: Dialect::Kuma,
            name: "edge-1".to_owned(),
            mesh: "default".to_owned(),
            service: "edge-gateway".to_owned(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            identity: None,
            ports,
            clusters: clusters(),
            dns: None,
            transparent: None,
            tokens: Vec::new(),
            access: meshgate::model::access::Access::default(),
        },
        options: Options {
            log_pipe: None,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)),
            wasm: "gateway.wasm".to_owned(),
            mode: Mode::Enforce,
            reasons: Reasons::Full,
            access_log: None,
            secrets: "/secrets".into(),
            range: EnvoyRange::From1_36,
        },
    }
}

fn two_hostnames() -> Port {
    http(
        8080,
        vec![
            listener("bar.example.com", "bar.example.com", "bar"),
            listener("foo.example.com", "foo.example.com", "foo"),
        ],
    )
}

fn shadowed() -> Port {
    let mut narrow = listener("*.example.com", "a.example.com", "narrow");
    let outside = listener("*", "b.example.com", "outside").virtual_hosts;
    let mut wide = listener("*", "*", "wide");
    wide.virtual_hosts.extend(outside);
    narrow.origin.line = 9;
    http(8080, vec![narrow, wide])
}

fn tls() -> Port {
    let mut listeners = vec![
        listener("a.b.example.com", "a.b.example.com", "exact"),
        listener("*.example.com", "*.example.com", "wildcard"),
        listener("*", "*", "all"),
    ];
    for listener in &mut listeners {
        listener.certificates = vec![certificate("ecdsa")];
    }
    listeners[0].certificates.insert(0, certificate("rsa"));
    Port {
        name: "edge-gateway:HTTPS:8443".to_owned(),
        protocol: Protocol::Https,
        ..http(8443, listeners)
    }
}

fn tcp() -> Port {
    let mut listener = listener("*", "*", "none");
    listener.virtual_hosts.clear();
    Port {
        name: "edge-gateway:TCP:9000".to_owned(),
        protocol: Protocol::Tcp,
        connection_limit: Some(10_000),
        ..http(9000, vec![listener])
    }
}

fn routes() -> Port {
    let mut listener = listener("shop.example.com", "shop.example.com", "ip");
    listener.virtual_hosts[0].routes = vec![
        route(PathMatch::Exact("/exact".to_owned()), forward(&[("ip", 1)])),
        route(
            PathMatch::Prefix("/weights/".to_owned()),
            forward(&[("dns", 90), ("http2", 10), ("empty", 0)]),
        ),
        route(
            PathMatch::Regex("/item/[0-9]+".to_owned()),
            forward(&[("kuma.io/unresolved-backend", 1)]),
        ),
        route(
            PathMatch::Prefix("/".to_owned()),
            Action::Respond {
                status: 404,
                body: "This is a Kuma MeshGateway. No routes match this MeshGateway!\n".into(),
            },
        ),
        route(
            PathMatch::Exact("/gone".to_owned()),
            Action::Respond {
                status: 410,
                body: "".into(),
            },
        ),
    ];
    http(8080, vec![listener])
}

fn traps() -> Port {
    let mut listener = listener("no", "no", "ip");
    listener.tags = [("y", "1:30"), ("on", "0x1"), ("~", "null"), ("1e3", "")]
        .into_iter()
        .collect();
    let texts = [
        "no",
        "1:30",
        "0x1",
        "127.0.0.1",
        "~",
        "=",
        "<<",
        "2001-01-01",
        "0b1",
        "1_000",
        "- a",
        "a: b",
        "a #b",
        "#",
        "'",
        "\"",
        "\\",
        " a ",
        "\n",
        "a\n\nb",
        "\ta",
        "a\r\nb",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "é",
        "\u{1f600}",
        "{}",
        "%x",
        "!x",
        "&x",
        "*x",
        "|",
        ">",
        "@x",
        "`",
    ];
    let answers = texts.into_iter().enumerate().map(|(i, text)| {
        let answer = Action::Respond {
            status: 200,
            body: text.into(),
        };
        route(PathMatch::Exact(format!("/{i}")), answer)
    });
    listener.virtual_hosts[0].routes = answers.collect();
    "on".clone_into(&mut listener.virtual_hosts[0].origin.file);
    http(8080, vec![listener])
}

fn http(number: u16, listeners: Vec<Listener>) -> Port {
    Port {
        name: format!("edge-gateway:HTTP:{number}"),
        role: Role::Gateway,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        socket: None,
        number,
        protocol: Protocol::Http,
        listeners,
        connection_limit: None,
        clients: None,
        origin: origin(1),
    }
}

/// A listener with one virtual host, which forwards all to `cluster`.
fn listener(hostname: &str, domain: &str, cluster: &str) -> Listener {
    Listener {
        passes_tls: false,
        connections: Vec::new(),
        policy: ListenerPolicy::default(),
        name: format!("edge-gateway/8080/{hostname}"),
        hostname: hostname.parse().unwrap(),
        tags: Tags::from_iter([("kuma.io/service", "edge-gateway")]),
        permission: None,
        certificates: Vec::new(),
        other_hostnames: Vec::new(),
        tls: ServerTls::default(),
        virtual_hosts: vec![VirtualHost::new(
            domain.parse().unwrap(),
            vec![route(
                PathMatch::Prefix("/".to_owned()),
                forward(&[(cluster, 1)]),
            )],
            origin(20),
        )],
        origin: origin(7),
    }
}

fn route(path: PathMatch, action: Action) -> Route {
    let origin = Origin {
        resource: "MeshHTTPRoute/default/routes".to_owned(),
        file: "routes.yaml".to_owned(),
        line: 12,
    };
    Route {
        policy: RoutePolicy::default(),
        path,
        ..Route::new(action, origin)
    }
}

fn forward(clusters: &[(&str, u32)]) -> Action {
    let weighted = clusters.iter().map(|(cluster, weight)| WeightedCluster {
        cluster: (*cluster).to_owned(),
        weight: *weight,
        changes: None,
    });
    Action::Forward(Forward {
        clusters: weighted.collect(),
        ..Forward::default()
    })
}

fn clusters() -> Vec<Cluster> {
    let cluster = |name: &str, protocol, endpoints: &[(&str, u16)]| Cluster {
        tls: None,
        origination: None,
        destination: Tags::default(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        name: name.to_owned(),
        protocol,
        endpoints: endpoints
            .iter()
            .map(|&(address, port)| Endpoint {
                address: address.to_owned(),
                port,
                priority: 0,
                tls: None,
                weight: None,
                locality: None,
            })
            .collect(),
        origin: origin(30),
    };
    vec![
        cluster("dns", UpstreamProtocol::Http1, &[("localhost", 80)]),
        cluster("empty", UpstreamProtocol::Http1, &[]),
        cluster("http2", UpstreamProtocol::Http2, &[("127.0.0.1", 8081)]),
        cluster(
            "ip",
            UpstreamProtocol::Http1,
            &[("127.0.0.1", 8082), ("::1", 8082)],
        ),
    ]
}

/// A certificate with names in place of PEM, which the golden files show.
pub(crate) fn certificate(kind: &str) -> Certificate {
    Certificate {
        name: format!("cert.{kind}:secret:example"),
        chain: format!("{kind} chain\nin lines\n"),
        key: format!("{kind} key\nin lines\n"),
    }
}

fn origin(line: usize) -> Origin {
    Origin {
        resource: "MeshGateway/default/edge-gateway".to_owned(),
        file: "edge.yaml".to_owned(),
        line,
    }
}
