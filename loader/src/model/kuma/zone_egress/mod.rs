//! From Kuma's resources to what the proxy of a zone egress has to do (Kuma `pkg/xds/generator/egress` and
//! `pkg/xds/sync/egress_proxy_builder.go` at 2.14.3).
//!
//! It is in no mesh and serves all that have mTLS, on one port: the name that a client asks for in TLS says which
//! service of which mesh it wants. For services outside TLS ends here, and each mesh has its own identity and CA; for
//! services of other zones it goes on as it is.
//!
//! ```text
//! ZoneEgress ─┬─ each Mesh with mTLS ─┬─ legacy: ExternalServices ── access: who may
//!             │                       ├─ outside: MeshExternalServices
//!             │                       └─ zones: services behind ZoneIngresses
//!             └─ destinations: by which names they are asked for
//! ```

mod access;
mod destinations;
mod legacy;
mod outside;
mod zones;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use policy::{HostPattern, Tags};

use self::destinations::Destinations;
use super::Input;
use super::lookup::Lookup;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::access::Access;
use crate::model::identity::TlsParams;
use crate::model::policy::ListenerPolicy;
use crate::model::role::{Egress, TlsEnd, WayOut};
use crate::model::{
    Action, Cluster, Connections, Dialect, Forward, HostRewrite, Identity, Listener, MeshClients,
    Origin, Port, Protocol, Proxy, Role, Route, ServerTls, SpiffeIds, Trust, VirtualHost,
    WeightedCluster,
};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, ZoneListenerType};
use crate::resources::kuma::zone_egress::ZoneEgress;
use crate::source::Path;

/// The service that every egress is, in the identity that it has in a mesh (Kuma `ZoneEgressServiceName` at 2.14.3).
pub(super) const SERVICE: &str = "zone-egress";

/// Who an egress is in each of the meshes that it serves.
pub fn egress_identities(lookup: &Lookup<'_>, egress: &Resource<ZoneEgress>) -> Vec<Identity> {
    let identity = |mesh: &str| Identity {
        mesh: mesh.to_owned(),
        // A Dataplane cannot have such a name, so the two have no files in common.
        dataplane: format!("ZoneEgress.{}", egress.meta.name),
        services: vec![SERVICE.to_owned()],
        tags: Vec::new(),
    };
    meshes(lookup).into_iter().map(identity).collect()
}

/// The meshes that egresses serve: nobody finds them by a name in TLS where there is no TLS.
fn meshes<'a>(lookup: &Lookup<'a>) -> Vec<&'a str> {
    let meshes = lookup.input.resources.meshes.iter();
    let mut names: Vec<_> = meshes.map(|mesh| mesh.meta.name.as_str()).collect();
    names.retain(|mesh| lookup.has_mtls(mesh));
    names.sort_unstable();
    names.dedup();
    names
}

/// What the proxy of an egress has to do; nothing if it cannot be on its address. Whatever is wrong is added to
/// `findings`.
pub(super) fn zone_egress<'a>(
    lookup: &'a Lookup<'a>,
    egress: &'a Resource<ZoneEgress>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    let networking = &egress.spec.networking;
    let path = Path::of("networking.address");
    let Ok(address) = networking.address.parse::<IpAddr>() else {
        let message = "address has to be a valid IP address";
        findings.push(egress.error(Code::AddressIsNoIp, &path, message).help(
            "Envoy listens on addresses, not on names: write the one that the proxy listens on",
        ));
        return None;
    };
    // Validation has named ports that are none.
    let number = u16::try_from(networking.port).ok()?;
    let meshes = meshes(lookup);
    if meshes.is_empty() {
        let message = "no mesh has mTLS, so nobody can ask this egress for anything";
        let finding = egress.warning(Code::EgressWithoutMesh, &Path::root(), message);
        findings.push(finding.help("give a Mesh `mtls.enabledBackend`"));
    }
    let mut ways = Ways::new(lookup, &egress.spec.zone);
    for mesh in meshes {
        ways.add_mesh(mesh, findings);
    }
    let origin = lookup.input.origin(egress, &Path::root());
    let identities = egress_identities(lookup, egress);
    let (port, clusters) = ways.into_port(address, number, identities, origin);
    Some(Proxy {
        dialect: Dialect::Kuma,
        name: egress.meta.name.clone(),
        mesh: String::new(),
        service: SERVICE.to_owned(),
        address,
        identity: None,
        ports: vec![port],
        clusters,
        dns: None,
        transparent: None,
        tokens: Vec::new(),
        access: Access::default(),
    })
}

/// The ports of a Dataplane that are egresses of its mesh, for `MeshExternalService`s (Kuma
/// `pkg/xds/generator/zone_proxy_listener_generator.go` at 2.14.3).
pub(super) fn ports_of_dataplane<'a>(
    lookup: &'a Lookup<'a>,
    dataplane: &'a Resource<Dataplane>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let mut ports = Vec::new();
    let zone = super::zone(&dataplane.meta).unwrap_or_default();
    let listeners = dataplane.spec.networking.listeners.iter().enumerate();
    for (index, listener) in listeners.filter(|(_, l)| l.kind == ZoneListenerType::ZoneEgress) {
        let path = Path::of("networking.listeners").index(index);
        // Validation has named addresses and ports that are none.
        let (Ok(address), Ok(number)) = (listener.address.parse(), u16::try_from(listener.port))
        else {
            continue;
        };
        if !lookup.has_mtls(&dataplane.meta.mesh) {
            let message = "the mesh has no mTLS, so nobody can ask this egress for anything";
            let finding = dataplane.warning(Code::EgressWithoutMesh, &path, message);
            findings.push(finding.help("give the Mesh `mtls.enabledBackend`"));
            continue;
        }
        let mut ways = Ways::new(lookup, zone);
        outside::add(
            &mut ways,
            &dataplane.meta.mesh,
            Some((dataplane, listener)),
            findings,
        );
        let origin = lookup.input.origin(dataplane, &path);
        let (port, own) = ways.into_port(address, number, Vec::new(), origin);
        ports.push(port);
        clusters.extend(own);
    }
    ports
}

