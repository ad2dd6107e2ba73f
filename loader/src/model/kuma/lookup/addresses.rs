//! The virtual addresses of services outside of a mesh.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::InMesh;
use crate::model::kuma::mesh_external_services::is_named;
use crate::model::kuma::select::display_name;
use crate::resources::Resource;
use crate::resources::kuma::dataplane::BackendRef;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::vips;

/// A service and its address.
#[derive(Clone, Copy, Debug)]
pub(in crate::model::kuma) struct Addressed<'a> {
    pub(in crate::model::kuma) service: &'a Resource<MeshExternalService>,
    pub(in crate::model::kuma) address: IpAddr,
    pub(in crate::model::kuma) port: u16,
}

/// The services that are served at virtual addresses, by name.
#[derive(Debug)]
pub(in crate::model::kuma) struct Addresses<'a> {
    all: Vec<Addressed<'a>>,
    /// Those whose addresses machines may have: an address of the machine itself, or one that somebody has given the
    /// service. The others are from a range that no machine has.
    own: BTreeSet<usize>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Addresses<'a> {
    pub(super) fn new(mesh: &InMesh<'a>) -> Self {
        let mut services = mesh.mesh_external_services.clone();
        services.sort_by_key(|service| &service.meta.name);
        let mut addresses = Self {
            all: Vec::new(),
            own: BTreeSet::new(),
            by_name: HashMap::new(),
        };
        for service in services {
            let address = mesh.input.resources.vips.get(&vips::key(&service.meta));
            let port = u16::try_from(service.spec.matching.port);
            let (Some(&address), Ok(port @ 1..), None) = (address, port, &service.spec.extension)
            else {
                continue;
            };
            let place = addresses.all.len();
            if address.is_loopback() || vips::given(service).is_some() {
                addresses.own.insert(place);
            }
            for name in [service.meta.name.as_str(), display_name(&service.meta)] {
                addresses.by_name.entry(name).or_default().push(place);
            }
            addresses.all.push(Addressed {
                service,
                address,
                port,
            });
        }
        addresses
    }

    /// Those that a service reaches whose connections are caught, or are not; if it says what it reaches, only those.
    pub(in crate::model::kuma) fn reached(
        &self,
        is_caught: bool,
        reachable: Option<&[BackendRef]>,
    ) -> impl Iterator<Item = Addressed<'a>> {
        let places: BTreeSet<usize> = match reachable {
            Some(refs) => refs
                .iter()
                .flat_map(|backend| self.meant(backend))
                .collect(),
            None if is_caught => (0..self.all.len()).collect(),
            None => self.own.clone(),
        };
        let places = places.into_iter();
        let places = places.filter(move |place| is_caught || self.own.contains(place));
        places.filter_map(|place| self.all.get(place).copied())
    }

    fn meant(&self, backend: &BackendRef) -> impl Iterator<Item = usize> {
        let named = self.by_name.get(backend.name.as_str());
        let places: Vec<_> = match named {
            _ if backend.kind != "MeshExternalService" => Vec::new(),
            Some(named) => named.clone(),
            None if backend.name.is_empty() => (0..self.all.len()).collect(),
            None => Vec::new(),
        };
        places.into_iter().filter(|place| {
            self.all.get(*place).is_some_and(|found| {
                let port = found.service.spec.matching.port;
                let is_port = matches!(backend.port, 0) || backend.port == port;
                let BackendRef {
                    name,
                    namespace,
                    labels,
                    ..
                } = backend;
                is_port && is_named(found.service, name, namespace, labels)
            })
        })
    }
}
