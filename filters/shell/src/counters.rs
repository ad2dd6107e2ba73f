//! The ids of the VM's counters: each name is defined once, because Envoy keeps an entry for every definition.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::host;

thread_local! {
    static IDS: RefCell<HashMap<Box<str>, u32>> = RefCell::default();
}

/// The id of the counter with this name.
pub(crate) fn id(name: String) -> Option<u32> {
    IDS.with(|ids| {
        let mut ids = ids.try_borrow_mut().ok()?;
        if let Some(&id) = ids.get(name.as_str()) {
            return Some(id);
        }
        let id = host::define_counter(&name)?;
        ids.insert(name.into(), id);
        Some(id)
    })
}

/// Adds one to the counter with this name.
pub(crate) fn increment(name: String) {
    if let Some(id) = id(name) {
        host::increment(id);
    }
}

/// A counter that is defined when it is needed first.
pub(crate) struct Counter(Cell<u32>);

/// No id: they are even (Envoy keeps the kind of a metric in the lowest two bits, and counters are 0).
const NONE: u32 = u32::MAX;

impl Default for Counter {
    fn default() -> Self {
        Self(Cell::new(NONE))
    }
}

impl Counter {
    /// Adds one. Its name is asked for once.
    pub(crate) fn increment(&self, name: impl FnOnce() -> String) {
        if self.0.get() == NONE {
            self.0.set(id(name()).unwrap_or(NONE));
        }
        if self.0.get() != NONE {
            host::increment(self.0.get());
        }
    }
}
