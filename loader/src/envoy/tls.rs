//! Certificates, and the TLS of a filter chain.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::certificate_validation_context::TrustChainVerification;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret,
    SubjectAltNameMatcher, TlsCertificate, TlsParameters, UpstreamTlsContext, secret,
    tls_parameters::TlsProtocol,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::util::pack_any;

use super::{Options, mesh_tls, proto};
use crate::model::{Certificate, ClientValidation, Listener, Proxy, TlsOrigination, TlsVersion};

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

/// The versions of HTTP that are offered to clients.
pub(super) const HTTP: [&str; 2] = ["h2", "http/1.1"];

/// TLS with the listener's certificates, and these protocols to choose from. A secret without a source is one of the
/// bootstrap's.
pub(super) fn terminate(
    proxy: &Proxy,
    listener: &Listener,
    alpn: &[&str],
    options: &Options,
) -> TransportSocket {
    let certificate = |certificate: &Certificate| SdsSecretConfig {
        name: certificate.name.clone(),
        sds_config: None,
    };
    let tls = &listener.tls;
    let files = tls.files.iter().map(|files| TlsCertificate {
        certificate_chain: Some(proto::file(&files.chain)),
        private_key: Some(proto::file(&files.key)),
        ..TlsCertificate::default()
    });
    let clients = tls.clients.as_ref();
    let certificates = listener.certificates.iter().map(certificate);
    let of_mesh = tls.mesh.iter();
    let of_mesh = of_mesh.map(|_| mesh_tls::own(proxy, &options.secrets));
    let has_own = clients.is_some_and(|clients| clients.authority.is_some());
    let trust = tls.mesh.as_ref().filter(|_| !has_own);
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: version(tls.min.or(Some(TlsVersion::V1_2))),
                tls_maximum_protocol_version: version(tls.max),
                cipher_suites: tls.ciphers.clone(),
                ecdh_curves: tls.curves.clone(),
                ..TlsParameters::default()
            }),
            tls_certificates: files.collect(),
            tls_certificate_sds_secret_configs: certificates.chain(of_mesh).collect(),
            alpn_protocols: alpn.iter().map(|&name| name.to_owned()).collect(),
            validation_context_type: clients.map(|clients| match &trust {
                None => ValidationContextType::ValidationContext(validation(clients)),
                Some(trust) => ValidationContextType::CombinedValidationContext(
                    CombinedCertificateValidationContext {
                        default_validation_context: Some(validation(clients)),
                        validation_context_sds_secret_config: Some(mesh_tls::authority(
                            trust,
                            &options.secrets,
                        )),
                        ..CombinedCertificateValidationContext::default()
                    },
                ),
            }),
            ..CommonTlsContext::default()
        }),
        require_client_certificate: clients.map(|clients| proto::boolean(clients.required)),
        ..DownstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}

/// What a client's certificate has to be.
fn validation(clients: &ClientValidation) -> CertificateValidationContext {
    CertificateValidationContext {
        trusted_ca: clients.authority.as_ref().map(proto::source),
        crl: clients.crl.as_ref().map(proto::source),
        match_typed_subject_alt_names: names(&clients.names),
        verify_certificate_spki: clients.spki.clone(),
        verify_certificate_hash: clients.hashes.clone(),
        trust_chain_verification: if clients.takes_untrusted {
            TrustChainVerification::AcceptUntrusted.into()
        } else {
            TrustChainVerification::VerifyTrustChain.into()
        },
        ..CertificateValidationContext::default()
    }
}

/// These names, of any type that a certificate can have them in.
pub(super) fn names(names: &[String]) -> Vec<SubjectAltNameMatcher> {
    let kinds = [
        SanType::Dns,
        SanType::Uri,
        SanType::IpAddress,
        SanType::Email,
    ];
    let matchers = names.iter().flat_map(|name| {
        kinds.map(|kind| SubjectAltNameMatcher {
            san_type: kind.into(),
            matcher: Some(StringMatcher {
                match_pattern: Some(MatchPattern::Exact(name.clone())),
                ..StringMatcher::default()
            }),
            ..SubjectAltNameMatcher::default()
        })
    });
    matchers.collect()
}

fn version(version: Option<TlsVersion>) -> i32 {
    match version {
        None => TlsProtocol::TlsAuto,
        Some(TlsVersion::V1_0) => TlsProtocol::TlSv10,
        Some(TlsVersion::V1_1) => TlsProtocol::TlSv11,
        Some(TlsVersion::V1_2) => TlsProtocol::TlSv12,
        Some(TlsVersion::V1_3) => TlsProtocol::TlSv13,
    }
    .into()
}

/// TLS with all endpoints of a cluster.
pub(super) fn originate(tls: &TlsOrigination) -> TransportSocket {
    let certificate = tls.certificate.iter().map(|(chain, key)| TlsCertificate {
        certificate_chain: Some(proto::source(chain)),
        private_key: Some(proto::source(key)),
        ..TlsCertificate::default()
    });
    let validation = tls
        .authority
        .as_ref()
        .map(|authority| CertificateValidationContext {
            trusted_ca: Some(proto::source(authority)),
            crl: tls.crl.as_ref().map(proto::source),
            match_typed_subject_alt_names: names(&tls.names),
            ..CertificateValidationContext::default()
        });
    let context = UpstreamTlsContext {
        sni: tls.sni.clone().unwrap_or_default(),
        common_tls_context: Some(CommonTlsContext {
            tls_certificates: certificate.collect(),
            validation_context_type: validation.map(ValidationContextType::ValidationContext),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
