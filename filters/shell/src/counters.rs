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

/// Adds one to a counter whose id is kept in `place`. Its name is asked for once.
pub(crate) fn increment_kept(place: &Cell<Option<u32>>, name: impl FnOnce() -> String) {
    if place.get().is_none() {
        place.set(id(name()));
    }
    if let Some(id) = place.get() {
        host::increment(id);
    }
}
