//! Files of certificates that resources name.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Resources;
use super::istio::gateway::ServerTls;
use super::istio::traffic_policy::{ClientTls, TrafficPolicy};

impl Resources {
    /// The files with certificates, keys, authorities and revocation lists that gateways and rules for their services
    /// name, whether they are there or not.
    pub fn named_files(&self) -> BTreeSet<PathBuf> {
        let kuma = self.mesh_gateways.iter().flat_map(|own| {
            let listeners = own.spec.conf.iter().flat_map(|conf| &conf.listeners);
            let tls = listeners.filter_map(|l| l.tls.as_ref());
            let sources = tls.flat_map(|tls| &tls.certificates);
            sources.filter_map(|source| source.file.as_deref())
        });
        let servers = self.istio.gateways.iter().flat_map(|own| &own.spec.servers);
        let servers = servers.filter_map(|server| server.tls.as_ref());
        let rules = self.istio.destination_rules.iter().flat_map(|rule| {
            let of_subsets = rule.spec.subsets.iter().map(|own| &own.traffic_policy);
            of_subsets.chain([&rule.spec.traffic_policy]).flatten()
        });
        kuma.chain(servers.flat_map(of_server))
            .chain(rules.flat_map(of_rule))
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            .collect()
    }
}

fn of_server(tls: &ServerTls) -> impl Iterator<Item = &str> {
    let listed = tls.tls_certificates.iter();
    let listed = listed.flat_map(|own| [&own.server_certificate, &own.private_key]);
    let own = [
        &tls.server_certificate,
        &tls.private_key,
        &tls.ca_certificates,
        &tls.ca_crl,
    ];
    own.into_iter().chain(listed).map(String::as_str)
}

fn of_rule(policy: &TrafficPolicy) -> impl Iterator<Item = &str> {
    let ports = policy.port_level_settings.iter().map(|port| &port.tls);
    let all = ports.chain([&policy.tls]).flatten();
    all.flat_map(|tls: &ClientTls| {
        [
            &tls.client_certificate,
            &tls.private_key,
            &tls.ca_certificates,
            &tls.ca_crl,
        ]
    })
    .map(String::as_str)
}
