//! Gateways of other meshes, as clients reach them: by an outbound with tags, or by hostname.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use policy::{HostPattern, Tags};

use super::Sidecar;
use super::entrances::named;
use crate::diagnostic::{Code, Diagnostic};
use crate::hash::sha256_hex;
use crate::model::identity::TlsParams;
use crate::model::kuma::policies::{self, Destination, Policies};
use crate::model::kuma::{MESH_TAG, SERVICE_TAG, sni};
use crate::model::policy::{ClusterPolicy, ListenerPolicy};
use crate::model::role::{Opening, Outbound};
use crate::model::{
    Action, Cluster, CrossMeshGateway, Endpoint, Listener, MeshTls, Origin, Port, Protocol, Role,
    Route, ServerTls, SpiffeIds, Trust, UpstreamProtocol, VirtualHost,
};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::kuma::mesh_gateway;
use crate::source::Path;

/// The label of a Dataplane with the port on 127.0.0.1 where its service reaches all cross-mesh gateways by hostname.
const PORT_LABEL: &str = "meshgate.io/cross-mesh-port";

/// The cluster of an outbound with the tag of a mesh. Nothing is sent without mTLS, so there is no cluster without it
/// in both meshes (Kuma `fillLocalCrossMeshOutbounds` in `pkg/xds/topology/outbound.go` at 2.14.3).
pub(super) fn cluster(
    own: &Sidecar<'_>,
    tags: &Tags,
    path: &Path,
    findings: &mut Vec<Diagnostic>,
) -> Option<Cluster> {
    let mesh = tags.get(MESH_TAG)?;
    let service = tags.get(SERVICE_TAG).unwrap_or_default();
    let without = [own.mesh(), mesh];
    let mut without = without
        .into_iter()
        .filter(|mesh| !own.lookup.has_mtls(mesh));
    if let Some(without) = without.next() {
        let message = format!(
            "mTLS must be enabled in both meshes for `{service}` of mesh `{mesh}`, and `{without}` has none"
        );
        findings.push(
            own.dataplane
                .error(Code::CrossMeshWithoutMtls, path, message)
                .help(format!("give Mesh `{without}` an `mtls.enabledBackend`: nothing is sent in the clear instead")),
        );
        return None;
    }
    let destination = tags.iter().filter(|(name, _)| *name != MESH_TAG);
    let destination: Tags = destination.collect();
    let mut endpoints = BTreeSet::new();
    let mut is_gateway = false;
    for (dataplane, listener) in own.lookup.mesh(mesh).entrances().with(&destination) {
        is_gateway = true;
        endpoints.extend(endpoint(dataplane, listener).filter(|_| listener.cross_mesh));
    }
    if endpoints.is_empty() {
        findings.push(nowhere(own, path, mesh, &destination, is_gateway));
    }
    let origin = own.input.origin(own.dataplane, path);
    let name = name(tags, mesh);
    Some(made(
        name,
        mesh,
        &destination,
        endpoints.into_iter().collect(),
        origin,
    ))
}

fn nowhere(
    own: &Sidecar<'_>,
    path: &Path,
    mesh: &str,
    destination: &Tags,
    is_gateway: bool,
) -> Diagnostic {
    if is_gateway {
        let message = format!(
            "no listener of the gateway {destination} of mesh `{mesh}` is for other meshes"
        );
        return own
            .dataplane
            .error(Code::NotCrossMesh, path, message)
            .help("write `crossMesh: true` on a listener of its MeshGateway");
    }
    let message = format!("mesh `{mesh}` has no built-in gateway with the tags {destination}");
    own.dataplane
        .warning(Code::MissingBackend, path, message)
        .help("requests to it get 503: add a Dataplane with `gateway.type: BUILTIN` and a MeshGateway to that mesh")
}

/// At the address, not at the advertised one, as on Kuma.
pub(super) fn endpoint(
    dataplane: &Resource<Dataplane>,
    listener: &mesh_gateway::Listener,
) -> Option<Endpoint> {
    Some(Endpoint {
        address: dataplane.spec.networking.address.clone(),
        port: u16::try_from(listener.port).ok()?,
        priority: 0,
        tls: None,
        weight: None,
        locality: None,
    })
}

