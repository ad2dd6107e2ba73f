//! TLS with the endpoints of a cluster.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::cluster::v3::cluster::TransportSocketMatch;
use envoy_types::pb::envoy::config::core::v3::{Metadata, TransportSocket, transport_socket};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate,
    UpstreamTlsContext,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::util::pack_any;

use super::proto;
use crate::model::{Cluster, Endpoint, UpstreamTls};

/// Where Envoy looks for what an endpoint matches.
const NAMESPACE: &str = "envoy.transport_socket_match";
/// The field there.
const FIELD: &str = "tls";

/// A transport socket for each kind of TLS that endpoints of the cluster want; the others are spoken to without.
pub(super) fn matches(cluster: &Cluster) -> Vec<TransportSocketMatch> {
    let kinds = kinds(cluster).into_iter().enumerate();
    kinds
        .map(|(index, tls)| TransportSocketMatch {
            name: index.to_string(),
            r#match: Some(proto::structure([(FIELD, label(index))])),
            transport_socket: Some(socket(tls)),
        })
        .collect()
}

/// The metadata by which an endpoint gets its socket.
pub(super) fn metadata(cluster: &Cluster, endpoint: &Endpoint) -> Option<Metadata> {
    let tls = endpoint.tls.as_ref()?;
    let index = kinds(cluster).iter().position(|kind| *kind == tls)?;
    let fields = proto::structure([(FIELD, label(index))]);
    Some(Metadata {
        filter_metadata: HashMap::from([(NAMESPACE.to_owned(), fields)]),
        ..Metadata::default()
    })
}

fn label(index: usize) -> Kind {
    Kind::StringValue(index.to_string())
}

fn kinds(cluster: &Cluster) -> Vec<&UpstreamTls> {
    let mut kinds: Vec<_> = cluster
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.tls.as_ref())
        .collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

fn socket(tls: &UpstreamTls) -> TransportSocket {
    let certificate = tls.certificate.iter().map(|own| TlsCertificate {
        certificate_chain: Some(proto::inline(&own.chain)),
        private_key: Some(proto::inline(&own.key)),
        ..TlsCertificate::default()
    });
    let validation = tls.authority.as_ref().map(|authority| {
        let expected = tls.expected.iter().flat_map(|name| {
            [SanType::Dns, SanType::IpAddress].map(|kind| SubjectAltNameMatcher {
                san_type: kind.into(),
                matcher: Some(StringMatcher {
                    match_pattern: Some(MatchPattern::Exact(name.clone())),
                    ..StringMatcher::default()
                }),
                ..SubjectAltNameMatcher::default()
            })
        });
        ValidationContextType::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(proto::inline(authority)),
            match_typed_subject_alt_names: expected.collect(),
            ..CertificateValidationContext::default()
        })
    });
    let context = UpstreamTlsContext {
        sni: tls.sni.clone().unwrap_or_default(),
        allow_renegotiation: tls.allow_renegotiation,
        common_tls_context: Some(CommonTlsContext {
            tls_certificates: certificate.collect(),
            validation_context_type: validation,
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
