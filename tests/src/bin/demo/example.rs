//! The examples of `envoy-configs`: what runs, and the requests of their READMEs.

/// An example.
pub(crate) struct Example {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// The folders of its resources; the README is next to the first.
    pub(crate) resources: &'static [&'static str],
    /// The services behind it: their names and ports.
    pub(crate) backends: &'static [Backend],
    /// The proxies of it.
    pub(crate) proxies: &'static [Proxy],
    /// What is asked.
    pub(crate) requests: &'static [Request],
}

/// A service behind an example, or outside of it, which answers with its name.
pub(crate) struct Backend {
    /// The name.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) port: u16,
    /// The file with its certificate and key, with TLS.
    pub(crate) tls: Option<&'static str>,
}

/// An Envoy of an example.
pub(crate) struct Proxy {
    /// The name of its Dataplane; empty if there is only one.
    pub(crate) dataplane: &'static str,
    /// Where its admin interface listens.
    pub(crate) admin: u16,
    /// Where the status endpoint listens.
    pub(crate) status: u16,
    /// Where it listens.
    pub(crate) ports: &'static [u16],
}

/// A request to an example.
pub(crate) struct Request {
    /// The host that it is for.
    pub(crate) host: &'static str,
    /// The port that it goes to.
    pub(crate) port: u16,
    /// The name in the SNI, with TLS.
    pub(crate) sni: Option<&'static str>,
    /// The expected status.
    pub(crate) status: u16,
    /// The expected beginning of what is printed.
    pub(crate) text: &'static str,
}

const EDGE: &[u16] = &[8080, 8443];

const SERVICES: &[Backend] = &[
    backend("api", 18091),
    Backend {
        tls: Some("envoy-configs/external-service/billing.pem"),
        ..backend("billing", 18092)
    },
    backend("greeter", 18093),
    backend("ledger", 18094),
];

const OUTSIDE: &[Request] = &[
    http("api.svc.meshext.local", 10080, 200, "api"),
    http("billing.svc.meshext.local", 10080, 200, "billing"),
    http("greeter.svc.meshext.local", 10080, 200, "greeter"),
    http("api", 10001, 200, "api"),
    http("ledger", 10002, 200, "ledger"),
    http(
        "archive.svc.meshext.local",
        10080,
        403,
        "forbidden_by_default: ",
    ),
    http("example.org", 10080, 403, "unknown_destination: "),
    http("api.svc.meshext.local", 10083, 403, "client_not_allowed: "),
];

pub(crate) const EXAMPLES: [Example; 4] = [
    Example {
        name: "kuma-gateway",
        resources: &["envoy-configs/kuma-gateway/resources"],
        backends: &[backend("backend-foo", 18081), backend("backend-bar", 18082)],
        proxies: &[proxy("", 9901, 9902, EDGE)],
        requests: &[
            http("foo.example.com", 8080, 200, "backend-foo"),
            http("bar.example.com", 8080, 200, "backend-bar"),
            http("FOO.example.com:8080", 8080, 200, "backend-foo"),
            http("baz.example.com", 8080, 404, "no_listener: "),
            http("user@foo.example.com", 8080, 400, "malformed_authority: "),
            https("foo.example.com", 200, "backend-foo"),
            https("bar.example.com", 404, "no_listener: "),
        ],
    },
    Example {
        name: "cross-mesh",
        resources: &["envoy-configs/cross-mesh/resources"],
        backends: &[backend("backend", 18082)],
        proxies: &[
            proxy("backend-1", 9911, 9921, &[7002]),
            proxy("api-1", 9912, 9922, &[9080]),
            proxy("web-1", 9913, 9923, &[10080, 10001]),
            proxy("guest-1", 9914, 9924, &[10083]),
        ],
        requests: &[
            http("internal.api.mesh-2.mesh", 10080, 200, "backend"),
            http("api", 10001, 200, "backend"),
            http(
                "internal.api.mesh-4.mesh",
                10080,
                404,
                "no_cross_mesh_gateway: ",
            ),
            http(
                "internal.api.mesh-2.mesh",
                10083,
                403,
                "client_not_allowed: ",
            ),
        ],
    },
    Example {
        name: "external-service",
        resources: &["envoy-configs/external-service/resources"],
        backends: SERVICES,
        proxies: &[
            proxy("web-1", 9911, 9921, &[10080, 10001, 10002]),
            proxy("jobs-1", 9912, 9922, &[10083]),
        ],
        requests: OUTSIDE,
    },
    Example {
        name: "external-service-egress",
        resources: &[
            "envoy-configs/external-service/resources",
            "envoy-configs/external-service/egress",
        ],
        backends: SERVICES,
        proxies: &[
            proxy("web-1", 9911, 9921, &[10080, 10001, 10002]),
            proxy("jobs-1", 9912, 9922, &[10083]),
            proxy("egress", 9913, 9923, &[10009]),
        ],
        requests: OUTSIDE,
    },
];

const fn backend(name: &'static str, port: u16) -> Backend {
    Backend {
        name,
        port,
        tls: None,
    }
}

const fn proxy(dataplane: &'static str, admin: u16, status: u16, ports: &'static [u16]) -> Proxy {
    Proxy {
        dataplane,
        admin,
        status,
        ports,
    }
}

const fn http(host: &'static str, port: u16, status: u16, text: &'static str) -> Request {
    Request {
        host,
        port,
        sni: None,
        status,
        text,
    }
}

const fn https(host: &'static str, status: u16, text: &'static str) -> Request {
    Request {
        sni: Some("foo.example.com"),
        ..http(host, 8443, status, text)
    }
}
