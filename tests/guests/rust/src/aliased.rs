//! Much text in little memory: vertices whose names are all the same bytes of the guest. A host that copies first and counts
//! afterwards needs far more memory than the guest has.
//!
//! The only unsafe code of the crate. The strings share their memory, which a `String` must not: nobody writes to them, and
//! freeing does nothing in this component, so nothing comes of it.
#![allow(unsafe_code)]

use lapstrake_sdk::types::*;

const TEXT: usize = 1 << 16;

#[cfg(target_family = "wasm")]
mod never_free {
    use std::alloc::{GlobalAlloc, Layout, System};

    struct NeverFree;

    // SAFETY: passes on to the system's allocator, and what is never freed stays valid.
    unsafe impl GlobalAlloc for NeverFree {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promises are passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
    }

    #[global_allocator]
    static ALLOCATOR: NeverFree = NeverFree;
}

/// Vertices with `size` bytes of text altogether, all of them in [`TEXT`] bytes.
pub(crate) fn vertices(size: usize) -> Vec<Vertex> {
    let bytes: &'static mut [u8] = Box::leak(vec![b'x'; TEXT].into_boxed_slice());
    let pointer = bytes.as_mut_ptr();
    (0..size / TEXT)
        .map(|number| {
            let mut vertex = super::scratch_file(&format!("/{number}"));
            // SAFETY: see the file's header; the bytes are ASCII and are never freed.
            vertex.name = unsafe { String::from_raw_parts(pointer, TEXT, TEXT) };
            vertex
        })
        .collect()
}
