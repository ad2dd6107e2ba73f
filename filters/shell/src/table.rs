//! The listeners of a port, with what the filters tell about each of them written down in advance.

use std::cell::Cell;

use policy::telemetry::OTHER_MESH;
use policy::{HostTable, Listener};

/// Listeners for look-up by host, ready for requests.
pub(crate) struct Table {
    pub(crate) hosts: HostTable,
    prepared: Box<[Prepared]>,
}

/// What is the same for every request of a listener.
pub(crate) struct Prepared {
    /// The tags in Kuma's form, if there are any.
    pub(crate) tags: Option<Box<str>>,
    /// The id of the counter of its requests, once it is defined.
    pub(crate) counter: Cell<Option<u32>>,
    /// The meshes that its permissions name and [`OTHER_MESH`], with the ids of their counters.
    pub(crate) meshes: Box<[(Box<str>, Cell<Option<u32>>)]>,
}

impl Prepared {
    fn new(listener: &Listener) -> Self {
        let meshes = listener.permissions.as_ref().map(|permissions| {
            let named = permissions.meshes().into_iter();
            let all = named.chain([OTHER_MESH.into()]);
            all.map(|mesh| (mesh, Cell::default())).collect()
        });
        Self {
            tags: (!listener.tags.is_empty()).then(|| listener.tags.to_string().into()),
            counter: Cell::default(),
            meshes: meshes.unwrap_or_default(),
        }
    }

    /// The entry of a client's mesh.
    pub(crate) fn mesh(&self, mesh: Option<&[u8]>) -> Option<&(Box<str>, Cell<Option<u32>>)> {
        let own = self
            .meshes
            .iter()
            .find(|(name, _)| Some(name.as_bytes()) == mesh);
        own.or(self.meshes.last())
    }
}

impl Table {
    pub(crate) fn new(hosts: HostTable) -> Self {
        let prepared = hosts.listeners().iter().map(Prepared::new).collect();
        Self { hosts, prepared }
    }

    /// What is prepared for a listener of this table.
    pub(crate) fn prepared(&self, listener: &Listener) -> Option<&Prepared> {
        self.prepared.get(self.hosts.index_of(listener)?)
    }
}
