//! How often the module took memory from the heap: for a test, which builds modules of its own with it.
#![expect(unsafe_code, reason = "an allocator, and an exported symbol")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all of it is done by the allocator of the standard library.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as of the call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: as of the call.
        unsafe { System.dealloc(address, layout) };
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as of the call.
        unsafe { System.realloc(address, layout, size) }
    }
}

/// How often memory was taken so far.
#[unsafe(no_mangle)]
extern "C" fn meshgate_allocations() -> u32 {
    TAKEN.load(Ordering::Relaxed)
}
