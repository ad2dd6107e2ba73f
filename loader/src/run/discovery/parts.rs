//! What is taken out of listeners and clusters.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::core::v3::{
    ExtensionConfigSource, Metadata, TransportSocket, TypedExtensionConfig, transport_socket,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_filter,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, Secret, secret,
};
use envoy_types::pb::google::protobuf::{Any, StringValue};
use policy::PluginConfig;
use prost::{Message, Name};

use super::{EncodeError, Files, Stage};
use crate::envoy::METADATA;
use crate::hash::sha256_hex;

/// The certificates of a bootstrap, by their names.
pub(super) type Secrets<'a> = HashMap<&'a str, &'a Secret>;

/// The endpoints of a cluster. One with DNS names keeps them: Envoy resolves names only in clusters.
pub(super) fn cluster(cluster: &mut Cluster, files: &mut Files<'_>) -> Result<(), EncodeError> {
    forget_lines(cluster.metadata.as_mut());
    if cluster.cluster_discovery_type.is_some() || !files.shares.endpoints {
        return Ok(());
    }
    if let Some(endpoints) = cluster.load_assignment.take() {
        let path = path("endpoints", &cluster.name);
        files.put(&path, &endpoints, Stage::First)?;
        let kind = DiscoveryType::Eds.into();
        cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
        cluster.eds_cluster_config = Some(EdsClusterConfig {
            eds_config: Some(files.source(&path)),
            ..EdsClusterConfig::default()
        });
    }
    Ok(())
}

/// The routes, filters and certificates of all filter chains.
pub(super) fn listener(
    listener: &mut Listener,
    secrets: &Secrets<'_>,
    files: &mut Files<'_>,
) -> Result<(), EncodeError> {
    forget_lines(listener.metadata.as_mut());
    for chain in &mut listener.filter_chains {
        forget_lines(chain.metadata.as_mut());
        certificates(chain, secrets, files)?;
        let name = match chain.name.as_str() {
            "" => listener.name.clone(),
            chain => format!("{}:{chain}", listener.name),
        };
        for filter in &mut chain.filters {
            let is_tls = chain.transport_socket.is_some();
            connection_manager(filter, &name, is_tls, files)?;
        }
    }
    Ok(())
}

fn connection_manager(
    filter: &mut Filter,
    chain: &str,
    is_tls: bool,
    files: &mut Files<'_>,
) -> Result<(), EncodeError> {
    let shares = files.shares;
    let (routes, filters) = if is_tls {
        (shares.routes, shares.filters)
    } else {
        (shares.ports, shares.ports)
    };
    let Some(filter::ConfigType::TypedConfig(any)) = &mut filter.config_type else {
        return Ok(());
    };
    let Some(mut manager) = unpack::<HttpConnectionManager>(any)? else {
        return Ok(());
    };
    if routes && let Some(RouteSpecifier::RouteConfig(routes)) = manager.route_specifier {
        let name = routes.name.clone();
        let path = path("routes", &name);
        files.put(&path, &routes, Stage::Routes)?;
        manager.route_specifier = Some(RouteSpecifier::Rds(Rds {
            config_source: Some(files.source(&path)),
            route_config_name: name,
        }));
    }
    for filter in manager.http_filters.iter_mut().filter(|_| filters) {
        http_filter(filter, chain, files)?;
    }
    any.value = manager.encode_to_vec();
    Ok(())
}

