//! Certificates, and the TLS of a filter chain.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret, TlsCertificate, TlsParameters,
    secret, tls_parameters::TlsProtocol,
};
use envoy_types::util::pack_any;

use super::proto;
use crate::model::{Certificate, Listener, Proxy};

/// Each certificate once, by name: many listeners may have the same one.
pub(super) fn secrets(proxy: &Proxy) -> Vec<Secret> {
    let listeners = proxy.ports.iter().flat_map(|port| &port.listeners);
    let certificates: BTreeMap<_, _> = listeners
        .flat_map(|listener| &listener.certificates)
        .map(|certificate| (certificate.name.as_str(), certificate))
        .collect();
    certificates.into_values().map(secret).collect()
}

fn secret(certificate: &Certificate) -> Secret {
    Secret {
        name: certificate.name.clone(),
        r#type: Some(secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(proto::inline(&certificate.chain)),
            private_key: Some(proto::inline(&certificate.key)),
            ..TlsCertificate::default()
        })),
    }
}

/// TLS 1.2 or newer with the listener's certificates, and these protocols to choose from. A secret without a source is one of the bootstrap's.
pub(super) fn terminate(listener: &Listener, alpn: &[&str]) -> TransportSocket {
    let certificate = |certificate: &Certificate| SdsSecretConfig {
        name: certificate.name.clone(),
        sds_config: None,
    };
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
                ..TlsParameters::default()
            }),
            tls_certificate_sds_secret_configs: listener
                .certificates
                .iter()
                .map(certificate)
                .collect(),
            alpn_protocols: alpn.iter().map(|&name| name.to_owned()).collect(),
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
