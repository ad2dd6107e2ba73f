//! Resources of Istio that tests of several kinds begin with.

use std::net::IpAddr;

/// A `Gateway` with an HTTPS server for each `<name>.example.com`, given with the fields of its `tls`, and a
/// `VirtualService` that leads all of them to one destination.
pub fn https_gateway(
    bind: Option<IpAddr>,
    port: u16,
    servers: &[(&str, impl AsRef<str>)],
    destination: &str,
) -> String {
    let bind = bind.map_or(String::new(), |bind| format!("    bind: {bind}\n"));
    let servers = servers.iter().map(|(name, tls)| {
        let tls = tls.as_ref();
        format!(
            "  - port: {{number: {port}, name: {name}, protocol: HTTPS}}
{bind}    hosts: [{name}.example.com]
    tls: {{{tls}}}
"
        )
    });
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{app: edge}}
  servers:
{}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: ['*.example.com']
  gateways: [edge]
  http: [{{route: [{{destination: {{host: {destination}}}}}]}}]
",
        servers.collect::<String>()
    )
}
