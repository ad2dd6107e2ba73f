//! `MeshGateway` (Kuma `api/mesh/v1alpha1/gateway.proto`): the ports that built-in gateways open.

use policy::Tags;
use serde::Deserialize;

/// Which Dataplanes become gateways, and what they listen on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshGateway {
    /// Tags of the Dataplanes; one matching selector suffices.
    pub selectors: Vec<Selector>,
    /// Tags for all listeners.
    pub tags: Tags,
    /// The listeners.
    pub conf: Option<Conf>,
}

/// Tags that a Dataplane has to have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// Names with values, or `*` for any value.
    #[serde(rename = "match")]
    pub tags: Tags,
}

/// The part of a gateway that is not selection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conf {
    /// The listeners, any number of them on a port.
    pub listeners: Vec<Listener>,
}

/// An entry of `conf.listeners`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    /// `name`, `*.name`, `*` or nothing.
    pub hostname: String,
    /// 1 to 65535.
    pub port: u32,
    /// What is spoken.
    pub protocol: Protocol,
    /// Certificates, for HTTPS and TLS.
    pub tls: Option<Tls>,
    /// Tags of this listener, by which policies can be aimed at it.
    pub tags: Tags,
    /// Whether it is for clients in other meshes.
    #[serde(rename = "crossMesh", alias = "cross_mesh")]
    pub cross_mesh: bool,
    /// Limits.
    pub resources: Option<ListenerResources>,
}

/// `MeshGateway.Listener.Protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// Not given.
    #[default]
    #[serde(rename = "NONE", alias = "0")]
    None,
    /// Connections.
    #[serde(rename = "TCP", alias = "1")]
    Tcp,
    /// Connections over TLS.
    #[serde(rename = "TLS", alias = "3")]
    Tls,
    /// Requests.
    #[serde(rename = "HTTP", alias = "4")]
    Http,
    /// Requests over TLS.
    #[serde(rename = "HTTPS", alias = "5")]
    Https,
}

/// `MeshGateway.TLS.Conf`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Who ends the TLS session.
    pub mode: TlsMode,
    /// Where the certificates are: one, or two with keys of different kinds.
    pub certificates: Vec<DataSource>,
    /// Empty in Kuma.
    pub options: Option<TlsOptions>,
}

/// `MeshGateway.TLS.Mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TlsMode {
    /// Not given.
    #[default]
    #[serde(rename = "NONE", alias = "0")]
    None,
    /// The gateway.
    #[serde(rename = "TERMINATE", alias = "1")]
    Terminate,
    /// The backend.
    #[serde(rename = "PASSTHROUGH", alias = "2")]
    Passthrough,
}

/// `MeshGateway.TLS.Options`: a message without fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsOptions {}

/// Where bytes are: exactly one of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSource {
    /// The name of a Secret of the same mesh.
    pub secret: Option<String>,
    /// A file.
    pub file: Option<String>,
    /// Base64.
    pub inline: Option<String>,
    /// Text.
    #[serde(rename = "inlineString", alias = "inline_string")]
    pub inline_string: Option<String>,
}

/// `MeshGateway.Listener.Resources`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerResources {
    /// How many connections the port takes at a time; 0 is no limit.
    #[serde(rename = "connectionLimit", alias = "connection_limit")]
    pub connection_limit: u32,
}
