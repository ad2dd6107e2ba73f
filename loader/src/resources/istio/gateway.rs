//! `Gateway` (`networking/v1alpha3/gateway.proto`): the ports that a proxy at the edge opens.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Which workloads become gateways, and what they listen on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// The listeners.
    pub servers: Vec<Server>,
    /// Labels of the workloads; every workload if there are none.
    pub selector: BTreeMap<String, String>,
}

/// An entry of `servers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Server {
    /// Number, protocol and name; required.
    pub port: Option<Port>,
    /// An IP address, `unix:///path` or `unix://@abstract`; all addresses if empty.
    pub bind: String,
    /// `[namespace/]name`, where the name may begin with `*`.
    pub hosts: Vec<String>,
    /// Certificates and redirects.
    pub tls: Option<ServerTls>,
    /// Not implemented in Istio.
    pub default_endpoint: String,
    /// Names the statistics.
    pub name: String,
}

/// `Port`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Port {
    /// 1 to 65535, or 0 with a Unix socket.
    pub number: u32,
    /// What is spoken, in any case of letters; [`Protocol::parse`] has the words.
    pub protocol: String,
    /// A label.
    pub name: String,
    /// Refused on gateways.
    pub target_port: u32,
}

/// What is spoken on a port (`pkg/config/protocol/instance.go` at 1.32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `TCP`.
    Tcp,
    /// `UDP`, which no gateway serves.
    Udp,
    /// `HTTP`.
    Http,
    /// `HTTP_PROXY`.
    HttpProxy,
    /// `HTTP2`.
    Http2,
    /// `GRPC`.
    Grpc,
    /// `GRPC-WEB`.
    GrpcWeb,
    /// `HTTPS`.
    Https,
    /// `TLS`.
    Tls,
    /// `MONGO`.
    Mongo,
    /// `REDIS`.
    Redis,
    /// `MYSQL`.
    Mysql,
}

impl Protocol {
    /// The protocol with this name; nothing for those that Istio calls unsupported.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "http" => Self::Http,
            "http_proxy" => Self::HttpProxy,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::Mysql,
            _ => return None,
        })
    }

    /// Whether it is a form of HTTP without TLS.
    pub fn is_http(self) -> bool {
        matches!(
            self,
            Self::Http | Self::HttpProxy | Self::Http2 | Self::Grpc | Self::GrpcWeb
        )
    }

    /// Whether it begins with a TLS handshake.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

/// `ServerTLSSettings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerTls {
    /// Whether requests without TLS are sent to `https` with 301.
    pub https_redirect: bool,
    /// Who ends the TLS session, and whether clients show certificates.
    pub mode: TlsMode,
    /// A file with the certificate.
    pub server_certificate: String,
    /// A file with the private key.
    pub private_key: String,
    /// A file with the authorities of client certificates.
    pub ca_certificates: String,
    /// A file with revoked certificates.
    pub ca_crl: String,
    /// The Secret with certificate and key.
    pub credential_name: String,
    /// Secrets with certificates of different kinds, two at most.
    pub credential_names: Vec<String>,
    /// The Secret or ConfigMap with the authorities.
    pub ca_cert_credential_name: String,
    /// Files with certificates of different kinds, two at most.
    pub tls_certificates: Vec<TlsCertificate>,
    /// One of these has to be in a client's certificate.
    pub subject_alt_names: Vec<String>,
    /// Base64 of the SHA-256 of public keys of clients.
    pub verify_certificate_spki: Vec<String>,
    /// Hexadecimal SHA-256 of certificates of clients, with colons or without.
    pub verify_certificate_hash: Vec<String>,
    /// The oldest version of TLS.
    pub min_protocol_version: TlsProtocol,
    /// The newest version of TLS.
    pub max_protocol_version: TlsProtocol,
    /// Ciphers of TLS 1.2 and older, in OpenSSL's names.
    pub cipher_suites: Vec<String>,
    /// Curves for the key exchange.
    pub ecdh_curves: Vec<String>,
    /// Whether certificates of clients that nobody vouches for are taken.
    pub insecure_skip_verify: Option<bool>,
}

/// `ServerTLSSettings.TLSmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TlsMode {
    /// The backend ends the session.
    #[default]
    #[serde(rename = "PASSTHROUGH", alias = "0")]
    Passthrough,
    /// The gateway ends it and asks for no certificate.
    #[serde(rename = "SIMPLE", alias = "1")]
    Simple,
    /// The gateway ends it, and clients need a certificate.
    #[serde(rename = "MUTUAL", alias = "2")]
    Mutual,
    /// The SNI names the service of the mesh.
    #[serde(rename = "AUTO_PASSTHROUGH", alias = "3")]
    AutoPassthrough,
    /// As `MUTUAL`, with certificates of the mesh.
    #[serde(rename = "ISTIO_MUTUAL", alias = "4")]
    IstioMutual,
    /// As `MUTUAL`, and clients may have no certificate.
    #[serde(rename = "OPTIONAL_MUTUAL", alias = "5")]
    OptionalMutual,
}

impl TlsMode {
    /// Whether the gateway ends the session.
    pub fn terminates(self) -> bool {
        !matches!(self, Self::Passthrough | Self::AutoPassthrough)
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passthrough => "PASSTHROUGH",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::AutoPassthrough => "AUTO_PASSTHROUGH",
            Self::IstioMutual => "ISTIO_MUTUAL",
            Self::OptionalMutual => "OPTIONAL_MUTUAL",
        }
    }
}

/// `ServerTLSSettings.TLSProtocol`, in the order of age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum TlsProtocol {
    /// Not given.
    #[default]
    #[serde(rename = "TLS_AUTO", alias = "0")]
    Auto,
    /// 1.0.
    #[serde(rename = "TLSV1_0", alias = "1")]
    V1_0,
    /// 1.1.
    #[serde(rename = "TLSV1_1", alias = "2")]
    V1_1,
    /// 1.2.
    #[serde(rename = "TLSV1_2", alias = "3")]
    V1_2,
    /// 1.3.
    #[serde(rename = "TLSV1_3", alias = "4")]
    V1_3,
}

/// `ServerTLSSettings.TLSCertificate`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsCertificate {
    /// A file with the certificate.
    pub server_certificate: String,
    /// A file with the private key.
    pub private_key: String,
    /// Ignored by Istio, which takes the one of the settings around it.
    pub ca_certificates: String,
}
