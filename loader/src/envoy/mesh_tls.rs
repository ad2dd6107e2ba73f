//! mTLS between proxies of meshes. Certificates, keys and authorities are files that Envoy watches
//! (`path_config_source`), so that they change without a new configuration and never stand in one.

use std::path::Path;

use envoy_types::pb::envoy::config::core::v3::{
    ApiVersion, ConfigSource, PathConfigSource, TransportSocket,
    config_source::ConfigSourceSpecifier, transport_socket,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
    SubjectAltNameMatcher, TlsParameters, UpstreamTlsContext, tls_parameters::TlsProtocol,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::util::pack_any;

use super::{Options, proto};
use crate::model::TlsVersion;
use crate::model::identity::TlsParams;
use crate::model::{MeshClients, MeshTls, Proxy, SpiffeIds, Trust};

/// The protocol that proxies of meshes negotiate (Kuma `pkg/xds/envoy/tls` at 2.14.3). Listeners tell their
/// connections from others by it.
pub(super) const ALPN: &str = "kuma";

/// The names of the files in a proxy's folder of secrets, and of the secrets in them.
pub mod files {
    use super::Trust;

    /// The file of the proxy's own certificate.
    pub const IDENTITY: &str = "identity.json";

    /// The file of an authority.
    pub fn authority(trust: &Trust) -> String {
        match trust {
            Trust::Mesh(mesh) => format!("ca-{mesh}.json"),
            // No mesh can have such a name that the two are one file.
            Trust::AnyMesh => "any-ca.json".to_owned(),
        }
    }

    /// The name of the secret in [`IDENTITY`] of a proxy of this mesh, as Kuma has it.
    pub fn identity_secret(mesh: &str) -> String {
        format!("identity_cert:secret:{mesh}")
    }

    /// The name of the secret in the file of an authority, as Kuma has it.
    pub fn authority_secret(trust: &Trust) -> String {
        let mesh = match trust {
            Trust::Mesh(mesh) => mesh,
            Trust::AnyMesh => "all",
        };
        format!("mesh_ca:secret:{mesh}")
    }
}

/// The TLS of a proxy with endpoints in meshes.
pub(super) fn upstream(proxy: &Proxy, tls: &MeshTls, options: &Options) -> TransportSocket {
    let context = UpstreamTlsContext {
        sni: tls.sni.clone(),
        common_tls_context: Some(common(
            &proxy.mesh,
            &tls.trust,
            &tls.peers,
            &tls.params,
            &[ALPN],
            &options.secrets,
        )),
        ..UpstreamTlsContext::default()
    };
    socket(pack_any(context))
}

/// The TLS of a proxy with clients in meshes.
pub(super) fn downstream(
    proxy: &Proxy,
    clients: &MeshClients,
    options: &Options,
) -> TransportSocket {
    downstream_as(&proxy.mesh, clients, &options.secrets)
}

/// The same as who the proxy is in this mesh, with the files in this folder.
pub(super) fn downstream_as(mesh: &str, clients: &MeshClients, secrets: &Path) -> TransportSocket {
    let context = DownstreamTlsContext {
        require_client_certificate: Some(proto::boolean(true)),
        common_tls_context: Some(common(
            mesh,
            &clients.trust,
            &clients.peers,
            &clients.params,
            &[],
            secrets,
        )),
        ..DownstreamTlsContext::default()
    };
    socket(pack_any(context))
}

fn common(
    mesh: &str,
    trust: &Trust,
    peers: &[SpiffeIds],
    params: &TlsParams,
    alpn: &[&str],
    secrets: &Path,
) -> CommonTlsContext {
    let own = secret(files::identity_secret(mesh), &secrets.join(files::IDENTITY));
    let authority = secret(
        files::authority_secret(trust),
        &secrets.join(files::authority(trust)),
    );
    let expected = CertificateValidationContext {
        match_typed_subject_alt_names: peers.iter().map(uri).collect(),
        ..CertificateValidationContext::default()
    };
    CommonTlsContext {
        tls_params: (*params != TlsParams::default()).then(|| parameters(params)),
        tls_certificate_sds_secret_configs: vec![own],
        alpn_protocols: alpn.iter().map(|&name| name.to_owned()).collect(),
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(
            CombinedCertificateValidationContext {
                default_validation_context: Some(expected),
                validation_context_sds_secret_config: Some(authority),
                ..CombinedCertificateValidationContext::default()
            },
        )),
        ..CommonTlsContext::default()
    }
}

pub(super) fn parameters(params: &TlsParams) -> TlsParameters {
    let version = |version: Option<TlsVersion>| {
        version.map_or(TlsProtocol::TlsAuto, |version| match version {
            TlsVersion::V1_0 => TlsProtocol::TlSv10,
            TlsVersion::V1_1 => TlsProtocol::TlSv11,
            TlsVersion::V1_2 => TlsProtocol::TlSv12,
            TlsVersion::V1_3 => TlsProtocol::TlSv13,
        })
    };
    TlsParameters {
        tls_minimum_protocol_version: version(params.min).into(),
        tls_maximum_protocol_version: version(params.max).into(),
        cipher_suites: params.ciphers.iter().cloned().collect(),
        ..TlsParameters::default()
    }
}

fn secret(name: String, file: &Path) -> SdsSecretConfig {
    let source = PathConfigSource {
        path: file.to_string_lossy().into_owned(),
        ..PathConfigSource::default()
    };
    SdsSecretConfig {
        name,
        sds_config: Some(ConfigSource {
            resource_api_version: ApiVersion::V3.into(),
            config_source_specifier: Some(ConfigSourceSpecifier::PathConfigSource(source)),
            ..ConfigSource::default()
        }),
    }
}

fn uri(ids: &SpiffeIds) -> SubjectAltNameMatcher {
    let pattern = match ids {
        SpiffeIds::Exact(id) => MatchPattern::Exact(id.clone()),
        SpiffeIds::Prefix(start) => MatchPattern::Prefix(start.clone()),
    };
    SubjectAltNameMatcher {
        san_type: SanType::Uri.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(pattern),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    }
}

fn socket(context: envoy_types::pb::google::protobuf::Any) -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(context)),
    }
}
