//! What one proxy has to do, whichever dialect it was written in.
//!
//! [`kuma`] makes it from Kuma's resources, [`istio`] from Istio's; [`crate::envoy`] makes Envoy's configuration from it.

pub mod access;
pub(crate) mod certificates;
pub mod forbidden;
pub mod identity;
pub mod istio;
pub mod kuma;
mod locality;
pub mod mesh;
mod names;
pub mod policy;
pub mod role;
pub mod route;
pub mod tls;
pub mod token;
pub mod transparent;
pub mod upstream;
mod wider;

use std::fmt;
use std::net::IpAddr;

use ::policy::{HostPattern, Tags};

use self::access::Access;
use self::policy::{ClusterPolicy, ListenerPolicy, LogTarget};

pub(crate) use certificates::PrivateKey;
pub use identity::{Identity, MeshClients, MeshTls, SpiffeIds, Trust};
pub use locality::Locality;
pub use names::{Dns, Place};
pub use role::{
    Clients, CrossMeshGateway, Egress, Inbound, Opening, Outbound, Outside, Permission, Refusal,
    Requests, Role, TlsEnd, WayOut, Who,
};
pub use route::{
    Action, BackendChanges, Body, Forward, HeaderChanges, HeaderMatch, HeaderTest, HostRewrite,
    Mirror, Part, PathMatch, PathRewrite, QueryMatch, QueryTest, Redirect, Route, VirtualHost,
    WeightedCluster,
};
pub use tls::{CertificateFiles, ClientValidation, ServerTls, Source, TlsOrigination, TlsVersion};
pub use token::{ClaimMatch, TokenKeys, TokenRule};
pub use transparent::Transparent;
pub(crate) use wider::with_wider;

/// One proxy: the listeners that it opens and the clusters that it forwards to.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Whose gateway it is in all that nobody can write down: names of things, what is sent to whom by itself.
    pub dialect: Dialect,
    /// The Dataplane's name; one of Kubernetes has its namespace in it.
    pub name: String,
    /// Its mesh, empty if it is in none; on Istio its namespace.
    pub mesh: String,
    /// The service that it is, `kuma.io/service`: Envoy's cluster name in its node and the prefix of statistics.
    pub service: String,
    /// The address of its Dataplane.
    pub address: IpAddr,
    /// Who it is to the proxies of meshes; absent if its mesh has no mTLS.
    pub identity: Option<Identity>,
    /// Ports, by number.
    pub ports: Vec<Port>,
    /// Clusters, by name.
    pub clusters: Vec<Cluster>,
    /// Whose tokens requests to it may carry.
    pub tokens: Vec<TokenRule>,
    /// Who may send which requests to it.
    pub access: Access,
    /// Where it answers DNS queries for the names of its outbounds, if it does.
    pub dns: Option<Dns>,
    /// What happens to connections that the network redirects to it, if it does.
    pub transparent: Option<Transparent>,
}

impl Proxy {
    /// The TCP servers that access log lines go to, `host:port`.
    pub fn log_servers(&self) -> impl Iterator<Item = &str> {
        let listeners = self.ports.iter().flat_map(|port| &port.listeners);
        let logs = listeners.flat_map(|listener| &listener.policy.access_logs);
        logs.filter_map(|log| match &log.target {
            LogTarget::Tcp(address, _) => Some(address.as_str()),
            LogTarget::File(..) | LogTarget::OpenTelemetry(_) => None,
        })
    }

    /// Who it is in each of its meshes that has mTLS.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        let further = self.ports.iter().flat_map(|port| match &port.role {
            Role::Egress(egress) => &egress.identities[..],
            _ => &[],
        });
        self.identity.iter().chain(further)
    }

    /// Opens on `address` what would be opened on the address of the Dataplane.
    pub fn listen_on(&mut self, address: IpAddr) {
        for port in &mut self.ports {
            if port.address == self.address {
                port.address = address;
            }
        }
        self.address = address;
    }
}

/// Whose gateway a proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Kuma's built-in gateway.
    Kuma,
    /// Istio's ingress gateway.
    Istio,
}

/// A port, with all the listeners that share it.
#[derive(Clone, Debug)]
pub struct Port {
    /// The name of Kuma's Envoy listeners: `<gateway>:<protocol>:<port>`, on sidecars `<direction>:<address>:<port>`.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// The address that it is opened on.
    pub address: IpAddr,
    /// The Unix socket that it is in place of address and number; a name that begins with `@` is an abstract one.
    pub socket: Option<String>,
    /// The number.
    pub number: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The listeners, the narrowest hostname first.
    pub listeners: Vec<Listener>,
    /// How many connections it takes at a time; without a limit if absent.
    pub connection_limit: Option<u32>,
    /// Its clients, if they are proxies of meshes that prove who they are.
    pub clients: Option<MeshClients>,
    /// The listener of the gateway, or the entry of the Dataplane.
    pub origin: Origin,
}

impl Port {
    /// The listeners that TLS sessions can be opened with: those that have a certificate, or whose backend has it.
    pub fn with_certificate(&self) -> impl Iterator<Item = &Listener> {
        self.listeners
            .iter()
            .filter(|listener| listener.passes_tls || listener.has_certificate())
    }

    /// Whether a listener of it takes requests, and not connections as a whole.
    pub fn takes_requests(&self, listener: &Listener) -> bool {
        let is_http = matches!(self.protocol, Protocol::Http | Protocol::Https);
        is_http && !listener.passes_tls && listener.connections.is_empty()
    }

