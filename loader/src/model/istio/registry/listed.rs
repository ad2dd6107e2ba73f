//! What stands behind services, by what it is looked for: each service asks for its own.

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::model::istio::label_index::LabelIndex;
use crate::model::istio::localities::Zones;
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::kubernetes::endpoint_slice::{self, Endpoint, EndpointSlice};
use crate::resources::kubernetes::endpoints::Endpoints;
use crate::resources::kubernetes::{Kubernetes, Pod};

/// A namespace and a name.
type Name<'a> = (&'a str, &'a str);

/// Endpoints by the names of their services, and workloads by their labels.
pub(super) struct Listed<'a> {
    pub(super) input: Input<'a>,
    pub(super) zones: Zones<'a>,
    slices: HashMap<Name<'a>, Vec<&'a Resource<EndpointSlice>>>,
    endpoints: HashMap<Name<'a>, Vec<&'a Resource<Endpoints>>>,
    workload_entries: OnceCell<LabelIndex<'a>>,
    pods: OnceCell<Pods<'a>>,
}

/// Pods that slices say the addresses of.
pub(super) struct Pods<'a> {
    pub(super) all: Vec<(&'a Resource<Pod>, &'a Endpoint)>,
    pub(super) by_label: LabelIndex<'a>,
}

impl<'a> Listed<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let kubernetes = &input.resources.kubernetes;
        let mut slices: HashMap<_, Vec<_>> = HashMap::new();
        for slice in &kubernetes.endpoint_slices {
            if let Some(service) = slice.meta.labels.get(endpoint_slice::SERVICE) {
                let name = (slice.meta.namespace(), service.as_str());
                slices.entry(name).or_default().push(slice);
            }
        }
        let mut endpoints: HashMap<_, Vec<_>> = HashMap::new();
        for own in &kubernetes.endpoints {
            let name = (own.meta.namespace(), own.meta.name.as_str());
            endpoints.entry(name).or_default().push(own);
        }
        Self {
            input,
            zones: Zones::new(kubernetes),
            slices,
            endpoints,
            workload_entries: OnceCell::new(),
            pods: OnceCell::new(),
        }
    }

    pub(super) fn kubernetes(&self) -> &'a Kubernetes {
        &self.input.resources.kubernetes
    }

    /// The slices of a service.
    pub(super) fn slices<'s>(
        &'s self,
        namespace: &'s str,
        service: &'s str,
    ) -> &'s [&'a Resource<EndpointSlice>] {
        let own = self.slices.get(&(namespace, service));
        own.map_or(&[], Vec::as_slice)
    }

    /// The Endpoints of a service.
    pub(super) fn endpoints<'s>(
        &'s self,
        namespace: &'s str,
        service: &'s str,
    ) -> &'s [&'a Resource<Endpoints>] {
        let own = self.endpoints.get(&(namespace, service));
        own.map_or(&[], Vec::as_slice)
    }

    /// The places of WorkloadEntries by their labels.
    pub(super) fn workload_entries(&self) -> &LabelIndex<'a> {
        self.workload_entries.get_or_init(|| {
            let all = self.input.resources.istio.workload_entries.iter();
            LabelIndex::new(all.map(|own| (own.meta.namespace(), &own.spec.labels)))
        })
    }

    /// Pods by their labels.
    pub(super) fn pods(&self) -> &Pods<'a> {
        self.pods.get_or_init(|| {
            let mut all = Vec::new();
            for slice in &self.kubernetes().endpoint_slices {
                for endpoint in &slice.spec.endpoints {
                    let target = endpoint.target_ref.as_ref();
                    let pod = target.and_then(|target| {
                        let pods = &self.kubernetes().pods;
                        pods.find(slice.meta.namespace(), &target.name)
                    });
                    all.extend(pod.map(|pod| (pod, endpoint)));
                }
            }
            let labels = all.iter();
            let labels = labels.map(|(pod, _)| (pod.meta.namespace(), &pod.meta.labels));
            let by_label = LabelIndex::new(labels);
            Pods { all, by_label }
        })
    }
}
