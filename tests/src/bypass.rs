//! Everything that might lead round the gate to the outside, as one table: what a client sends, what Envoy makes of it
//! before the filter sees it, and what becomes of it. The filter in wasmtime is asked by the second column, a real Envoy
//! by the first.

/// What the gate decides by. No row may reach the cluster `shut`.
pub const CONFIG: &str = r#"{"version": 1, "external_access": {
    "client": ["spiffe://default/web", "kuma://version/1"],
    "passthrough": "matched",
    "matches": [
        {"destination": "*.cdn.example", "protocol": "http", "cluster": "cdn"},
        {"destination": "10.0.0.0/8", "port": 8080, "protocol": "http", "cluster": "ten"},
        {"destination": "10.9.0.0/16", "port": 9000, "cluster": "ten"},
        {"destination": "tls.example", "port": 443, "protocol": "tls", "cluster": "cdn"}
    ],
    "services": [
        {"name": "api", "hostnames": ["api.extsvc", "192.0.2.1", "2001:db8::1"], "cluster": "api", "permissions": {
            "deny": [{"paths": ["/v1/admin"]}],
            "allow": [{"client": ["spiffe://default/*", "kuma://version/1"], "methods": ["GET"], "paths": ["/v1"]}]}},
        {"name": "open", "hostnames": ["open.extsvc"], "cluster": "open"},
        {"name": "shut", "hostnames": ["shut.extsvc", "192.0.2.9"], "cluster": "shut", "permissions": {}}
    ]
}}"#;

/// The clusters of [`CONFIG`].
pub const CLUSTERS: [&str; 5] = ["api", "open", "shut", "cdn", "ten"];

