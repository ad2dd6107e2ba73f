//! Kuma's resources, each for one of many.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use meshgate::certs::{KeyType, Role, self_signed};

use super::each;
use crate::input::{HEAD, listeners, route};

/// A mesh in which services have identities.
pub(super) const MTLS: &str = "type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
";

/// A gateway with HTTPS listeners that share a certificate.
pub(super) fn https(number: usize) -> anyhow::Result<String> {
    let hosts = ["*.example.com".to_owned()];
    let pair = self_signed(Role::Server, KeyType::Ecdsa, &hosts)?;
    let secret = BASE64_STANDARD.encode(pair.certificate + &pair.key);
    let listeners = listeners(
        number,
        "protocol: HTTPS, tls: {mode: TERMINATE, certificates: [{secret: own}]}",
    );
    Ok(format!(
        "{HEAD}---\ntype: Secret\nmesh: default\nname: own\ndata: {secret}\n{listeners}"
    ))
}

/// Services, and a gateway with a listener and a route for each.
pub(super) fn of_services(number: usize) -> String {
    let services = each(number, |service| dataplane(service, ""));
    let routes = each(number, |host| route(host, &format!("s{host}")));
    let listeners = listeners(number, "protocol: HTTP");
    format!("{HEAD}{services}{listeners}{routes}")
}

/// A service, with more about its networking.
pub(super) fn dataplane(service: usize, more: &str) -> String {
    let address = address(service);
    format!(
        "---
type: Dataplane
mesh: default
name: s{service}
networking:
  address: {address}
  inbound:
  - {{port: 9000, tags: {{kuma.io/service: s{service}, kuma.io/protocol: http}}}}
{more}"
    )
}

/// A service with a proxy of its own, which calls the next one.
pub(super) fn sidecar(service: usize, number: usize) -> String {
    let next = (service + 1) % number;
    let networking = format!(
        "  - {{port: 9001, servicePort: 9002, tags: {{kuma.io/service: t{service}, kuma.io/protocol: http}}}}
  outbound:
  - {{port: 7000, tags: {{kuma.io/service: s{next}}}}}
"
    );
    dataplane(service, &networking)
}

pub(super) fn mesh_service(service: usize) -> String {
    format!(
        "---
type: MeshService
mesh: default
name: s{service}
spec:
  selector: {{dataplaneTags: {{kuma.io/service: s{service}}}}}
  ports: [{{port: 80, targetPort: 9000, appProtocol: http}}]
"
    )
}

/// Who may call a service: the one before it.
pub(super) fn permission(service: usize, number: usize) -> String {
    let caller = (service + number - 1) % number;
    format!(
        "---
type: MeshTrafficPermission
mesh: default
name: p{service}
spec:
  targetRef: {{kind: MeshSubset, tags: {{kuma.io/service: s{service}}}}}
  from:
  - targetRef: {{kind: MeshSubset, tags: {{kuma.io/service: s{caller}}}}}
    default: {{action: Allow}}
"
    )
}

/// Policies for a listener.
pub(super) fn of_listener(host: usize) -> String {
    let target = format!("{{kind: MeshGateway, name: edge, tags: {{host: h{host}}}}}");
    policies(host, &target, "{kind: Mesh}")
}

/// Policies for a service, whoever calls it.
pub(super) fn of_service(service: usize) -> String {
    let to = format!("{{kind: MeshService, name: s{service}}}");
    policies(service, "{kind: Mesh}", &to)
}

fn policies(number: usize, target: &str, to: &str) -> String {
    let policy = |(kind, conf)| {
        format!(
            "---
type: {kind}
mesh: default
name: t{number}
spec:
  targetRef: {target}
  to:
  - targetRef: {to}
    default: {conf}
"
        )
    };
    let confs = [
        ("MeshTimeout", "{http: {requestTimeout: 5s}}"),
        ("MeshRetry", "{http: {numRetries: 5}}"),
        (
            "MeshCircuitBreaker",
            "{connectionLimits: {maxConnections: 5}}",
        ),
    ];
    confs.into_iter().map(policy).collect()
}

/// The older policies for a service.
pub(super) fn older(service: usize) -> String {
    let policy = |(kind, conf)| {
        format!(
            "---
type: {kind}
mesh: default
name: t{service}
sources: [{{match: {{kuma.io/service: '*'}}}}]
destinations: [{{match: {{kuma.io/service: s{service}}}}}]
conf: {conf}
"
        )
    };
    let confs = [
        ("Timeout", "{connectTimeout: 5s}"),
        ("Retry", "{http: {numRetries: 5}}"),
        ("CircuitBreaker", "{thresholds: {maxConnections: 5}}"),
    ];
    confs.into_iter().map(policy).collect()
}

/// The older route: for listeners with these tags, or for this hostname.
pub(super) fn gateway_route(number: usize, tags: &str, hostname: &str) -> String {
    format!(
        "---
type: MeshGatewayRoute
mesh: default
name: h{number}
selectors:
- match: {{kuma.io/service: edge{tags}}}
conf:
  http:
    hostnames: [{hostname}]
    rules:
    - matches: [{{path: {{match: PREFIX, value: /a}}}}]
      backends: [{{weight: 1, destination: {{kuma.io/service: backend}}}}]
"
    )
}

/// The route for the connections of one listener.
pub(super) fn tcp_route(host: usize) -> String {
    format!(
        "---
type: MeshTCPRoute
mesh: default
name: h{host}
spec:
  targetRef: {{kind: MeshGateway, name: edge, tags: {{host: h{host}}}}}
  to:
  - targetRef: {{kind: Mesh}}
    rules:
    - default: {{backendRefs: [{{kind: MeshService, name: backend}}]}}
"
    )
}

/// A service outside of the mesh.
pub(super) fn outside(service: usize) -> String {
    let address = address(service);
    format!(
        "---
type: MeshExternalService
mesh: default
name: m{service}
spec:
  match: {{type: HostnameGenerator, port: 9000, protocol: http}}
  endpoints: [{{address: {address}, port: 9000}}]
"
    )
}

/// One of its own for each.
pub(super) fn address(number: usize) -> String {
    format!("127.0.{}.{}", number / 250, number % 250 + 1)
}
