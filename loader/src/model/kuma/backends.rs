//! The clusters behind a gateway's routes.

use std::collections::BTreeMap;

use policy::Tags;

use super::services::{Offer, Services, UNRESOLVED};
use super::{Input, SERVICE_TAG};
use crate::diagnostic::Diagnostic;
use crate::hash::sha256_hex;
use crate::model::policy::ClusterPolicy;
use crate::model::{Cluster, Origin, UpstreamProtocol};
use crate::resources::kuma::mesh_http_route::BackendRef;

/// The clusters that routes have asked for so far, each once.
#[derive(Debug)]
pub(super) struct Backends<'a> {
    services: Services<'a>,
    clusters: BTreeMap<String, Cluster>,
}

impl<'a> Backends<'a> {
    /// With the services of `mesh`.
    pub(super) fn new(input: Input<'a>, mesh: &'a str, findings: &mut Vec<Diagnostic>) -> Self {
        Self {
            services: Services::new(input, mesh, findings),
            clusters: BTreeMap::new(),
        }
    }

    /// The tags that a reference of a route means.
    pub(super) fn destination(&self, backend: &BackendRef) -> Tags {
        self.services.destination(backend)
    }

    /// The name of the cluster for `destination`, called by a listener with these merged tags; there is none of that name
    /// if the destination is not resolved.
    pub(super) fn cluster(
        &mut self,
        destination: &Tags,
        listener: &Tags,
        origin: &Origin,
    ) -> String {
        if destination.get(SERVICE_TAG) == Some(UNRESOLVED) {
            return UNRESOLVED.to_owned();
        }
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

    /// What is wrong with a destination, and what to do about it; nothing if it has an endpoint.
    pub(super) fn missing(&self, destination: &Tags) -> Option<(String, &'static str)> {
        if destination.get(SERVICE_TAG) == Some(UNRESOLVED) {
            return Some((
                "there is no such backend".to_owned(),
                "requests to it get 500: compare kind, name and port with the resources",
            ));
        }
        (!self.has_endpoint(destination)).then(|| {
            (
                format!("no Dataplane has the tags {destination}"),
                "requests to it get 503: add a Dataplane with an inbound that has these tags",
            )
        })
    }

    /// Whether any endpoint has these tags.
    pub(super) fn has_endpoint(&self, destination: &Tags) -> bool {
        self.services.find(destination).next().is_some()
    }

    /// Whether all endpoints speak HTTP, in any version; not if there is none.
    pub(super) fn speaks_http(&self, destination: &Tags) -> bool {
        let mut offers = self.services.find(destination).peekable();
        offers.peek().is_some()
            && offers.all(|offer| matches!(offer.protocol, "http" | "http2" | "grpc"))
    }

    /// Whether all endpoints speak gRPC; not if there is none.
    pub(super) fn speaks_grpc(&self, destination: &Tags) -> bool {
        let mut offers = self.services.find(destination).peekable();
        offers.peek().is_some() && offers.all(|offer| offer.protocol == "grpc")
    }

    pub(super) fn into_clusters(self) -> Vec<Cluster> {
        self.clusters.into_values().collect()
    }

    fn build(&self, name: String, destination: &Tags, origin: &Origin) -> Cluster {
        let offers: Vec<&Offer<'_>> = self.services.find(destination).collect();
        let mut endpoints: Vec<_> = offers.iter().map(|offer| offer.endpoint.clone()).collect();
        endpoints.sort();
        endpoints.dedup();
        let mut protocols = offers.iter().map(|offer| offer.protocol);
        // HTTP/1.1 unless all endpoints agree on HTTP/2 (Kuma `pkg/xds/topology/outbound.go` at 2.14.3).
        let first = protocols.next().unwrap_or_default();
        let protocol = match first {
            "http2" if protocols.all(|other| other == first) => UpstreamProtocol::Http2,
            "grpc" if protocols.all(|other| other == first) => UpstreamProtocol::Grpc,
            _ => UpstreamProtocol::Http1,
        };
        Cluster {
            name,
            protocol,
            endpoints,
            tls: self.services.tls(destination),
            origination: None,
            destination: destination.clone(),
            source: Tags::default(),
            policy: ClusterPolicy::default(),
            origin: origin.clone(),
        }
    }
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

    /// And that of a real MeshService (`gateway-real-mesh-service.clusters.golden.yaml`).
    #[test]
    fn clusters_of_resources_are_named_as_kuma_names_them() {
        let destination = [(SERVICE_TAG, "default_backend___msvc_80")];
        let listener = [(SERVICE_TAG, "sample-gateway")];
        assert_eq!(
            cluster_name(
                &destination.into_iter().collect(),
                &listener.into_iter().collect()
            ),
            "default_backend___msvc_80-01804e3659fbd290"
        );
    }
}
