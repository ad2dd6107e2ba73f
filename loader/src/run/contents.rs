//! Files of certificates become part of the configuration.
//!
//! Envoy reads a file that a listener or cluster names once, when it takes that listener or cluster, and watches only
//! the files of its discovery services. So what is in the files is put in their place: then a renewed certificate is a
//! change like any other, proved before it is served, and a restart has it although the file may be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, TransportSocket, data_source::Specifier, transport_socket,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret,
    TlsCertificate, UpstreamTlsContext, secret,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use crate::model::certificates::files;

/// What is in the files that can be read, by their names.
type Contents<'a> = BTreeMap<&'a str, String>;

/// The bootstrap with the contents of these files. One that cannot be read stays a name, for Envoy to refuse.
///
/// A server's certificates become secrets, which change without an end of connections.
pub fn with_contents(mut bootstrap: Bootstrap, named: &BTreeSet<PathBuf>) -> Bootstrap {
    let read = named.iter().filter_map(|path| {
        let name = path.to_str()?;
        Some((name, files::read(name).ok()?))
    });
    let contents = &read.collect();
    let Some(resources) = bootstrap
        .static_resources
        .as_mut()
        .filter(|_| !named.is_empty())
    else {
        return bootstrap;
    };
    let mut secrets = BTreeMap::new();
    let chains = resources
        .listeners
        .iter_mut()
        .flat_map(|own| &mut own.filter_chains);
    for socket in chains.filter_map(|chain| chain.transport_socket.as_mut()) {
        change::<DownstreamTlsContext>(socket, |context| {
            if let Some(common) = &mut context.common_tls_context {
                share(common, contents, &mut secrets);
                fill(common, contents);
            }
        });
    }
    for cluster in &mut resources.clusters {
        let matches = cluster.transport_socket_matches.iter_mut();
        let matches = matches.filter_map(|own| own.transport_socket.as_mut());
        for socket in cluster.transport_socket.iter_mut().chain(matches) {
            change::<UpstreamTlsContext>(socket, |context| {
                if let Some(common) = &mut context.common_tls_context {
                    fill(common, contents);
                }
            });
        }
    }
    resources.secrets.extend(secrets.into_values());
    bootstrap
}

fn change<M: Message + Name + Default>(socket: &mut TransportSocket, change: impl FnOnce(&mut M)) {
    let Some(transport_socket::ConfigType::TypedConfig(any)) = &mut socket.config_type else {
        return;
    };
    if any.type_url == M::type_url()
        && let Ok(mut context) = M::decode(any.value.as_slice())
    {
        change(&mut context);
        *any = Any {
            type_url: M::type_url(),
            value: context.encode_to_vec(),
        };
    }
}

fn fill(context: &mut CommonTlsContext, contents: &Contents<'_>) {
    let certificates = context.tls_certificates.iter_mut();
    let pairs = certificates.flat_map(|own| [&mut own.certificate_chain, &mut own.private_key]);
    let clients = match &mut context.validation_context_type {
        Some(ValidationContextType::ValidationContext(own)) => Some(own),
        Some(ValidationContextType::CombinedValidationContext(both)) => {
            both.default_validation_context.as_mut()
        }
        _ => None,
    };
    let authorities = clients
        .into_iter()
        .flat_map(|own: &mut CertificateValidationContext| [&mut own.trusted_ca, &mut own.crl]);
    for source in pairs.chain(authorities).flatten() {
        put(source, contents);
    }
}

/// A server's certificates as secrets of the bootstrap, if all can be: Envoy takes no two kinds together
/// (`getTlsCertificateConfigProviders` in `source/common/tls/context_config_impl.cc` at 1.36 and 1.40).
fn share(
    context: &mut CommonTlsContext,
    contents: &Contents<'_>,
    secrets: &mut BTreeMap<String, Secret>,
) {
    let all: Option<Vec<_>> = context
        .tls_certificates
        .iter()
        .map(|own| Some((name(own)?, read(own, contents)?)))
        .collect();
    let Some(all) = all else {
        return;
    };
    context.tls_certificates.clear();
    for (name, pair) in all {
        let own = &mut context.tls_certificate_sds_secret_configs;
        own.push(SdsSecretConfig {
            name: name.clone(),
            sds_config: None,
        });
        let r#type = Some(secret::Type::TlsCertificate(pair));
        secrets.insert(name.clone(), Secret { name, r#type });
    }
}

/// As Istio names it (`ToResourceName` in `pkg/security/security.go` at 1.32).
fn name(own: &TlsCertificate) -> Option<String> {
    let chain = filename(own.certificate_chain.as_ref()?)?;
    let key = filename(own.private_key.as_ref()?)?;
    Some(format!("file-cert:{chain}~{key}"))
}

fn read(own: &TlsCertificate, contents: &Contents<'_>) -> Option<TlsCertificate> {
    let mut own = own.clone();
    for source in [&mut own.certificate_chain, &mut own.private_key] {
        let source = source.as_mut()?;
        put(source, contents);
        if filename(source).is_some() {
            return None;
        }
    }
    Some(own)
}

fn filename(source: &DataSource) -> Option<&str> {
    match &source.specifier {
        Some(Specifier::Filename(name)) => Some(name),
        _ => None,
    }
}

fn put(source: &mut DataSource, contents: &Contents<'_>) {
    if let Some(text) = filename(source).and_then(|name| contents.get(name)) {
        source.specifier = Some(Specifier::InlineString(text.clone()));
    }
}
