//! Memory that Envoy fills with the values that it returns.
//!
//! Small values go into one buffer that each callback uses anew, so that a request allocates nothing. Large ones (the
//! configuration, absurd headers) go to the heap and are freed with their [`HostBytes`].
#![expect(unsafe_code, reason = "the ABI passes memory as addresses")]

use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::slice;
use std::alloc::{Layout, alloc, dealloc};

/// Room for the longest host and all that a filter reads besides.
const SCRATCH_SIZE: usize = 1024;

struct Scratch {
    bytes: UnsafeCell<[u8; SCRATCH_SIZE]>,
    used: Cell<usize>,
}

// SAFETY: a proxy-wasm VM has one thread.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch {
    bytes: UnsafeCell::new([0; SCRATCH_SIZE]),
    used: Cell::new(0),
};

impl Scratch {
    fn start(&self) -> *mut u8 {
        self.bytes.get().cast()
    }

    fn take(&self, size: usize) -> Option<*mut u8> {
        let used = self.used.get();
        let end = used.checked_add(size).filter(|&end| end <= SCRATCH_SIZE)?;
        self.used.set(end);
        Some(self.start().wrapping_add(used))
    }

    fn holds(&self, address: *mut u8) -> bool {
        let start = self.start().addr();
        (start..start.saturating_add(SCRATCH_SIZE)).contains(&address.addr())
    }
}

/// Makes the buffer empty. Only callbacks may call it, at their beginning: no [`HostBytes`] lives longer than the
/// callback in which it was received.
pub(crate) fn reset() {
    SCRATCH.used.set(0);
}

/// `malloc` for Envoy: null if there is no memory, which Envoy reports as the failure of the call that needed it.
#[doc(hidden)]
pub fn allocate(size: usize) -> *mut u8 {
    SCRATCH
        .take(size)
        .unwrap_or_else(|| match Layout::array::<u8>(size) {
            // SAFETY: the size is not 0, the buffer would have had room for that.
            Ok(layout) => unsafe { alloc(layout) },
            Err(_) => core::ptr::null_mut(),
        })
}

/// A value that Envoy returned. It may be changed in place, which Envoy does not see.
pub struct HostBytes<'callback> {
    address: *mut u8,
    size: usize,
    callback: PhantomData<&'callback ()>,
}

impl HostBytes<'_> {
    /// Takes over what a call returned.
    ///
    /// # Safety
    /// Either `address` is null, or it came from [`allocate`] with this `size` after the last [`reset`], and nobody
    /// else uses it.
    pub(crate) unsafe fn new(address: *mut u8, size: usize) -> Self {
        Self {
            address,
            // An empty value has no address.
            size: if address.is_null() { 0 } else { size },
            callback: PhantomData,
        }
    }
}

impl Deref for HostBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.size == 0 {
            return &[];
        }
        // SAFETY: by `new`; both the buffer and fresh heap memory that Envoy filled are initialised.
        unsafe { slice::from_raw_parts(self.address, self.size) }
    }
}

impl DerefMut for HostBytes<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.size == 0 {
            return &mut [];
        }
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.address, self.size) }
    }
}

impl Drop for HostBytes<'_> {
    fn drop(&mut self) {
        if self.size == 0 || SCRATCH.holds(self.address) {
            return;
        }
        if let Ok(layout) = Layout::array::<u8>(self.size) {
            // SAFETY: by `new`, it came from `allocate`, and not out of the buffer.
            unsafe { dealloc(self.address, layout) };
        }
    }
}
