//! Turns compiled code back into a component. The only place where this crate's own code is unsafe: the bytes are run
//! as they are. Knows nothing of where they come from; its callers do.
#![allow(unsafe_code)]

use std::path::Path;
use std::ptr::NonNull;

use rustix::mm::{MprotectFlags, mprotect};
use rustix::param::page_size;
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine, Result};

/// An artifact inside this program starts where a page does, so that it can be run where it is: that saves the copy,
/// which costs five times what loading costs otherwise. The machine's pages may be larger still; then it is copied.
#[repr(C, align(4096))]
pub(crate) struct PageAligned<T: ?Sized>(pub(crate) T);

/// Loads what this crate's build script compiled, for all of the process's life.
///
/// `artifact` MUST be one of `builtin.rs`, and MUST not be loaded a second time: wasmtime keeps a process-wide list of
/// the places where code is. `engine` MUST have [`CodeMemory`].
pub(crate) fn load_built_in(engine: &Engine, artifact: &'static [u8]) -> Result<Component> {
    if !artifact.as_ptr().addr().is_multiple_of(page_size()) {
        // SAFETY: `Component::deserialize` asks for the unmodified output of `Engine::precompile_component`. The build
        // script wrote it with the same wasmtime and `include_bytes!` took it, so only who can change this program
        // can change it. wasmtime itself checks version, target and settings.
        return unsafe { Component::deserialize(engine, artifact) };
    }
    // SAFETY: as above; and it is a constant, so nobody writes to it while the component lives. wasmtime reads it and
    // makes a part of it executable through `CodeMemory`.
    unsafe { Component::deserialize_raw(engine, NonNull::from(artifact)) }
}

/// Loads what `compiled.rs` wrote.
///
/// The file MUST be in a directory that only this user can write to, MUST have been found to have the digest it was
/// written with, and MUST not be written to afterwards, but only be replaced.
pub(crate) fn load_file(engine: &Engine, path: &Path) -> Result<Component> {
    // SAFETY: as for `Component::deserialize` above, by the three conditions, which `CompiledCache::load` keeps: it
    // makes the directory with mode 0700 and refuses another's, it compares the digest, and files get there by rename.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Makes compiled code executable, be it wasmtime's own mapping or a constant of this program: wasmtime does the
/// former itself but not the latter.
#[derive(Debug)]
pub(crate) struct CodeMemory;

impl CustomCodeMemory for CodeMemory {
    fn required_alignment(&self) -> usize {
        page_size()
    }

    fn publish_executable(&self, start: *const u8, size: usize) -> Result<()> {
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: wasmtime gives whole pages that hold code and nothing else, and that nobody writes to any more.
        unsafe { mprotect(start.cast_mut().cast(), size, flags) }?;
        Ok(())
    }

    /// Nothing: a mapping of wasmtime's goes away next, and a constant stays loaded.
    fn unpublish_executable(&self, _: *const u8, _: usize) -> Result<()> {
        Ok(())
    }
}
