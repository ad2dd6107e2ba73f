//! Files of certificates that resources name.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Resources;
use super::istio::gateway::ServerTls;
use super::istio::traffic_policy::{ClientTls, TrafficPolicy};
use super::kuma::mesh_gateway::DataSource;

impl Resources {
    /// The files with certificates, keys, authorities and revocation lists that resources name, whether they are there
    /// or not.
    pub fn named_files(&self) -> BTreeSet<PathBuf> {
        let servers = self.istio.gateways.iter().flat_map(|own| &own.spec.servers);
        let servers = servers.filter_map(|server| server.tls.as_ref());
        let rules = self.istio.destination_rules.iter().flat_map(|rule| {
            let of_subsets = rule.spec.subsets.iter().map(|own| &own.traffic_policy);
            of_subsets.chain([&rule.spec.traffic_policy]).flatten()
        });
        let kuma = self.data_sources();
        kuma.filter_map(|source| source.file.as_deref())
            .chain(servers.flat_map(of_server))
            .chain(rules.flat_map(of_rule))
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            .collect()
    }

    /// All of Kuma's resources.
    fn data_sources(&self) -> impl Iterator<Item = &DataSource> {
        let gateways = self.mesh_gateways.iter().flat_map(|own| {
            let listeners = own.spec.conf.iter().flat_map(|conf| &conf.listeners);
            let tls = listeners.filter_map(|listener| listener.tls.as_ref());
            tls.flat_map(|tls| &tls.certificates)
        });
        let meshes = self.meshes.iter().flat_map(|own| &own.spec.mtls);
        let authorities = meshes.flat_map(|mtls| &mtls.backends).flat_map(|own| {
            let conf = &own.conf;
            [&conf.cert, &conf.key].into_iter().flatten()
        });
        let services = self.external_services.iter();
        let services = services.flat_map(|own| &own.spec.networking);
        let services = services.flat_map(|networking| {
            let tls = &networking.tls;
            let sources = [&tls.ca_cert, &tls.client_cert, &tls.client_key];
            sources.into_iter().flatten()
        });
        let in_mesh = self.mesh_external_services.iter();
        let in_mesh = in_mesh.filter_map(|own| own.spec.tls.as_ref()?.verification.as_ref());
        let in_mesh = in_mesh.flat_map(|own| {
            let sources = [&own.ca_cert, &own.client_cert, &own.client_key];
            sources.into_iter().flatten()
        });
        gateways.chain(authorities).chain(services).chain(in_mesh)
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
