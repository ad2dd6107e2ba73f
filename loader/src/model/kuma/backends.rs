//! The clusters behind a gateway's routes.

use std::collections::BTreeMap;

use policy::Tags;

use super::{Input, PROTOCOL_TAG, SERVICE_TAG, of_mesh};
use crate::hash::sha256_hex;
use crate::model::policy::ClusterPolicy;
use crate::model::{Cluster, Endpoint, Origin, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;

/// The clusters that routes have asked for so far, each once.
#[derive(Debug)]
pub(super) struct Backends<'a> {
    services: BTreeMap<&'a str, Vec<(&'a Tags, Endpoint)>>,
    clusters: BTreeMap<String, Cluster>,
}

impl<'a> Backends<'a> {
    /// The services of `mesh`: the inbounds of its Dataplanes.
    pub(super) fn new(input: Input<'a>, mesh: &'a str) -> Self {
        let mut services: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for dataplane in of_mesh(&input.resources.dataplanes, mesh) {
            for (tags, endpoint) in endpoints(dataplane) {
                if let Some(service) = tags.get(SERVICE_TAG) {
                    services.entry(service).or_default().push((tags, endpoint));
                }
            }
        }
        Self {
            services,
            clusters: BTreeMap::new(),
        }
    }

    /// The name of the cluster for `destination`, called by a listener with these merged tags.
    pub(super) fn cluster(
        &mut self,
        destination: &Tags,
        listener: &Tags,
        origin: &Origin,
    ) -> String {
        let name = cluster_name(destination, listener);
        if !self.clusters.contains_key(&name) {
            let cluster = Cluster {
                source: listener.clone(),
                ..self.build(name.clone(), destination, origin)
            };
            self.clusters.insert(name.clone(), cluster);
        }
        name
    }

    /// Whether any endpoint has these tags.
    pub(super) fn has_endpoint(&self, destination: &Tags) -> bool {
        self.endpoints_of(destination).next().is_some()
    }

    pub(super) fn into_clusters(self) -> Vec<Cluster> {
        self.clusters.into_values().collect()
    }

    fn build(&self, name: String, destination: &Tags, origin: &Origin) -> Cluster {
        let mut endpoints: Vec<_> = self
            .endpoints_of(destination)
            .map(|(_, e)| e.clone())
            .collect();
        endpoints.sort();
        endpoints.dedup();
        let mut protocols = self
            .endpoints_of(destination)
            .map(|(tags, _)| tags.get(PROTOCOL_TAG).unwrap_or_default());
        // HTTP/1.1 unless all endpoints agree on HTTP/2 (Kuma `pkg/xds/topology/outbound.go` at 2.14.3).
        let first = protocols.next().unwrap_or_default();
        let protocol = match first {
            "http2" | "grpc" if protocols.all(|other| other == first) => UpstreamProtocol::Http2,
            _ => UpstreamProtocol::Http1,
        };
        Cluster {
            name,
            protocol,
            endpoints,
            destination: destination.clone(),
            source: Tags::default(),
            policy: ClusterPolicy::default(),
            origin: origin.clone(),
        }
    }

    fn endpoints_of<'b>(
        &'b self,
        destination: &'b Tags,
    ) -> impl Iterator<Item = (&'a Tags, &'b Endpoint)> {
        let service = destination
            .get(SERVICE_TAG)
            .and_then(|name| self.services.get(name));
        service
            .into_iter()
            .flatten()
            .filter(|(tags, _)| tags.matched_by(destination))
            .map(|(tags, endpoint)| (*tags, endpoint))
    }
}

/// What others reach a Dataplane's services at (Kuma `ToInboundInterface` in
/// `api/mesh/v1alpha1/dataplane_helpers.go` at 2.14.3).
fn endpoints(dataplane: &Resource<Dataplane>) -> impl Iterator<Item = (&Tags, Endpoint)> {
    let networking = &dataplane.spec.networking;
    networking.inbound.iter().filter_map(|inbound| {
        let address = [
            &networking.advertised_address,
            &inbound.address,
            &networking.address,
        ]
        .into_iter()
        .find(|address| !address.is_empty())?;
        let endpoint = Endpoint {
            address: address.clone(),
            port: u16::try_from(inbound.port).ok()?,
        };
        Some((&inbound.tags, endpoint))
    })
}

/// `<service>-<hash>`: the hash keeps apart what different listeners may configure differently (Kuma
/// `route.DestinationClusterName` at 2.14.3; dashboards and log filters of users know these names).
fn cluster_name(destination: &Tags, listener: &Tags) -> String {
    let tags = destination.iter().chain(listener.iter());
    let hash = sha256_hex(tags.flat_map(|(name, value)| [name, value]), 8);
    let service = destination.get(SERVICE_TAG).unwrap_or_default();
    format!("{service}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name that Kuma's own golden file has (`testdata/http/01-gateway-route.yaml` at 2.14.3).
    #[test]
    fn clusters_are_named_as_kuma_names_them() {
        let destination = [(SERVICE_TAG, "echo-service")].into_iter().collect();
        let listener = [(SERVICE_TAG, "gateway-default"), ("port", "http/8080")]
            .into_iter()
            .collect();
        assert_eq!(
            cluster_name(&destination, &listener),
            "echo-service-9f149ed9e14091ca"
        );
    }
}
