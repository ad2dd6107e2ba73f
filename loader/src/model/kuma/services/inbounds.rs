//! The inbounds of Dataplanes that `MeshService`s select.

use std::collections::{BTreeSet, HashMap};

use policy::Tags;

use super::Offer;
use super::index::Index;
use crate::model::kuma::SERVICE_TAG;
use crate::model::{Endpoint, SpiffeIds};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, Inbound};
use crate::resources::kuma::mesh_service::{IdentityKind, MeshService, Port, Selector};

/// All inbounds of a mesh that take requests, by what selectors ask for.
pub(super) struct Inbounds<'a> {
    all: Vec<(&'a Inbound, Endpoint)>,
    by_tag: HashMap<(&'a str, &'a str), Vec<usize>>,
    dataplanes: Index<'a, Dataplane>,
}

impl<'a> Inbounds<'a> {
    pub(super) fn new(dataplanes: impl Iterator<Item = &'a Resource<Dataplane>>) -> Self {
        let dataplanes = Index::new(dataplanes);
        let all: Vec<_> = dataplanes
            .all()
            .iter()
            .copied()
            .flat_map(endpoints)
            .collect();
        let mut by_tag: HashMap<_, Vec<_>> = HashMap::new();
        for (place, (inbound, _)) in all.iter().enumerate() {
            for tag in inbound.tags.iter() {
                by_tag.entry(tag).or_default().push(place);
            }
        }
        Self {
            all,
            by_tag,
            dataplanes,
        }
    }

    /// The endpoints behind a port of a MeshService.
    pub(super) fn of_port(
        &self,
        service: &Resource<MeshService>,
        port: &'a Port,
    ) -> Vec<Offer<'a>> {
        let selected = self.selected(&service.spec.selector).into_iter();
        let targets = selected.filter(|(inbound, _)| is_target(port, inbound));
        targets
            .map(|(_, endpoint)| Offer {
                tags: None,
                protocol: &port.app_protocol,
                endpoint,
            })
            .collect()
    }

    /// Who the endpoints of a MeshService are: what it says, or what a control plane would write there (Kuma
    /// `buildIdentities` in `pkg/core/resources/apis/meshservice/status/updater.go` at 2.14.3).
    pub(super) fn identities(
        &self,
        mesh: &str,
        service: &Resource<MeshService>,
    ) -> BTreeSet<SpiffeIds> {
        let written = service.spec.identities.iter();
        let written: BTreeSet<_> = written
            .map(|identity| match identity.kind {
                IdentityKind::ServiceTag => SpiffeIds::service(mesh, &identity.value),
                IdentityKind::SpiffeId => SpiffeIds::Exact(identity.value.clone()),
            })
            .collect();
        if !written.is_empty() {
            return written;
        }
        let inbounds = self.selected(&service.spec.selector).into_iter();
        let services = inbounds.filter_map(|(inbound, _)| inbound.tags.get(SERVICE_TAG));
        services
            .map(|name| SpiffeIds::service(mesh, name))
            .collect()
    }

    /// In the order of their Dataplanes.
    fn selected(&self, selector: &Selector) -> Vec<(&'a Inbound, Endpoint)> {
        if let Some(tags) = &selector.dataplane_tags {
            return self.tagged(tags);
        }
        let dataplanes = if let Some(reference) = &selector.dataplane_ref {
            self.dataplanes.named(&reference.name).collect()
        } else if let Some(labels) = &selector.dataplane_labels {
            self.dataplanes.labelled(&labels.match_labels)
        } else {
            Vec::new()
        };
        dataplanes.into_iter().flat_map(endpoints).collect()
    }

    fn tagged(&self, tags: &Tags) -> Vec<(&'a Inbound, Endpoint)> {
        let exact = tags.iter().filter(|(_, value)| *value != "*");
        let places = exact.map(|tag| self.by_tag.get(&tag).map_or(&[][..], Vec::as_slice));
        let fits = |(inbound, _): &&(&'a Inbound, Endpoint)| inbound.tags.matched_by(tags);
        match places.min_by_key(|places| places.len()) {
            Some(fewest) => {
                let some = fewest.iter().filter_map(|place| self.all.get(*place));
                some.filter(fits).cloned().collect()
            }
            None => self.all.iter().filter(fits).cloned().collect(),
        }
    }
}

fn is_target(port: &Port, inbound: &Inbound) -> bool {
    let number = match &port.target_port {
        None => return inbound.port == port.port,
        Some(target) => target.0.parse::<u32>(),
    };
    match (number, &port.target_port) {
        (Ok(number), _) => inbound.port == number,
        (Err(_), Some(name)) => inbound.name == name.0,
        (Err(_), None) => false,
    }
}

/// What others reach a Dataplane's services at (Kuma `ToInboundInterface` in
/// `api/mesh/v1alpha1/dataplane_helpers.go` at 2.14.3). Inbounds that take no requests are left out.
pub(super) fn endpoints(
    dataplane: &Resource<Dataplane>,
) -> impl Iterator<Item = (&Inbound, Endpoint)> {
    let networking = &dataplane.spec.networking;
    let inbounds = networking.inbound.iter().filter(|i| i.takes_requests());
    inbounds.filter_map(|inbound| {
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
            priority: 0,
            tls: None,
            weight: None,
            locality: None,
        };
        Some((inbound, endpoint))
    })
}
