//! `MeshTimeout` (Kuma `pkg/plugins/policies/meshtimeout/api/v1alpha1`) and `Timeout` (`api/mesh/v1alpha1`).

use serde::Deserialize;

use super::policy::{Connection, Duration, Policy, overlay};

/// `MeshTimeout`.
pub type MeshTimeout = Policy<MeshTimeouts>;
/// `Timeout`.
pub type Timeout = Connection<Timeouts>;

/// How long things may take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshTimeouts {
    /// To open a connection to a backend.
    pub connection_timeout: Option<Duration>,
    /// Without requests on a connection.
    pub idle_timeout: Option<Duration>,
    /// HTTP.
    pub http: Option<HttpTimeouts>,
}

/// How long requests may take; 0 is no limit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpTimeouts {
    /// From the end of the request to the end of the response.
    pub request_timeout: Option<Duration>,
    /// Without data.
    pub stream_idle_timeout: Option<Duration>,
    /// A request with its response.
    pub max_stream_duration: Option<Duration>,
    /// A connection.
    pub max_connection_duration: Option<Duration>,
    /// Until a request's headers are there.
    pub request_headers_timeout: Option<Duration>,
}

overlay! {
    MeshTimeouts { connection_timeout, idle_timeout, http }
    HttpTimeouts {
        request_timeout, stream_idle_timeout, max_stream_duration, max_connection_duration, request_headers_timeout,
    }
}

/// How long things may take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// To open a connection to a backend; 5 s if absent.
    #[serde(rename = "connectTimeout", alias = "connect_timeout")]
    pub connect_timeout: Option<Duration>,
    /// TCP.
    pub tcp: Option<ProtocolTimeouts>,
    /// HTTP.
    pub http: Option<ProtocolTimeouts>,
    /// gRPC, where `http` says nothing and all endpoints speak it.
    pub grpc: Option<ProtocolTimeouts>,
}

/// How long things may take in one protocol; 0 is no limit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProtocolTimeouts {
    /// A request with its response.
    #[serde(rename = "requestTimeout", alias = "request_timeout")]
    pub request_timeout: Option<Duration>,
    /// Without requests on a connection.
    #[serde(rename = "idleTimeout", alias = "idle_timeout")]
    pub idle_timeout: Option<Duration>,
    /// Without data.
    #[serde(rename = "streamIdleTimeout", alias = "stream_idle_timeout")]
    pub stream_idle_timeout: Option<Duration>,
    /// A request with its response.
    #[serde(rename = "maxStreamDuration", alias = "max_stream_duration")]
    pub max_stream_duration: Option<Duration>,
}
