//! `MeshTrafficPermission`s that are about services outside of the mesh, by the services.

use std::collections::{BTreeMap, HashMap};

use super::Wanted;
use crate::model::kuma::mesh_external_services::access::is_meant;
use crate::model::kuma::select::display_name;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::mesh_traffic_permission::MeshTrafficPermission;

/// The policies of a mesh.
#[derive(Debug)]
pub(super) struct Permissions<'a> {
    all: Vec<(&'a Resource<MeshTrafficPermission>, &'a TargetRef)>,
    by_name: HashMap<&'a str, Vec<usize>>,
    by_labels: Wanted<'a>,
}

impl<'a> Permissions<'a> {
    pub(super) fn new(all: &[&'a Resource<MeshTrafficPermission>]) -> Self {
        let all = all.iter().filter_map(|policy| {
            let target = policy.spec.target_ref.as_ref()?;
            (target.kind == "MeshExternalService").then_some((*policy, target))
        });
        let all: Vec<_> = all.collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (place, (_, target)) in all.iter().enumerate() {
            by_name.entry(target.name.as_str()).or_default().push(place);
        }
        let unnamed = all.iter().enumerate();
        let unnamed = unnamed.filter(|(_, (_, target))| target.name.is_empty());
        let by_labels = Wanted::new(unnamed.map(|(place, (_, target))| {
            let labels = target.labels.iter();
            (
                place,
                labels.map(|(name, value)| (name.as_str(), value.as_str())),
            )
        }));
        Self {
            all,
            by_name,
            by_labels,
        }
    }

    /// Those about a service with these labels, in their order.
    pub(super) fn about(
        &self,
        service: &Resource<MeshExternalService>,
        labels: &BTreeMap<String, String>,
    ) -> Vec<&'a Resource<MeshTrafficPermission>> {
        let pairs = labels.iter();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        let mut places = self.by_labels.candidates(pairs);
        let names = [service.meta.name.as_str(), display_name(&service.meta)];
        let named = names.iter().filter_map(|name| self.by_name.get(name));
        places.extend(named.flatten());
        places.sort_unstable();
        places.dedup();
        let some = places.into_iter().filter_map(|place| self.all.get(place));
        some.filter(|(_, target)| is_meant(service, target))
            .map(|(policy, _)| *policy)
            .collect()
    }
}
