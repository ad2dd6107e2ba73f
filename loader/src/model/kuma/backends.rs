//! The clusters behind a gateway's routes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use policy::Tags;

use super::SERVICE_TAG;
use super::lookup::{InMesh, Outside};
use super::services::{Offer, Services, UNRESOLVED};
use crate::diagnostic::Diagnostic;
use crate::hash::sha256_hex;
use crate::model::policy::ClusterPolicy;
use crate::model::{Cluster, Identity, Origin, UpstreamProtocol, forbidden};
use crate::resources::kuma::mesh_http_route::BackendRef;

/// The tag with this name marks a service that the caller may not reach.
const FORBIDDEN: &str = forbidden::PREFIX;

/// The clusters that routes have asked for so far, each once.
#[derive(Debug)]
pub(super) struct Backends<'a> {
    services: &'a Services<'a>,
    all_outside: &'a Outside<'a>,
    /// The URIs of the caller's certificate, with commas between them.
    caller: String,
    clusters: BTreeMap<String, Cluster>,
    /// Whether the caller may not reach a service, of those that have been asked about.
    forbidden: RefCell<BTreeMap<String, bool>>,
    /// The clusters of `MeshExternalService`s.
    outside: BTreeSet<String>,
}

impl<'a> Backends<'a> {
    /// With the services of `mesh`, as `caller` sees them.
    pub(super) fn new(
        mesh: &'a InMesh<'a>,
        caller: Option<&Identity>,
        findings: &mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            services: mesh.services(findings),
            all_outside: mesh.outside(),
            caller: caller.map(Identity::uris).unwrap_or_default().join(","),
            forbidden: RefCell::new(BTreeMap::new()),
            clusters: BTreeMap::new(),
            outside: BTreeSet::new(),
        }
    }

    /// The tags that a reference means.
    pub(super) fn destination(&self, backend: &BackendRef) -> Tags {
        self.services.destination(backend)
    }

    /// The tags that a reference of a route means, with a mark if the caller may not reach the service.
    pub(super) fn route_destination(&self, backend: &BackendRef) -> Tags {
        let mut destination = self.services.destination(backend);
        let service = destination.get(SERVICE_TAG);
        if service.is_some_and(|service| self.is_forbidden(service)) {
            destination.insert(FORBIDDEN, "true");
        }
        destination
    }

    fn is_forbidden(&self, service: &str) -> bool {
        if let Some(known) = self.forbidden.borrow().get(service) {
            return *known;
        }
        let is_forbidden = !self.all_outside.may_reach(service, &self.caller);
        let mut known = self.forbidden.borrow_mut();
        known.insert(service.to_owned(), is_forbidden);
        is_forbidden
    }

    /// The name of the cluster for `destination`, called by a listener with these merged tags; there is none of that name
    /// if the destination is not resolved.
    pub(super) fn cluster(
        &mut self,
        destination: &Tags,
        listener: &Tags,
        origin: &Origin,
    ) -> String {
        if let Some(UNRESOLVED) = destination.get(SERVICE_TAG) {
            return UNRESOLVED.to_owned();
        }
        let is_forbidden = destination.get(FORBIDDEN).is_some();
        let destination = &unmarked(destination);
        let mut name = cluster_name(destination, listener);
        if is_forbidden {
            name = format!("{FORBIDDEN}:{name}");
        }
        if self.services.protocol_outside(destination).is_some() {
            self.outside.insert(name.clone());
        }
        if !self.clusters.contains_key(&name) {
            let cluster = Cluster {
                source: listener.clone(),
                ..self.build(name.clone(), destination, origin)
            };
            self.clusters.insert(name.clone(), cluster);
        }
        name
    }

    /// Whether a cluster is that of a `MeshExternalService`, which knows itself by its own name and not by the one that
    /// the mesh has for it (Kuma `pkg/plugins/policies/meshhttproute/xds` at 2.14.3).
    pub(super) fn is_outside(&self, cluster: &str) -> bool {
        self.outside.contains(cluster)
    }

    /// What is wrong with a destination, and what to do about it; nothing if it has an endpoint.
    pub(super) fn missing(&self, destination: &Tags) -> Option<(String, &'static str)> {
        if destination.get(SERVICE_TAG) == Some(UNRESOLVED) {
            return Some((
                "there is no such backend".to_owned(),
                "requests to it get 500: compare kind, name and port with the resources",
            ));
        }
        if destination.get(FORBIDDEN).is_some() {
            return Some((
                "the proxy may not reach this service outside of the mesh".to_owned(),
                "its requests get 403, or 500 beside other backends: write a MeshTrafficPermission for the service with `rules` that allow the proxy's SPIFFE ID, whatever the method and path",
            ));
        }
        if self.services.protocol_outside(destination).is_some() {
            return None;
        }
        (!self.has_endpoint(destination)).then(|| {
            (
                format!("no Dataplane has the tags {destination}"),
                "requests to it get 503: add a Dataplane with an inbound that has these tags",
            )
        })
    }

    /// Whether any endpoint has these tags. What is outside of the mesh has findings of its own.
    pub(super) fn has_endpoint(&self, destination: &Tags) -> bool {
        let is_reached = destination.get(FORBIDDEN).is_none();
        is_reached
            && (self.services.protocol_outside(destination).is_some()
                || self.services.find(destination).next().is_some())
    }

    /// Whether all endpoints speak HTTP, in any version; not if there is none.
    pub(super) fn speaks_http(&self, destination: &Tags) -> bool {
        if let Some(protocol) = self.services.protocol_outside(destination) {
            return protocol != "tcp";
        }
        let mut offers = self.services.find(destination).peekable();
        offers.peek().is_some()
            && offers.all(|offer| matches!(offer.protocol, "http" | "http2" | "grpc"))
    }

    /// Whether all endpoints speak gRPC; not if there is none.
    pub(super) fn speaks_grpc(&self, destination: &Tags) -> bool {
        if let Some(protocol) = self.services.protocol_outside(destination) {
            return protocol == "grpc";
        }
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

fn unmarked(destination: &Tags) -> Tags {
    let tags = destination.iter().filter(|(name, _)| *name != FORBIDDEN);
    tags.collect()
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
