//! Much text in little memory: vertices whose names are all the same bytes of the guest. A host that copies first and counts
//! afterwards needs far more memory than the guest has.
//!
//! The only unsafe code of the crate. The strings share their memory, which a `String` must not. Nobody writes to them, and they
//! are freed when the host has the answer: to the SDK's allocator that is the end of a list that nobody reads any more.
#![allow(unsafe_code)]

use lapstrake_sdk::types::*;

const TEXT: usize = 1 << 16;

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
