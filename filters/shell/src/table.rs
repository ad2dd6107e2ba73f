//! The listeners of a port, with the ids of their counters.

use policy::{HostTable, Listener};

use crate::counters::Counter;

/// Listeners for look-up by host, ready for requests.
pub(crate) struct Table {
    pub(crate) hosts: HostTable,
    counters: Box<[Counters]>,
}

/// The counters of a listener.
pub(crate) struct Counters {
    /// Of its requests.
    pub(crate) requests: Counter,
    /// The same for each mesh that its permissions name, and for all others together.
    pub(crate) of_meshes: Box<[Counter]>,
}

impl Counters {
    fn new(listener: &Listener) -> Self {
        let named = listener
            .permissions
            .as_ref()
            .map(|permissions| permissions.meshes().len());
        let counters = named.map_or(0, |named| named + 1);
        Self {
            requests: Counter::default(),
            of_meshes: (0..counters).map(|_| Counter::default()).collect(),
        }
    }
}

impl Table {
    pub(crate) fn new(hosts: HostTable) -> Self {
        let counters = hosts.listeners().iter().map(Counters::new).collect();
        Self { hosts, counters }
    }

    /// The counters of a listener of this table.
    pub(crate) fn counters(&self, listener: &Listener) -> Option<&Counters> {
        self.counters.get(self.hosts.index_of(listener)?)
    }
}
