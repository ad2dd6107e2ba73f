//! The listeners of a port, with what the filters tell about each of them written down in advance.

use std::cell::Cell;

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
    /// The same for each mesh that its permissions name, and for all others together.
    pub(crate) of_meshes: Box<[Cell<Option<u32>>]>,
}

impl Prepared {
    fn new(listener: &Listener) -> Self {
        let named = listener
            .permissions
            .as_ref()
            .map(|permissions| permissions.meshes().len());
        let counters = named.map_or(0, |named| named + 1);
        Self {
            tags: (!listener.tags.is_empty()).then(|| listener.tags.to_string().into()),
            counter: Cell::default(),
            of_meshes: (0..counters).map(|_| Cell::default()).collect(),
        }
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