    /// Whether anything can be served on it.
    pub fn is_open(&self) -> bool {
        if let Role::Egress(egress) = &self.role {
            return !egress.ways.is_empty();
        }
        let is_tls = matches!(self.protocol, Protocol::Https | Protocol::Tls);
        !is_tls || self.with_certificate().next().is_some()
    }
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2 without TLS.
    Http,
    /// HTTP/1.1 and HTTP/2 over TLS, terminated here.
    Https,
    /// Connections without any known protocol.
    Tcp,
    /// Connections over TLS, terminated here or by the backend.
    Tls,
}

/// Who takes requests for some hosts of a port.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `<gateway>/<port>/<hostname>`, in logs and counters.
    pub name: String,
    /// The hosts that it takes; on TLS also the SNI.
    pub hostname: HostPattern,
    /// Further hosts that it takes; none on Kuma.
    pub other_hostnames: Vec<HostPattern>,
    /// The tags of Dataplane, gateway and listener, merged.
    pub tags: Tags,
    /// Its certificates, one for each kind of key; none without TLS. On HTTPS a listener without any is not served, but
    /// its hosts stay its own: no other listener gets them.
    pub certificates: Vec<Certificate>,
    /// Whether TLS ends at the backend.
    pub passes_tls: bool,
    /// What TLS is like, where it ends here.
    pub tls: ServerTls,
    /// Which clients may send requests to it, of those that get a connection; all of them if absent.
    pub permission: Option<Permission>,
    /// Where its requests go.
    pub virtual_hosts: Vec<VirtualHost>,
    /// Where its connections go, on TCP and TLS: to any of the clusters of all entries, by weight.
    pub connections: Vec<Connections>,
    /// What policies say. Without TLS all listeners of a port share their connections, and say the same here.
    pub policy: ListenerPolicy,
    /// The listener in its gateway.
    pub origin: Origin,
}

impl Listener {
    /// All hosts that it takes.
    pub fn hostnames(&self) -> impl Iterator<Item = &HostPattern> {
        std::iter::once(&self.hostname).chain(&self.other_hostnames)
    }

    /// Whether TLS sessions can end here.
    pub fn has_certificate(&self) -> bool {
        !self.certificates.is_empty() || !self.tls.files.is_empty() || self.tls.mesh.is_some()
    }
}

/// What happens to connections.
#[derive(Clone, Debug)]
pub struct Connections {
    /// What they are put into on the way; nothing if absent.
    pub tunnel: Option<Tunnel>,
    /// They go to one of these clusters. Where no weight is above 0, all shares are equal.
    pub clusters: Vec<WeightedCluster>,
    /// The rule.
    pub origin: Origin,
}

/// A request to a proxy of HTTP that connections go on as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Where the proxy is to connect to.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// Whether it is a POST, and not a CONNECT.
    pub posts: bool,
}

/// Endpoints that serve the same.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `<service>-<hash of tags>`.
    pub name: String,
    /// What its endpoints speak.
    pub protocol: UpstreamProtocol,
    /// The endpoints, sorted.
    pub endpoints: Vec<Endpoint>,
    /// mTLS with all endpoints, which are proxies of a mesh. Endpoints outside have a TLS of their own, or none.
    pub tls: Option<MeshTls>,
    /// TLS with all endpoints, none of which has one of its own.
    pub origination: Option<TlsOrigination>,
    /// The tags that its endpoints have.
    pub destination: Tags,
    /// The merged tags of the listener that calls it.
    pub source: Tags,
    /// What policies say.
    pub policy: ClusterPolicy,
    /// The backend reference that it was made for first.
    pub origin: Origin,
}

/// What the endpoints of a cluster speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without negotiation.
    Http2,
    /// gRPC, and so HTTP/2 without negotiation.
    Grpc,
    /// What the client speaks.
    AsClient,
}

/// Where a service can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// An IP address, a DNS name that Envoy resolves, or `unix://` with the path of a socket.
    pub address: String,
    /// The port; 0 of a socket.
    pub port: u16,
    /// Those with a greater one are for when those with smaller ones are not healthy.
    pub priority: u32,
    /// The TLS that is spoken with it; none if absent.
    pub tls: Option<UpstreamTls>,
    /// Its share, compared to the other endpoints'; 1 if absent.
    pub weight: Option<u32>,
    /// Where it is, if that is known.
    pub locality: Option<Locality>,
}

/// TLS with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpstreamTls {
    /// The name that is asked for.
    pub sni: Option<String>,
    /// The names or addresses of which the endpoint's certificate has to be for one; any if there are none.
    pub expected: Vec<ExpectedName>,
    /// Who has to have signed the endpoint's certificate; it is not looked at if absent.
    pub authority: Option<Authority>,
    /// The oldest version; Envoy's choice if absent.
    pub min: Option<TlsVersion>,
    /// The newest version; Envoy's choice if absent.
    pub max: Option<TlsVersion>,
    /// The gateway's own certificate.
    pub certificate: Option<ClientCertificate>,
    /// Whether the endpoint may negotiate again.
    pub allow_renegotiation: bool,
}

/// A name that a certificate may be for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpectedName {
    /// This one.
    Exact(String),
    /// Those that begin with this.
    Prefix(String),
}

/// Certificates of CAs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// These, PEM.
    Pem(String),
    /// Those in this file, as Envoy finds it.
    File(String),
}

/// The gateway's certificate where it is the client.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientCertificate {
    /// The certificate and its chain, PEM.
    pub chain: String,
    /// The private key, PEM.
    pub key: String,
}

/// Leaves the key out.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    /// `cert.<rsa|ecdsa>:secret:<name>`, as Kuma names it.
    pub name: String,
    /// The server's certificate and its chain, PEM.
    pub chain: String,
    /// The private key, PEM.
    pub key: String,
}

/// Leaves the key out: models are printed in tests and bug reports.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The place in the user's resources that something was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `MeshGateway/default/edge-gateway`.
    pub resource: String,
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}
