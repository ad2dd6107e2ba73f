//! What one proxy has to do, whichever dialect it was written in.
//!
//! [`kuma`] makes it from Kuma's resources; [`crate::envoy`] makes Envoy's configuration from it.

pub mod kuma;
pub mod policy;

use std::fmt;
use std::net::IpAddr;

use ::policy::{HostPattern, Tags};

use self::policy::{ClusterPolicy, ListenerPolicy, RoutePolicy};

/// One proxy: the listeners that it opens and the clusters that it forwards to.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The Dataplane's name.
    pub name: String,
    /// Its mesh.
    pub mesh: String,
    /// The service that it is, `kuma.io/service`: Envoy's cluster name in its node and the prefix of statistics.
    pub service: String,
    /// The address that its ports are opened on.
    pub address: IpAddr,
    /// Ports, by number.
    pub ports: Vec<Port>,
    /// Clusters, by name.
    pub clusters: Vec<Cluster>,
}

/// A port, with all the listeners that share it.
#[derive(Clone, Debug)]
pub struct Port {
    /// `<gateway>:<protocol>:<port>`, the name of Kuma's Envoy listeners.
    pub name: String,
    /// The number.
    pub number: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The listeners, the narrowest hostname first.
    pub listeners: Vec<Listener>,
    /// How many connections it takes at a time; without a limit if absent.
    pub connection_limit: Option<u32>,
    /// The gateway.
    pub origin: Origin,
}

impl Port {
    /// The listeners that TLS sessions can be opened with: those that have a certificate.
    pub fn with_certificate(&self) -> impl Iterator<Item = &Listener> {
        self.listeners
            .iter()
            .filter(|listener| !listener.certificates.is_empty())
    }

    /// Whether anything can be served on it.
    pub fn is_open(&self) -> bool {
        self.protocol != Protocol::Https || self.with_certificate().next().is_some()
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
}

/// Who takes requests for some hosts of a port.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `<gateway>/<port>/<hostname>`, in logs and counters.
    pub name: String,
    /// The hosts that it takes; on TLS also the SNI.
    pub hostname: HostPattern,
    /// The tags of Dataplane, gateway and listener, merged.
    pub tags: Tags,
    /// Its certificates, one for each kind of key; none without TLS. On HTTPS a listener without any is not served, but
    /// its hosts stay its own: no other listener gets them.
    pub certificates: Vec<Certificate>,
    /// Where its requests go.
    pub virtual_hosts: Vec<VirtualHost>,
    /// What policies say. Without TLS all listeners of a port share their connections, and say the same here.
    pub policy: ListenerPolicy,
    /// The listener in its gateway.
    pub origin: Origin,
}

/// Routes for some of a listener's hosts.
#[derive(Clone, Debug)]
pub struct VirtualHost {
    /// The hosts: the listener's, or some of them. No other virtual host of the port has the same.
    pub domain: HostPattern,
    /// The routes; the first that matches serves.
    pub routes: Vec<Route>,
    /// The listener or the route resource that it is there for.
    pub origin: Origin,
}

/// What happens to some requests.
#[derive(Clone, Debug)]
pub struct Route {
    /// The paths that it takes.
    pub path: PathMatch,
    /// What happens to them.
    pub action: Action,
    /// What policies say.
    pub policy: RoutePolicy,
    /// The rule.
    pub origin: Origin,
}

/// A set of paths, compared without the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This path only.
    Exact(String),
    /// Every path that begins with these characters.
    Prefix(String),
    /// Every path that the whole RE2 expression matches.
    Regex(String),
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// It goes to one of these clusters, chosen by weight.
    Forward(Vec<WeightedCluster>),
    /// The gateway answers.
    Respond {
        /// The status.
        status: u16,
        /// The body, text/plain.
        body: String,
    },
}

/// A cluster with its share of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// The name of a [`Cluster`], or of none: then requests get 500.
    pub cluster: String,
    /// Its share of the sum of all weights.
    pub weight: u32,
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
}

/// Where a service can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// An IP address, or a DNS name that Envoy resolves.
    pub address: String,
    /// The port.
    pub port: u16,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `MeshGateway/default/edge-gateway`.
    pub resource: String,
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}
