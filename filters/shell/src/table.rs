//! The listeners of a port, with what the filters tell about each of them written down in advance.

use std::cell::Cell;

use policy::{HostTable, Listener};

/// Listeners for look-up by host, ready for requests.
pub(crate) struct Table {
    pub(crate) hosts: HostTable,
    prepared: Box<[Prepared]>,
}

/// What is the same for every request of a listener.
#[derive(Default)]
pub(crate) struct Prepared {
    /// The tags in Kuma's form, if there are any.
    pub(crate) tags: Option<Box<str>>,
    /// The id of the counter of its requests, once it is defined.
    pub(crate) counter: Cell<Option<u32>>,
}

impl Table {
    pub(crate) fn new(hosts: HostTable) -> Self {
        let prepare = |listener: &Listener| Prepared {
            tags: (!listener.tags.is_empty()).then(|| listener.tags.to_string().into()),
            counter: Cell::default(),
        };
        let prepared = hosts.listeners().iter().map(prepare).collect();
        Self { hosts, prepared }
    }

    /// What is prepared for a listener of this table.
    pub(crate) fn prepared(&self, listener: &Listener) -> Option<&Prepared> {
        self.prepared.get(self.hosts.index_of(listener)?)
    }
}
