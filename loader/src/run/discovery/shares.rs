//! How many files Envoy can watch.
//!
//! Envoy takes an inotify instance for each file that it watches, and aborts when the kernel has no more of them for its
//! user (`fs.inotify.max_user_instances`, 128 on many machines). So what there is too much of stays in listeners and
//! clusters: a change then replaces the filter chain or the cluster, whose connections end with their next answer.

use std::collections::BTreeSet;
use std::fs;

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::{
    TransportSocket, config_source::ConfigSourceSpecifier, transport_socket,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    DownstreamTlsContext, SdsSecretConfig, UpstreamTlsContext,
};

use super::parts::unpack;

/// The number of instances of one user.
const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
/// What Linux gives if nobody says otherwise.
const USUAL: usize = 128;
/// Others of the user need some, and while one Envoy takes over from another there are two.
const PART: usize = 3;
/// The files with listeners, clusters and limits.
const ALWAYS: usize = 3;

/// What has files of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that has files or not"
)]
pub(in crate::run) struct Shares {
    /// Certificates.
    pub(super) secrets: bool,
    /// Routes and filters of ports without TLS: one of each for a port.
    pub(super) ports: bool,
    /// Routes of TLS listeners.
    pub(super) routes: bool,
    /// Filters of TLS listeners.
    pub(super) filters: bool,
    /// Endpoints.
    pub(super) endpoints: bool,
}

impl Shares {
    /// As much as Envoy can watch on this machine, the most useful first.
    pub(super) fn of(bootstrap: &Bootstrap) -> Self {
        let limit = fs::read_to_string(LIMIT).ok();
        let limit = limit.and_then(|text| text.trim().parse().ok());
        Self::within(bootstrap, limit.unwrap_or(USUAL) / PART)
    }

    pub(super) fn within(bootstrap: &Bootstrap, budget: usize) -> Self {
        let mut left = budget.saturating_sub(ALWAYS + sourced(bootstrap));
        let mut fits = |count: usize| {
            let fits = count <= left;
            left -= if fits { count } else { 0 };
            fits
        };
        let Some(resources) = &bootstrap.static_resources else {
            return Self::default();
        };
        let chains = || resources.listeners.iter().flat_map(|l| &l.filter_chains);
        let of_tls = chains()
            .filter(|chain| chain.transport_socket.is_some())
            .count();
        Self {
            ports: fits(2 * (chains().count() - of_tls)),
            secrets: fits(resources.secrets.len()),
            routes: fits(of_tls),
            filters: fits(of_tls),
            endpoints: fits(resources.clusters.len()),
        }
    }

    /// What a user should know about it.
    pub(in crate::run) fn note(self) -> Option<String> {
        let without = [
            (self.ports, "routes of ports without TLS"),
            (self.secrets, "certificates"),
            (self.routes, "routes of TLS listeners"),
            (self.filters, "hostnames of TLS listeners"),
            (self.endpoints, "endpoints"),
        ];
        let names: Vec<_> = without
            .iter()
            .filter(|(own, _)| !own)
            .map(|(_, name)| *name)
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "{} are too many for fs.inotify.max_user_instances: a change of them ends connections with their next answer; raise it (sysctl) and start again to keep them",
                names.join(", ")
            )
        })
    }
}

/// How many secrets are in files already: identities, and whom to believe. Envoy watches each once, whoever names it
/// (`SecretManagerImpl::DynamicSecretProviders` in `source/common/secret/secret_manager_impl.h` at 1.36 and 1.40).
fn sourced(bootstrap: &Bootstrap) -> usize {
    let Some(resources) = &bootstrap.static_resources else {
        return 0;
    };
    let chains = resources.listeners.iter().flat_map(|l| &l.filter_chains);
    let of_chains = chains.filter_map(|chain| chain.transport_socket.as_ref());
    let of_clusters = resources.clusters.iter().flat_map(|cluster| {
        let matches = cluster.transport_socket_matches.iter();
        let of_matches = matches.filter_map(|one| one.transport_socket.as_ref());
        cluster.transport_socket.iter().chain(of_matches)
    });
    let mut files = BTreeSet::new();
    for secret in of_chains.chain(of_clusters).flat_map(secrets) {
        if let Some(ConfigSourceSpecifier::PathConfigSource(source)) =
            secret.sds_config.and_then(|s| s.config_source_specifier)
        {
            files.insert((secret.name, source.path));
        }
    }
    files.len()
}

/// All secrets that a side of TLS gets from somewhere.
fn secrets(socket: &TransportSocket) -> Vec<SdsSecretConfig> {
    let Some(transport_socket::ConfigType::TypedConfig(any)) = &socket.config_type else {
        return Vec::new();
    };
    let downstream = unpack::<DownstreamTlsContext>(any).ok().flatten();
    let upstream = unpack::<UpstreamTlsContext>(any).ok().flatten();
    let context = downstream
        .and_then(|context| context.common_tls_context)
        .or_else(|| upstream?.common_tls_context);
    let Some(context) = context else {
        return Vec::new();
    };
    let mut all = context.tls_certificate_sds_secret_configs;
    match context.validation_context_type {
        Some(ValidationContextType::ValidationContextSdsSecretConfig(one)) => all.push(one),
        Some(ValidationContextType::CombinedValidationContext(both)) => {
            all.extend(both.validation_context_sds_secret_config);
        }
        _ => {}
    }
    all
}
