//! The `MeshExternalService`s of a mesh, as all its proxies see them.

use std::collections::{BTreeMap, HashMap};

use policy::client::Client;
use policy::permissions::Permissions as Decided;

use super::InMesh;
use crate::model::Permission;
use crate::model::kuma::mesh_external_services::access::{self, Nothing};
use crate::model::kuma::policies::Destination;
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::MeshExternalService;

/// The services, by what others ask for.
#[derive(Debug)]
pub(in crate::model::kuma) struct Outside<'a> {
    all: Vec<OutsideService<'a>>,
    by_kuma_service: BTreeMap<String, Vec<usize>>,
    /// Those that not everybody may reach, by the addresses of their endpoints.
    gated: HashMap<String, &'a str>,
    is_forbidden_by_default: bool,
}

/// A service.
#[derive(Debug)]
pub(in crate::model::kuma) struct OutsideService<'a> {
    pub(in crate::model::kuma) resource: &'a Resource<MeshExternalService>,
    /// As policies name it.
    pub(in crate::model::kuma) destination: Destination,
    /// What `MeshTrafficPermission`s say about it; nothing if none is about it.
    pub(in crate::model::kuma) permission: Option<Permission>,
}

impl<'a> Outside<'a> {
    pub(super) fn new(mesh: &InMesh<'a>) -> Self {
        let mut outside = Self {
            all: Vec::with_capacity(mesh.mesh_external_services.len()),
            by_kuma_service: BTreeMap::new(),
            gated: HashMap::new(),
            is_forbidden_by_default: mesh.forbids_outside(),
        };
        for (place, resource) in mesh.mesh_external_services.iter().copied().enumerate() {
            let destination = Destination::outside(resource);
            let permission = access::permission(mesh.input, resource);
            if permission.is_some() {
                for endpoint in &resource.spec.endpoints {
                    let host = endpoint.address.to_ascii_lowercase();
                    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
                    outside.gated.entry(host).or_insert(&resource.meta.name);
                }
            }
            let name = destination.kuma_service.clone();
            outside.by_kuma_service.entry(name).or_default().push(place);
            outside.all.push(OutsideService {
                resource,
                destination,
                permission,
            });
        }
        outside
    }

    /// In the order of the resources.
    pub(in crate::model::kuma) fn all(&self) -> &[OutsideService<'a>] {
        &self.all
    }

    fn called(&self, kuma_service: &str) -> impl DoubleEndedIterator<Item = &OutsideService<'a>> {
        let places = self.by_kuma_service.get(kuma_service).into_iter().flatten();
        places.filter_map(|place| self.all.get(*place))
    }

    /// The service with what Kuma writes in place of a `kuma.io/service`, of several the last.
    pub(in crate::model::kuma) fn get(&self, kuma_service: &str) -> Option<&OutsideService<'a>> {
        self.called(kuma_service).next_back()
    }

    /// Whether a proxy whose certificate has these URIs, with commas between them, may send anything to the service,
    /// whatever it is that it sends; also to what is no service outside of the mesh.
    pub(in crate::model::kuma) fn may_reach(&self, kuma_service: &str, uris: &str) -> bool {
        let mut services = self.called(kuma_service);
        services.all(|service| {
            let Some(permission) = &service.permission else {
                return !self.is_forbidden_by_default;
            };
            Decided::try_from(&permission.rules()).is_ok_and(|permissions| {
                let client = Client::new(uris.as_bytes());
                permissions.permit(client, &Nothing).is_ok()
            })
        })
    }

    /// The service that not everybody may reach and that a name in lower case, without a dot at its end, leads to.
    pub(in crate::model::kuma) fn gated(&self, name: &str) -> Option<&'a str> {
        self.gated.get(name).copied()
    }
}
