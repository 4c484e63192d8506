//! The frontends inside this program: the table that the build script wrote, compiled ahead of time. Knows nothing of
//! what they do.

use std::sync::{Mutex, PoisonError};

use lapstrake_llb::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::precompiled::{self, PageAligned};

/// A frontend inside this program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// Name.
    pub name: &'static str,
    /// Digest of the component, not of what was compiled from it.
    pub digest: Digest,
    /// Size of the component, bytes.
    pub wasm_size: u64,
    /// What wasmtime made of it.
    artifact: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The built-in frontends, sorted by name.
pub fn built_in() -> &'static [BuiltIn] {
    BUILT_IN
}

/// Finds one by its name.
pub(crate) fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|built_in| built_in.name == name)
}

/// Their names.
pub(crate) fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|built_in| built_in.name).collect()
}

/// What is loaded already: a built-in frontend is loaded once in a process.
static LOADED: Mutex<Vec<(&str, Component)>> = Mutex::new(Vec::new());

/// Loads a built-in frontend; `engine` is the process's.
pub(crate) fn component(built_in: &BuiltIn, engine: &Engine) -> wasmtime::Result<Component> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, component)) = loaded.iter().find(|(name, _)| *name == built_in.name) {
        return Ok(component.clone());
    }
    let component = precompiled::load_built_in(engine, built_in.artifact)?;
    loaded.push((built_in.name, component.clone()));
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cancel, FrontendSource, Frontends, Limits};

    #[test]
    fn all_of_them_are_frontends() {
        assert!(find("dockerfile").is_some());
        assert!(names().is_sorted());
        for built_in in built_in() {
            assert!(built_in.wasm_size > 0);
            // Each time another `Frontends`, but the same artifact.
            for _ in 0..2 {
                let source = FrontendSource::BuiltIn(built_in.name.to_owned());
                let frontend = Frontends::new(None).load(&source).unwrap();
                assert_eq!(frontend.digest(), built_in.digest);
                frontend.describe(&Limits::default(), &Cancel::new()).unwrap();
            }
        }
    }

    /// Else it is copied, and nobody notices but by the time it takes.
    #[test]
    fn artifacts_start_at_pages() {
        for built_in in built_in() {
            assert!(
                built_in.artifact.as_ptr().addr().is_multiple_of(4096),
                "{}",
                built_in.name
            );
        }
    }
}