/// What becomes of a request or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to this cluster.
    To(&'static str),
    /// It goes on, and to the same cluster, as something that is no HTTP any more.
    Upgrades,
    /// The filter refuses it, for this reason.
    Refused(&'static str),
    /// Envoy refuses it itself, and does not ask the filter.
    Stopped,
    /// As `Stopped`, or this in versions of Envoy that hand it on (1.36).
    StoppedOr(&'static Verdict),
}

impl Verdict {
    /// What the filter says, if it is asked.
    pub fn of_filter(self) -> Option<Self> {
        match self {
            Stopped => None,
            StoppedOr(other) => Some(*other),
            said => Some(said),
        }
    }
}

use Verdict::{Refused, Stopped, StoppedOr, To, Upgrades};

const UNKNOWN: Verdict = Refused("unknown_destination");
const DENIED: Verdict = Refused("client_not_allowed");
const MALFORMED: Verdict = Refused("malformed_authority");
const AMBIGUOUS: Verdict = Refused("ambiguous_path");
const TUNNEL: Verdict = Refused("tunnel");
const MISDIRECTED: Verdict = Refused("misdirected");

/// A name and a value.
pub type Header = (&'static str, &'static str);

/// What a client sends.
#[derive(Clone, Debug)]
pub enum Sent {
    /// The head of an HTTP/1.1 request, byte for byte.
    Http1(String),
    /// The headers of an HTTP/2 request, in this order.
    Http2(Vec<Header>),
    /// The beginning of a connection to this address: of TLS with this name, or of anything else if it is empty.
    Connection(&'static str, &'static str),
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is sent.
    pub sent: Sent,
    /// The request's headers as the filter sees them, if it does.
    pub seen: Vec<Header>,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Hosts, as `Host` and as `:authority`; `:path` is `/v1`.
const HOSTS: &[(&str, Verdict)] = &[
    // One service, however it is spelt.
    ("api.extsvc", To("api")),
    ("API.ExtSvc", To("api")),
    ("api.extsvc:80", To("api")),
    ("api.extsvc:8443", To("api")),
    ("api.extsvc.", To("api")),
    ("api.extsvc.:80", To("api")),
    ("192.0.2.1", To("api")),
    ("192.0.2.1.", To("api")),
    ("[::ffff:192.0.2.1]", To("api")),
    ("[::ffff:c000:201]:80", To("api")),
    ("[0:0:0:0:0:FFFF:192.0.2.1]", To("api")),
    ("[2001:db8::1]", To("api")),
    ("[2001:DB8:0:0::1]:443", To("api")),
    ("open.extsvc", To("open")),
    ("shut.extsvc", DENIED),
    ("SHUT.extsvc", DENIED),
    ("shut.extsvc.", DENIED),
    ("shut.extsvc:1", DENIED),
    ("shut.extsvc.:80", DENIED),
    ("192.0.2.9", DENIED),
    ("[::ffff:192.0.2.9]", DENIED),
    // Names that are no service's.
    ("api.extsvc.evil.test", UNKNOWN),
    ("evil.test", UNKNOWN),
    ("xapi.extsvc", UNKNOWN),
    ("extsvc", UNKNOWN),
    ("api", UNKNOWN),
    // What two readers read differently.
    ("api.extsvc,evil.test", MALFORMED),
    ("api.extsvc:", MALFORMED),
    ("api.extsvc:80:80", MALFORMED),
    ("api.extsvc:+80", MALFORMED),
    ("api.extsvc:99999", MALFORMED),
    ("api%2eextsvc", MALFORMED),
    ("api..extsvc", MALFORMED),
    ("api.extsvc..", MALFORMED),
    (".api.extsvc", MALFORMED),
    // An address of four decimal numbers has no other spelling.
    ("3221225985", MALFORMED),
    ("030000001001", MALFORMED),
    ("0xc0000201", MALFORMED),
    ("0XC0000201", MALFORMED),
    ("0xc0.0.2.1", MALFORMED),
    ("0300.0.2.1", MALFORMED),
    ("192.0.513", MALFORMED),
    ("192.513", MALFORMED),
    ("192.0.2.01", MALFORMED),
    ("192.0.2.0x1", MALFORMED),
    ("192.0.2.1.1", MALFORMED),
    ("192.0.2.256", MALFORMED),
    ("[192.0.2.1]", MALFORMED),
    ("[fe80::1%25eth0]", MALFORMED),
    ("2001:db8::1", MALFORMED),
    // Addresses that only look like it: those that some translate (RFC 4291 §2.5.5.1, RFC 6052), and others.
    ("[::192.0.2.1]", UNKNOWN),
    ("[64:ff9b::192.0.2.1]", UNKNOWN),
    ("[2002:c000:201::]", UNKNOWN),
    ("127.0.0.1", UNKNOWN),
    ("localhost", UNKNOWN),
    ("169.254.169.254", UNKNOWN),
    // Domains and ranges.
    ("a.cdn.example", To("cdn")),
    ("A.B.CDN.example:81", To("cdn")),
    ("cdn.example", UNKNOWN),
    ("10.1.2.3:8080", To("ten")),
    ("[::ffff:10.1.2.3]:8080", To("ten")),
    ("10.1.2.3", UNKNOWN),
    ("10.9.0.1:9000", UNKNOWN),
    ("11.1.2.3:8080", UNKNOWN),
    ("[::10.1.2.3]:8080", UNKNOWN),
    ("167838211:8080", MALFORMED),
    ("tls.example:443", UNKNOWN),
];

/// Paths of `api.extsvc`: as they are sent, and as they are after Envoy's `normalize_path` and `merge_slashes`.
#[rustfmt::skip] // One row, one line.
const PATHS: &[(&str, &str, Verdict)] = &[
    ("/v1", "/v1", To("api")),
    ("/v1/users?next=/v1/admin/..", "/v1/users?next=/v1/admin/..", To("api")),
    ("/v10", "/v10", DENIED),
    ("/", "/", DENIED),
    ("/V1", "/V1", DENIED),
    ("/v1/admin", "/v1/admin", DENIED),
    ("/v1/admin/", "/v1/admin/", DENIED),
    ("/v1/ADMIN", "/v1/ADMIN", DENIED),
    ("/v1/./admin", "/v1/admin", DENIED),
    ("/v1/x/../admin", "/v1/admin", DENIED),
    ("/v1/x/%2e%2e/admin", "/v1/admin", DENIED),
    ("/v1/../v1/users", "/v1/users", To("api")),
    ("//v1//admin", "/v1/admin", DENIED),
    ("/v1/%61dmin", "/v1/admin", DENIED),
    ("/v1\\admin", "/v1/admin", DENIED),
    ("/v1/%2561dmin", "/v1/%2561dmin", AMBIGUOUS),
    ("/v1%2fadmin", "/v1%2fadmin", AMBIGUOUS),
    ("/v1%5cadmin", "/v1%5cadmin", AMBIGUOUS),
    ("/v1/admin;x", "/v1/admin;x", AMBIGUOUS),
    ("/v1/users;/../admin", "/v1/admin", DENIED),
];

/// Other requests in HTTP/1.1, as Envoy hands them on.
#[rustfmt::skip] // One row, one line.
const HTTP1: &[(&str, &[Header], Verdict)] = &[
    // The target of a request in absolute form is its host (RFC 9112 §3.2.2).
    ("GET http://api.extsvc/v1 HTTP/1.1\r\nHost: evil.test\r\n", &[(":authority", "api.extsvc")], To("api")),
    ("GET http://shut.extsvc/v1 HTTP/1.1\r\nHost: api.extsvc\r\n", &[(":authority", "shut.extsvc")], DENIED),
    ("GET http://evil.test/v1 HTTP/1.1\r\nHost: api.extsvc\r\n", &[(":authority", "evil.test")], UNKNOWN),
    ("GET http://api.extsvc@evil.test/v1 HTTP/1.1\r\nHost: api.extsvc\r\n", &[(":authority", "evil.test")], UNKNOWN),
    ("GET http://API.extsvc.:80/v1 HTTP/1.1\r\nHost: shut.extsvc\r\n", &[(":authority", "API.extsvc.:80")], To("api")),
    // Envoy joins what comes twice.
    ("GET /v1 HTTP/1.1\r\nHost: api.extsvc\r\nHost: evil.test\r\n", &[(":authority", "api.extsvc,evil.test")], MALFORMED),
    ("GET /v1 HTTP/1.1\r\nHost: shut.extsvc\r\nHost: api.extsvc\r\n", &[(":authority", "shut.extsvc,api.extsvc")], MALFORMED),
    ("GET /v1 HTTP/1.1\r\nHost: api.extsvc\r\nhOST: api.extsvc\r\n", &[(":authority", "api.extsvc,api.extsvc")], MALFORMED),
    ("GET /v1 HTTP/1.1\r\nHost: api.extsvc\r\nX-Forwarded-Host: shut.extsvc\r\n", &[(":authority", "api.extsvc")], To("api")),
    ("GET /v1 HTTP/1.1\r\nHost: user@api.extsvc\r\n", &[(":authority", "user@api.extsvc")], MALFORMED),
    ("GET /v1 HTTP/1.1\r\nHost: api.extsvc:80@shut.extsvc\r\n", &[(":authority", "api.extsvc:80@shut.extsvc")], MALFORMED),
    ("GET /v1 HTTP/1.1\r\nHost:\r\n", &[(":authority", "")], MALFORMED),
    ("GET /v1 HTTP/1.1\r\n", &[], Stopped),
    ("GET /v1 HTTP/1.1\r\nHost: api.ext svc\r\n", &[], Stopped),
    ("GET /v1 HTTP/1.1\r\nHost: shut.extsvc\0.api.extsvc\r\n", &[], Stopped),
    ("GET /v1 HTTP/1.1\r\nHost : api.extsvc\r\n", &[], Stopped),
    ("GET /v1 HTTP/1.1\r\n:authority: api.extsvc\r\nHost: shut.extsvc\r\n", &[], Stopped),
    // Nobody chooses a cluster.
    ("GET /v1 HTTP/1.1\r\nHost: open.extsvc\r\nx-meshgate-cluster: shut\r\n", &[(":authority", "open.extsvc"), ("x-meshgate-cluster", "shut")], To("open")),
    ("GET /v1 HTTP/1.1\r\nHost: evil.test\r\nx-meshgate-cluster: shut\r\n", &[(":authority", "evil.test"), ("x-meshgate-cluster", "shut")], UNKNOWN),
    // Methods.
    ("POST /v1 HTTP/1.1\r\nHost: api.extsvc\r\nContent-Length: 0\r\n", &[(":method", "POST"), (":authority", "api.extsvc")], DENIED),
    ("HEAD /v1 HTTP/1.1\r\nHost: evil.test\r\n", &[(":method", "HEAD"), (":authority", "evil.test")], UNKNOWN),
    // What follows in a tunnel is seen by nobody; of a WebSocket it is none of HTTP.
    ("CONNECT api.extsvc:443 HTTP/1.1\r\nHost: api.extsvc:443\r\n", &[(":method", "CONNECT"), (":authority", "api.extsvc:443")], TUNNEL),
    ("CONNECT open.extsvc:80 HTTP/1.1\r\nHost: open.extsvc:80\r\n", &[(":method", "CONNECT"), (":authority", "open.extsvc:80")], TUNNEL),
    ("CONNECT evil.test:443 HTTP/1.1\r\nHost: api.extsvc\r\n", &[(":method", "CONNECT"), (":authority", "evil.test:443")], UNKNOWN),
    ("GET /v1 HTTP/1.1\r\nHost: api.extsvc\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", &[(":authority", "api.extsvc"), ("upgrade", "websocket")], Upgrades),
    ("GET /v1 HTTP/1.1\r\nHost: shut.extsvc\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", &[(":authority", "shut.extsvc"), ("upgrade", "websocket")], DENIED),
    ("GET /v1 HTTP/1.1\r\nHost: api.extsvc\r\nConnection: upgrade\r\nUpgrade: other\r\n", &[(":authority", "api.extsvc"), ("upgrade", "other")], TUNNEL),
];

/// Other requests in HTTP/2, whose pseudo-headers Envoy hands on; left out ones are as in [`HOSTS`].
#[rustfmt::skip] // One row, one line.
const HTTP2: &[(&[Header], &[Header], Verdict)] = &[
    (&[("host", "api.extsvc")], &[(":authority", "api.extsvc")], To("api")),
    (&[("host", "shut.extsvc")], &[(":authority", "shut.extsvc")], DENIED),
    (&[(":authority", "api.extsvc"), ("host", "api.extsvc")], &[(":authority", "api.extsvc")], To("api")),
    (&[(":authority", "api.extsvc"), ("host", "shut.extsvc")], &[(":authority", "api.extsvc")], To("api")),
    (&[(":authority", "shut.extsvc"), ("host", "api.extsvc")], &[(":authority", "shut.extsvc")], DENIED),
    (&[(":authority", "evil.test"), ("host", "api.extsvc")], &[(":authority", "evil.test")], UNKNOWN),
    (&[(":authority", "api.extsvc"), (":authority", "shut.extsvc")], &[], Stopped),
    (&[("host", "api.extsvc"), ("host", "shut.extsvc")], &[(":authority", "api.extsvc")], StoppedOr(&To("api"))),
    (&[(":authority", "user@api.extsvc")], &[], Stopped),
    (&[(":authority", "")], &[(":authority", "")], StoppedOr(&MALFORMED)),
    (&[], &[], Stopped),
    (&[(":method", "CONNECT"), (":authority", "api.extsvc:443")], &[(":method", "CONNECT"), (":authority", "api.extsvc:443")], TUNNEL),
    (&[(":method", "CONNECT"), (":authority", "evil.test:443")], &[(":method", "CONNECT"), (":authority", "evil.test:443")], UNKNOWN),
    // Envoy makes an upgrade of HTTP/1.1 of an extended CONNECT (RFC 8441).
    (&[(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "api.extsvc")], &[(":authority", "api.extsvc"), ("upgrade", "websocket")], Upgrades),
    (&[(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "shut.extsvc")], &[(":authority", "shut.extsvc"), ("upgrade", "websocket")], DENIED),
    (&[(":method", "CONNECT"), (":protocol", "other"), (":authority", "api.extsvc")], &[(":authority", "api.extsvc"), ("upgrade", "other")], TUNNEL),
    (&[(":authority", "open.extsvc"), ("x-meshgate-cluster", "shut")], &[(":authority", "open.extsvc"), ("x-meshgate-cluster", "shut")], To("open")),
];

/// Connections: the name in TLS, and the address.
const CONNECTIONS: &[(&str, &str, Verdict)] = &[
    ("open.extsvc", "203.0.113.1:443", To("open")),
    ("OPEN.extsvc", "203.0.113.1:443", To("open")),
    ("shut.extsvc", "203.0.113.1:443", DENIED),
    ("tls.example", "203.0.113.1:443", To("cdn")),
    ("tls.example", "203.0.113.1:444", UNKNOWN),
    ("a.cdn.example", "203.0.113.1:443", UNKNOWN),
    ("evil.test", "10.9.1.1:9000", To("ten")),
    ("", "10.9.1.1:9000", To("ten")),
    ("", "10.8.1.1:9000", UNKNOWN),
    ("", "[fd00::1]:9000", UNKNOWN),
    ("", "192.0.2.9:443", DENIED),
    ("evil.test", "192.0.2.9:443", DENIED),
    // The name says one service, and the address another one.
    ("open.extsvc", "192.0.2.9:443", MISDIRECTED),
    ("shut.extsvc", "192.0.2.1:443", MISDIRECTED),
    // Of a connection nobody knows methods and paths.
    ("api.extsvc", "203.0.113.1:443", DENIED),
    ("167838211", "10.9.1.1:9000", MALFORMED),
    ("a,b", "10.9.1.1:9000", MALFORMED),
];

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for &(host, verdict) in HOSTS {
        let seen = vec![(":authority", host)];
        let lines = format!("GET /v1 HTTP/1.1\r\nHost: {host}\r\n");
        for sent in [Sent::Http1(lines), Sent::Http2(with_defaults(&seen))] {
            let seen = seen.clone();
            rows.push(Row {
                sent,
                seen,
                verdict,
            });
        }
    }
    for &(sent, path, verdict) in PATHS {
        rows.push(Row {
            sent: Sent::Http1(format!("GET {sent} HTTP/1.1\r\nHost: api.extsvc\r\n")),
            seen: vec![(":authority", "api.extsvc"), (":path", path)],
            verdict,
        });
    }
    rows.extend(HTTP1.iter().map(|&(lines, seen, verdict)| Row {
        sent: Sent::Http1(lines.to_owned()),
        seen: seen.to_vec(),
        verdict,
    }));
    rows.extend(HTTP2.iter().map(|&(headers, seen, verdict)| Row {
        sent: Sent::Http2(with_defaults(headers)),
        seen: seen.to_vec(),
        verdict,
    }));
    rows.extend(CONNECTIONS.iter().map(|&(name, address, verdict)| Row {
        sent: Sent::Connection(name, address),
        seen: Vec::new(),
        verdict,
    }));
    rows
}

/// With the pseudo-headers that nothing is said about, before all others (RFC 9113 §8.3). A plain `CONNECT` has neither
/// scheme nor path (§8.5).
fn with_defaults(headers: &[Header]) -> Vec<Header> {
    let has = |name: &str| headers.iter().any(|(own, _)| *own == name);
    let is_plain_connect = headers.contains(&(":method", "CONNECT")) && !has(":protocol");
    let defaults = [(":method", "GET"), (":scheme", "http"), (":path", "/v1")];
    let defaults = defaults
        .into_iter()
        .filter(|(name, _)| !has(name) && (!is_plain_connect || *name == ":method"));
    let (pseudo, regular): (Vec<_>, Vec<_>) =
        headers.iter().partition(|(name, _)| name.starts_with(':'));
    defaults.chain(pseudo).chain(regular).collect()
}