/// A Wasm filter gets its configuration from a file. A listener that changes closes connections; a filter that
/// changes is another one for the next request.
fn http_filter(
    filter: &mut HttpFilter,
    chain: &str,
    files: &mut Files<'_>,
) -> Result<(), EncodeError> {
    let Some(http_filter::ConfigType::TypedConfig(any)) = &filter.config_type else {
        return Ok(());
    };
    let Some(wasm) = unpack::<Wasm>(any)? else {
        return Ok(());
    };
    // Envoy reports versions by the name of the filter.
    filter.name = format!("{}:{chain}", filter.name);
    let path = path("filters", &filter.name);
    let stage = if brings_table(&wasm) {
        Stage::Routes
    } else {
        Stage::Last
    };
    let config = TypedExtensionConfig {
        name: filter.name.clone(),
        typed_config: Some(any.clone()),
    };
    files.put(&path, &config, stage)?;
    filter.config_type = Some(http_filter::ConfigType::ConfigDiscovery(
        ExtensionConfigSource {
            config_source: Some(files.source(&path)),
            type_urls: vec![Wasm::type_url()],
            ..ExtensionConfigSource::default()
        },
    ));
    Ok(())
}

/// Whether the filter has its listeners itself, so that it works whatever the others do.
fn brings_table(wasm: &Wasm) -> bool {
    let configuration = wasm.config.as_ref().and_then(|c| c.configuration.as_ref());
    let text = configuration.and_then(|any| StringValue::decode(any.value.as_slice()).ok());
    let config = text.and_then(|text| serde_json::from_str::<PluginConfig>(&text.value).ok());
    config.is_some_and(|config| config.listeners.is_some())
}

fn certificates(
    chain: &mut FilterChain,
    secrets: &Secrets<'_>,
    files: &Files<'_>,
) -> Result<(), EncodeError> {
    let Some(TransportSocket {
        config_type: Some(transport_socket::ConfigType::TypedConfig(any)),
        ..
    }) = &mut chain.transport_socket
    else {
        return Ok(());
    };
    if let Some(mut context) = unpack::<DownstreamTlsContext>(any)? {
        if let Some(common) = &mut context.common_tls_context {
            if files.shares.secrets {
                from_files(common, files);
            } else {
                inline(common, secrets);
            }
        }
        any.value = context.encode_to_vec();
    }
    Ok(())
}

fn from_files(context: &mut CommonTlsContext, files: &Files<'_>) {
    let own = &mut context.tls_certificate_sds_secret_configs;
    for secret in own.iter_mut().filter(|secret| secret.sds_config.is_none()) {
        secret.sds_config = Some(files.source(&secret_file(&secret.name)));
    }
}

/// Secrets of a bootstrap never change, so there are none in it.
fn inline(context: &mut CommonTlsContext, secrets: &Secrets<'_>) {
    let all = std::mem::take(&mut context.tls_certificate_sds_secret_configs);
    let (named, sourced): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|secret| secret.sds_config.is_none());
    let named = named
        .iter()
        .filter_map(|own| secrets.get(own.name.as_str()));
    let certificates = named.filter_map(|secret| match &secret.r#type {
        Some(secret::Type::TlsCertificate(pair)) => Some(pair.clone()),
        _ => None,
    });
    context.tls_certificates.extend(certificates);
    context.tls_certificate_sds_secret_configs = sourced;
}

/// The file of the certificate with this name.
pub(super) fn secret_file(name: &str) -> String {
    path("secrets", name)
}

/// A file name that says what it is of; the hash tells names apart that look alike without what files cannot have.
fn path(folder: &str, name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let readable = name.chars().map(|c| if allowed(c) { c } else { '_' });
    let readable: String = readable.take(80).collect();
    format!("{folder}/{readable}-{}.pb", sha256_hex([name], 4))
}

pub(super) fn unpack<M: Message + Name + Default>(any: &Any) -> Result<Option<M>, EncodeError> {
    if any.type_url != M::type_url() {
        return Ok(None);
    }
    M::decode(any.value.as_slice())
        .map(Some)
        .map_err(|error| EncodeError::Packed(M::full_name(), error))
}

fn forget_lines(metadata: Option<&mut Metadata>) {
    if let Some(fields) = metadata.and_then(|m| m.filter_metadata.get_mut(METADATA)) {
        fields.fields.remove("line");
        fields.fields.remove("file");
    }
}
