//! `ClientTLSSettings` of a `TrafficPolicy`: TLS towards a service.

use serde::Deserialize;

/// `ClientTLSSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientTls {
    /// Whether there is TLS, and what the client shows.
    pub mode: ClientTlsMode,
    /// A file with the certificate.
    pub client_certificate: String,
    /// A file with the private key.
    pub private_key: String,
    /// A file with the authorities of the service; the system's if empty.
    pub ca_certificates: String,
    /// The Secret with all of them.
    pub credential_name: String,
    /// One of these has to be in the service's certificate.
    pub subject_alt_names: Vec<String>,
    /// The SNI; the request's host if empty.
    pub sni: String,
    /// Whether any certificate is taken.
    pub insecure_skip_verify: Option<bool>,
    /// A file with revoked certificates.
    pub ca_crl: String,
}

/// `ClientTLSSettings.TLSmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ClientTlsMode {
    /// No TLS.
    #[default]
    #[serde(rename = "DISABLE", alias = "0")]
    Disable,
    /// The client shows nothing.
    #[serde(rename = "SIMPLE", alias = "1")]
    Simple,
    /// The client shows a certificate.
    #[serde(rename = "MUTUAL", alias = "2")]
    Mutual,
    /// The client shows the mesh's certificate.
    #[serde(rename = "ISTIO_MUTUAL", alias = "3")]
    IstioMutual,
}
