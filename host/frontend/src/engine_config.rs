//! The engine's settings, once for the host and for the build script, which compiles the built-in frontends ahead of
//! time: an artifact loads only into an engine with equal settings. Knows nothing of the limits of a call.

use wasmtime::{Config, OptLevel};

/// Stack that a guest may use, bytes. The thread that runs it MUST have more.
pub const MAX_WASM_STACK: usize = 1 << 20;

/// The settings under which equal input gives equal output on every machine, and a guest can always be stopped.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Every instruction costs fuel: an endless loop ends after the same number of steps everywhere.
        .consume_fuel(true)
        // The wall clock and Ctrl-C stop a guest at its next loop or call.
        .epoch_interruption(true)
        // The only two places where WebAssembly leaves a result to the machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(MAX_WASM_STACK)
        // A page of a guest's initial memory is copied when it is first written.
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        // What only native debuggers read: a tenth of an artifact.
        .native_unwind_info(false)
        .generate_address_map(false);
    config
}
