//! Compiles the built-in frontends ahead of time and writes the table of them that `src/builtin.rs` includes. They are
//! components that `make frontends` left in `target/frontends`, or in `LAPSTRAKE_FRONTENDS_DIR`. Every one that
//! `src/known.rs` lists and that has a folder in `frontends` must be there. Knows nothing of what they are but their
//! names.

// How a build script talks to cargo.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

#[path = "src/engine_config.rs"]
#[allow(dead_code)]
mod engine_config;

#[path = "src/known.rs"]
#[allow(dead_code)]
mod known;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Cargo shows the lines of a failed build script that start like this as errors of the crate.
            println!("cargo::error={}", message.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/engine_config.rs");
    println!("cargo::rerun-if-changed=src/known.rs");
    println!("cargo::rerun-if-env-changed=LAPSTRAKE_FRONTENDS_DIR");
    let var = |name: &str| env::var_os(name).ok_or_else(|| format!("{name} is not set: run this with cargo"));
    let out = PathBuf::from(var("OUT_DIR")?);
    let manifest = PathBuf::from(var("CARGO_MANIFEST_DIR")?);
    let workspace = manifest
        .ancestors()
        .nth(2)
        .ok_or("this crate is not in its workspace")?;
    let directory = match env::var_os("LAPSTRAKE_FRONTENDS_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => workspace.join("target/frontends"),
    };
    // The directory's time changes when a component comes or goes, the files' when one is rebuilt.
    println!("cargo::rerun-if-changed={}", directory.display());

    let components = components(&directory)?;
    for known in known::KNOWN {
        let is_missing = !components.iter().any(|(name, _)| name == known.name);
        if is_missing && workspace.join("frontends").join(known.name).is_dir() {
            return Err(format!(
                "there is no {}.wasm in {}: run `make frontends` first",
                known.name,
                directory.display()
            ));
        }
    }

    let target = env::var("TARGET").map_err(|error| format!("TARGET: {error}"))?;
    let mut config = engine_config::config();
    // For every machine of this architecture, not for the features of this one's processor.
    config
        .target(&target)
        .map_err(|error| format!("cannot compile frontends for {target}: {error:#}"))?;
    let engine =
        Engine::new(&config).map_err(|error| format!("cannot start wasmtime for {target}: {error:#}"))?;

    let mut artifacts = String::new();
    let mut table = String::from("const BUILT_IN: &[BuiltIn] = &[\n");
    for (built_in, (name, path)) in components.into_iter().enumerate() {
        println!("cargo::rerun-if-changed={}", path.display());
        let wasm = fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let artifact = engine
            .precompile_component(&wasm)
            .map_err(|error| format!("cannot compile {}: {error:#}", path.display()))?;
        let file = out.join(format!("{name}.cwasm"));
        fs::write(&file, artifact).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let digest: [u8; 32] = Sha256::digest(&wasm).into();
        let constant = format!("ARTIFACT_{}", built_in);
        let _ = writeln!(
            artifacts,
            "static {constant}: &PageAligned<[u8]> = &PageAligned(*include_bytes!({file:?}));"
        );
        let _ = writeln!(
            table,
            "    BuiltIn {{ name: {name:?}, digest: Digest::from_bytes({digest:?}), wasm_size: {}, \
             artifact: &{constant}.0 }},",
            wasm.len()
        );
    }
    table.push_str("];\n");
    let file = out.join("built_in.rs");
    fs::write(&file, artifacts + &table).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// The components of a directory with their names, sorted. One that is not there has none.
fn components(directory: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(Vec::new());
    };
    let mut components = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| format!("cannot read {}: {error}", directory.display()))?
            .path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name
            && path.extension().is_some_and(|extension| extension == "wasm")
        {
            components.push((name, path));
        }
    }
    components.sort();
    Ok(components)
}
