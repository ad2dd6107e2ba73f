//! What a port is there for, and who may use it.

use ::policy::Tags;

use super::{Origin, SpiffeIds};

/// What a port is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Clients reach the services of a mesh through it.
    Gateway,
    /// Others reach the service next to the proxy.
    Inbound(Inbound),
    /// The service next to the proxy reaches others.
    Outbound(Outbound),
}

/// A port for those who call the service next to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    /// Whether clients are let in that do not prove who they are.
    pub is_permissive: bool,
    /// Which of the clients that prove who they are may call; all of them if absent.
    pub permission: Option<Permission>,
}

/// A port for the service next to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The tags of the caller, of all its inbounds.
    pub caller: Vec<Tags>,
    /// The gateways of other meshes that requests reach by hostname; none on a port with one destination.
    pub gateways: Vec<CrossMeshGateway>,
}

/// A listener of another mesh's gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossMeshGateway {
    /// The mesh.
    pub mesh: String,
    /// The gateway's `kuma.io/service`.
    pub service: String,
    /// The name that requests are for.
    pub hostname: String,
    /// The port that a request has to name, where listeners share a hostname.
    pub port: Option<u16>,
    /// The name of a [`Cluster`](super::Cluster).
    pub cluster: String,
    /// The listener.
    pub origin: Origin,
}

/// Which clients may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// How those learn of it who may not.
    pub refusal: Refusal,
    /// These may not, whatever else is said.
    pub denied: Vec<Clients>,
    /// These may; everybody else may not.
    pub allowed: Vec<Clients>,
    /// These are counted as if they were denied.
    pub shadow_denied: Vec<Clients>,
}

/// What a client gets that may not call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Its requests are answered with 403; without HTTP the connection is closed.
    #[default]
    Answer,
    /// The connection is closed.
    Close,
}

/// A set of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// What they prove to be.
    pub who: Who,
    /// The name that they ask for; any if absent.
    pub sni: Option<String>,
}

/// Clients by the URIs in their certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Those with such a SPIFFE ID.
    Is(SpiffeIds),
    /// Those with this tag: `kuma://<tag>/<value>`.
    Has(String, String),
    /// Those that are in all of these sets.
    All(Vec<Self>),
    /// Those that are in one of these sets.
    Any(Vec<Self>),
    /// All others.
    Not(Box<Self>),
}
