//! Connections of other meshes' sidecars, which name a service, its port and its subset in the SNI
//! (`AUTO_PASSTHROUGH`; `builtAutoPassthroughFilterChains` in `pilot/pkg/networking/core/gateway.go` at 1.32).
//!
//! TLS goes on to the service as it is. A gateway cannot see whether it is mTLS, so it asks for a protocol that only
//! Istio's mTLS offers, as Istio does. A server's host with a namespace takes services of that namespace only, which
//! Istio does not look at.

use std::collections::HashSet;

use policy::{HostPattern, istio};

use super::connections::To;
use super::ports::Maker;
use super::servers::GatewayServer;
use crate::diagnostic::Code;
use crate::model::{Connections, Listener, WeightedCluster};

/// What Istio's mTLS offers (`allIstioMtlsALPNs`).
const PROTOCOLS: [&str; 5] = [
    "istio",
    "istio-peer-exchange",
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
];

/// A listener for each port and subset of the services that the server's hosts take.
pub(super) fn listeners<'a>(
    maker: &mut Maker<'a, '_>,
    server: &GatewayServer<'a>,
    taken: &mut HashSet<HostPattern>,
) -> Vec<Listener> {
    let hosts = server.hosts();
    let origin = maker.input.origin(server.gateway, &server.path());
    let mut made: Vec<Listener> = Vec::new();
    for destination in maker.clusters.mesh_destinations(|host, namespace| {
        let admitted = istio::names_for_namespace(&hosts, namespace);
        admitted.iter().any(|own| istio::subset_of(host, own))
    }) {
        let name = destination.sni();
        // No client can ask for a name that is none, like that of a wildcard.
        let Ok(hostname) = name.parse::<HostPattern>() else {
            continue;
        };
        if !taken.insert(hostname.clone()) {
            continue;
        }
        let found = maker.clusters.passed(&destination, &origin, maker.findings);
        if found.calls.tunnels.alone.is_some() {
            let message = format!("{name}: no tunnel is made for connections of AUTO_PASSTHROUGH");
            let path = server.path().field("tls").field("mode");
            let finding = server
                .gateway
                .warning(Code::TunnelWithoutEffect, &path, message);
            maker.findings.push(finding);
        }
        let connections = Connections {
            tunnel: None,
            clusters: vec![WeightedCluster {
                cluster: found.name,
                weight: 1,
                changes: None,
            }],
            origin: origin.clone(),
        };
        let to = To {
            connections,
            idle: found.calls.idle,
        };
        let listener = maker.connections(name, server, vec![hostname], to);
        made.extend(listener.map(|mut listener| {
            listener.passes_tls = true;
            listener.tls.accepted = PROTOCOLS.to_vec();
            listener
        }));
    }
    made
}