/// The ways out of an egress, as they are found.
struct Ways<'a> {
    input: Input<'a>,
    lookup: &'a Lookup<'a>,
    /// The zone that the egress is in; empty if nobody says.
    zone: &'a str,
    by_listener: BTreeMap<String, WayOut>,
    listeners: Vec<Listener>,
    clusters: Vec<Cluster>,
    /// The names in TLS, and whose they are.
    owners: BTreeMap<String, String>,
    /// The names of the listeners, and whose they are.
    taken: HashMap<String, String>,
}

impl<'a> Ways<'a> {
    fn new(lookup: &'a Lookup<'a>, zone: &'a str) -> Self {
        Self {
            input: lookup.input,
            lookup,
            zone,
            by_listener: BTreeMap::new(),
            listeners: Vec::new(),
            clusters: Vec::new(),
            owners: BTreeMap::new(),
            taken: HashMap::new(),
        }
    }

    /// Services of other zones come first: of two of one name they are the ones that are asked for.
    fn add_mesh(&mut self, mesh: &str, findings: &mut Vec<Diagnostic>) {
        zones::add(self, mesh, findings);
        legacy::add(self, mesh, findings);
        outside::add(self, mesh, None, findings);
    }

    /// Whether what has this zone in its tags or labels is reached from here.
    fn is_reached(&self, zone: Option<&str>) -> bool {
        zone.is_none_or(|zone| zone.is_empty() || zone == self.zone)
    }

    /// Adds a way, without the names that are another one's already: Envoy refuses two chains with one name. Says the
    /// first owner of a name that is taken.
    fn add(&mut self, mut way: WayOut, listener: Listener, cluster: Cluster) -> Option<String> {
        if let Some(other) = self.taken.get(&listener.name) {
            return Some(other.clone());
        }
        let mut other = None;
        way.server_names.retain(|name| {
            let owner = self.owners.get(&name.to_ascii_lowercase());
            other = other.take().or_else(|| owner.cloned());
            owner.is_none()
        });
        if way.server_names.is_empty() {
            return other;
        }
        for name in &way.server_names {
            let owner = listener.origin.resource.clone();
            self.owners.insert(name.to_ascii_lowercase(), owner);
        }
        let owner = listener.origin.resource.clone();
        self.taken.insert(listener.name.clone(), owner);
        self.by_listener.insert(listener.name.clone(), way);
        self.listeners.push(listener);
        self.clusters.push(cluster);
        other
    }

    fn into_port(
        mut self,
        address: IpAddr,
        number: u16,
        identities: Vec<Identity>,
        origin: Origin,
    ) -> (Port, Vec<Cluster>) {
        self.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        self.clusters.dedup_by(|a, b| a.name == b.name);
        let port = Port {
            name: format!("inbound:{address}:{number}"),
            role: Role::Egress(Egress {
                ways: self.by_listener,
                identities,
            }),
            address,
            socket: None,
            number,
            protocol: Protocol::Tls,
            listeners: self.listeners,
            connection_limit: None,
            clients: None,
            origin,
        };
        (port, self.clusters)
    }
}

/// A way out for clients of a mesh that prove who they are.
fn ends_here(mesh: &str) -> TlsEnd {
    TlsEnd {
        mesh: mesh.to_owned(),
        clients: MeshClients {
            trust: Trust::Mesh(mesh.to_owned()),
            peers: vec![SpiffeIds::mesh(mesh)],
            params: TlsParams::default(),
        },
        permission: None,
        outside: None,
    }
}

/// A listener for all that goes to one cluster: requests, or connections as they are.
fn listener(cluster: &Cluster, is_http: bool) -> Listener {
    let origin = &cluster.origin;
    let clusters = vec![WeightedCluster {
        cluster: cluster.name.clone(),
        weight: 1,
        changes: None,
    }];
    let mut listener = Listener {
        name: cluster.name.clone(),
        hostname: HostPattern::Any,
        other_hostnames: Vec::new(),
        tags: Tags::default(),
        certificates: Vec::new(),
        passes_tls: false,
        tls: ServerTls::default(),
        permission: None,
        virtual_hosts: Vec::new(),
        connections: Vec::new(),
        policy: ListenerPolicy::default(),
        origin: origin.clone(),
    };
    if !is_http {
        let origin = origin.clone();
        listener.connections = vec![Connections {
            tunnel: None,
            clusters,
            origin,
        }];
        return listener;
    }
    let forward = Forward {
        clusters,
        host: Some(HostRewrite::ToBackend),
        ..Forward::default()
    };
    let mut route = Route::new(Action::Forward(forward), origin.clone());
    // Clients have limits of their own; Kuma leaves only Envoy's own for silence.
    route.policy.timeout = Some(Duration::ZERO);
    route.policy.idle = Some(Duration::from_mins(5));
    listener.virtual_hosts = vec![VirtualHost::new(
        HostPattern::Any,
        vec![route],
        origin.clone(),
    )];
    listener
}
