//! Istio's and Kubernetes' resources, each for one of many.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use meshgate::certs::{KeyType, Role, self_signed};

use super::each;
use super::kuma::address;

/// A gateway with HTTPS servers that share a credential, each with a service of its own.
pub(super) fn servers(number: usize) -> anyhow::Result<String> {
    let hosts = ["*.example.com".to_owned()];
    let pair = self_signed(Role::Server, KeyType::Ecdsa, &hosts)?;
    let [certificate, key] = [pair.certificate, pair.key].map(|pem| BASE64_STANDARD.encode(pem));
    let servers = each(number, server);
    let others = each(number, |host| route(host) + &rule(host) + &service(host));
    Ok(format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: own, namespace: web}}
type: kubernetes.io/tls
data: {{tls.crt: {certificate}, tls.key: {key}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: web}}
spec:
  selector: {{istio: edge}}
  servers:
{servers}{others}"
    ))
}

fn server(host: usize) -> String {
    format!(
        "  - port: {{number: 8443, name: h{host}, protocol: HTTPS}}
    hosts: [h{host}.example.com]
    tls: {{mode: SIMPLE, credentialName: own}}
"
    )
}

fn route(host: usize) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: h{host}, namespace: web}}
spec:
  hosts: [h{host}.example.com]
  gateways: [edge]
  http:
  - match: [{{uri: {{prefix: /a}}}}]
    route: [{{destination: {{host: s{host}, port: {{number: 80}}}}}}]
"
    )
}

fn rule(service: usize) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: s{service}, namespace: web}}
spec:
  host: s{service}
  trafficPolicy: {{connectionPool: {{http: {{maxRetries: 5}}}}}}
"
    )
}

fn service(service: usize) -> String {
    let address = address(service);
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: s{service}, namespace: web}}
spec:
  ports: [{{name: http, port: 80, targetPort: 9000}}]
  selector: {{app: s{service}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: s{service}-x, namespace: web, labels: {{kubernetes.io/service-name: s{service}}}}}
addressType: IPv4
ports: [{{name: http, port: 9000}}]
endpoints: [{{addresses: [{address}]}}]
"
    )
}