pub(super) fn made(
    name: String,
    mesh: &str,
    destination: &Tags,
    endpoints: Vec<Endpoint>,
    origin: Origin,
) -> Cluster {
    let service = destination.get(SERVICE_TAG).unwrap_or_default();
    Cluster {
        name,
        protocol: UpstreamProtocol::Http2,
        endpoints,
        tls: Some(MeshTls {
            trust: Trust::Mesh(mesh.to_owned()),
            peers: vec![SpiffeIds::service(mesh, service)],
            sni: sni::of_tags(destination, mesh),
            params: TlsParams::default(),
        }),
        origination: None,
        destination: destination.clone(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin,
    }
}

/// `<service>-<hash>_<mesh>` (Kuma `determineRoutes` in `pkg/xds/generator/outbound_proxy_generator.go` at 2.14.3).
pub(super) fn name(tags: &Tags, mesh: &str) -> String {
    let hash = sha256_hex(tags.iter().flat_map(|(name, value)| [name, value]), 8);
    let service = tags.get(SERVICE_TAG).unwrap_or_default();
    format!("{service}-{hash}_{mesh}")
}

/// The one port where the service reaches the cross-mesh gateways of all meshes by hostname, if the Dataplane asks
/// for it.
pub(super) fn by_hostname(
    own: &Sidecar<'_>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Port> {
    let number = own.port_of_label(PORT_LABEL, Code::CrossMeshPort, findings)?;
    let path = Path::root();
    if !own.has_mtls {
        let message = format!(
            "label `{PORT_LABEL}`: mTLS must be enabled in mesh `{}`, whose services reach other meshes with it only",
            own.mesh()
        );
        findings.push(
            own.dataplane
                .error(Code::CrossMeshWithoutMtls, &path, message)
                .help(format!(
                    "give Mesh `{}` an `mtls.enabledBackend`",
                    own.mesh()
                )),
        );
        return None;
    }
    let (gateways, mut made) = named(own.lookup).clone();
    let origin = own.input.origin(own.dataplane, &path);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut names: BTreeMap<&str, &CrossMeshGateway> = BTreeMap::new();
    for gateway in &gateways {
        names.entry(&gateway.hostname).or_insert(gateway);
    }
    let hosts = names.into_iter().filter_map(|(hostname, gateway)| {
        let route = Route::new(Action::ForwardAsDecided, gateway.origin.clone());
        Some(VirtualHost::new(
            hostname.parse::<HostPattern>().ok()?,
            vec![route],
            gateway.origin.clone(),
        ))
    });
    let mut listener = Listener {
        name: format!("cross-mesh/{number}"),
        hostname: HostPattern::Any,
        other_hostnames: Vec::new(),
        tags: Tags::default(),
        permission: None,
        certificates: Vec::new(),
        passes_tls: false,
        tls: ServerTls::default(),
        virtual_hosts: hosts.collect(),
        connections: Vec::new(),
        policy: ListenerPolicy::default(),
        origin: origin.clone(),
    };
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    let all = Destination::default();
    let for_logs = own.for_logs();
    policies::outbound(&policies, &for_logs, &all, false, &mut listener, clusters);
    for cluster in &mut made {
        let service = Destination::of_tags(&cluster.destination);
        policies::upstream(&policies, &service, cluster);
    }
    clusters.extend(made);
    Some(Port {
        name: format!("cross-mesh:{address}:{number}"),
        address,
        socket: None,
        number,
        protocol: Protocol::Http,
        listeners: vec![listener],
        connection_limit: None,
        clients: None,
        role: Role::Outbound(Outbound {
            caller: own.tags.clone(),
            gateways,
            outside: None,
            hostnames: Vec::new(),
            is_outside: false,
            opening: Opening::Address,
        }),
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name that Kuma's own golden file has (`testdata/outbound-proxy/09.envoy.golden.yaml` at 2.14.3).
    #[test]
    fn clusters_are_named_as_kuma_names_them() {
        let tags = [(MESH_TAG, "mesh2"), (SERVICE_TAG, "api-http")];
        let name = name(&tags.into_iter().collect(), "mesh2");
        assert_eq!(name, "api-http-5637c619d2781fec_mesh2");
    }
}
