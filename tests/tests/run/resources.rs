//! The resources of a gateway, as tests change them.

use std::fmt::Write;
use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) const HTTP: u16 = 8080;
pub(crate) const HTTPS: u16 = 8443;
/// The host that is there whatever changes.
pub(crate) const HOST: &str = "foo.example.com";

/// The resources of a gateway: what of them tests change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    /// The port of the backend.
    pub(crate) backend: u16,
    /// The name of the backend's service.
    pub(crate) service: String,
    /// What the header `x-generation` of all answers says.
    pub(crate) generation: usize,
    /// The hostnames of listeners on HTTP, besides [`HOST`].
    pub(crate) http: Vec<String>,
    /// The hostnames of listeners on HTTPS; none without a certificate.
    pub(crate) https: Vec<String>,
    /// Key and certificate of all listeners on HTTPS, PEM.
    pub(crate) certificate: Option<String>,
    /// More ports for HTTP.
    pub(crate) ports: Vec<u16>,
    /// Documents after all others.
    pub(crate) more: String,
}

impl Resources {
    pub(crate) fn new(backend: u16) -> Self {
        Self {
            backend,
            service: "backend".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn yaml(&self, address: Ipv4Addr) -> String {
        let Self {
            backend,
            service,
            generation,
            more,
            ..
        } = self;
        let mut listeners = String::new();
        let http = self.http.iter().map(|host| (HTTP, host.as_str()));
        let ports = self.ports.iter().map(|port| (*port, HOST));
        for (port, host) in [(HTTP, HOST)].into_iter().chain(http).chain(ports) {
            let _ = writeln!(
                listeners,
                "    - {{port: {port}, protocol: HTTP, hostname: '{host}'}}"
            );
        }
        for host in &self.https {
            let _ = writeln!(
                listeners,
                "    - {{port: {HTTPS}, protocol: HTTPS, hostname: '{host}', tls: {{mode: TERMINATE, certificates: [{{secret: tls}}]}}}}"
            );
        }
        let secret = self.certificate.as_ref().map_or(String::new(), |pem| {
            format!(
                "type: Secret\nmesh: default\nname: tls\ndata: {}\n---\n",
                STANDARD.encode(pem)
            )
        });
        format!(
            "{secret}type: Dataplane
mesh: default
name: edge-1
networking:
  address: {address}
  gateway:
    type: BUILTIN
    tags:
      kuma.io/service: edge-gateway
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: 127.0.0.1
  inbound:
    - port: {backend}
      tags:
        kuma.io/service: {service}
---
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
  - match:
      kuma.io/service: edge-gateway
conf:
  listeners:
{listeners}---
type: MeshHTTPRoute
mesh: default
name: all
spec:
  targetRef: {{kind: MeshGateway, name: edge-gateway}}
  to:
    - targetRef: {{kind: Mesh}}
      rules:
        - matches:
            - path: {{type: PathPrefix, value: /}}
          default:
            filters:
              - type: ResponseHeaderModifier
                responseHeaderModifier:
                  set: [{{name: x-generation, value: '{generation}'}}]
            backendRefs:
              - {{kind: MeshService, name: {service}}}
{more}"
        )
    }
}
