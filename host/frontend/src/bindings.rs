//! What wasmtime generates from `wit/lapstrake.wit`: the types as they cross the border, and the trait of the host
//! functions. Checks nothing: `convert.rs` does.

// The generated implementations of wasmtime's marker traits are `unsafe impl`.
#![allow(unsafe_code, missing_docs)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "frontend-world",
    imports: { default: trappable },
    with: { "lapstrake:frontend/host.reference": crate::host::ReferenceHandle },
});
