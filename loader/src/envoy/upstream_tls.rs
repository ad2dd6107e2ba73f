//! TLS with the endpoints of a cluster.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::cluster::v3::cluster::TransportSocketMatch;
use envoy_types::pb::envoy::config::core::v3::{Metadata, TransportSocket, transport_socket};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate,
    TlsParameters, UpstreamTlsContext,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::util::pack_any;

use super::{mesh_tls, proto};
use crate::model::TlsVersion;
use crate::model::identity::TlsParams;
use crate::model::{Authority, Cluster, Endpoint, ExpectedName, UpstreamTls};

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

/// A name stands among DNS names or addresses, and one with a scheme among URIs.
fn names(expected: &ExpectedName) -> Vec<SubjectAltNameMatcher> {
    let (name, pattern) = match expected {
        ExpectedName::Exact(name) => (name, MatchPattern::Exact(name.clone())),
        ExpectedName::Prefix(start) => (start, MatchPattern::Prefix(start.clone())),
    };
    let kinds = if name.contains("://") {
        &[SanType::Uri][..]
    } else {
        &[SanType::Dns, SanType::IpAddress]
    };
    let matcher = |kind: &SanType| SubjectAltNameMatcher {
        san_type: (*kind).into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(pattern.clone()),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    };
    kinds.iter().map(matcher).collect()
}

/// What Envoy would offer, and what servers of TLS 1.0 and 1.1 know, which Envoy no longer offers by itself (`cipher_suites` in
/// its documentation of `TlsParameters`).
const OLD_CIPHERS: [&str; 10] = [
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-SHA",
    "AES256-SHA",
];

/// The versions that are asked for. Envoy's own one on this side is TLS 1.2, so where the oldest one is newer or the
/// newest one is older, the other one has to be said too.
fn params(tls: &UpstreamTls) -> Option<TlsParameters> {
    let oldest = tls.min.or(tls.max.filter(|max| *max < TlsVersion::V1_2));
    let newest = tls.max.or(tls.min.filter(|min| *min == TlsVersion::V1_3));
    let is_old = oldest.is_some_and(|oldest| oldest < TlsVersion::V1_2);
    (oldest.is_some() || newest.is_some()).then(|| TlsParameters {
        cipher_suites: OLD_CIPHERS
            .iter()
            .filter(|_| is_old)
            .map(ToString::to_string)
            .collect(),
        ..mesh_tls::parameters(&TlsParams {
            min: oldest,
            max: newest,
            ..TlsParams::default()
        })
    })
}

fn socket(tls: &UpstreamTls) -> TransportSocket {
    let certificate = tls.certificate.iter().map(|own| TlsCertificate {
        certificate_chain: Some(proto::inline(&own.chain)),
        private_key: Some(proto::inline(&own.key)),
        ..TlsCertificate::default()
    });
    let validation = tls.authority.as_ref().map(|authority| {
        ValidationContextType::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(match authority {
                Authority::Pem(pem) => proto::inline(pem),
                Authority::File(name) => proto::file(name),
            }),
            match_typed_subject_alt_names: tls.expected.iter().flat_map(names).collect(),
            ..CertificateValidationContext::default()
        })
    });
    let context = UpstreamTlsContext {
        sni: tls.sni.clone().unwrap_or_default(),
        allow_renegotiation: tls.allow_renegotiation,
        common_tls_context: Some(CommonTlsContext {
            tls_certificates: certificate.collect(),
            validation_context_type: validation,
            tls_params: params(tls),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
