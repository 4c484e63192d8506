//! What a component says of itself before anything of it runs: the names of its imports and exports, and whether they are
//! a frontend's. Knows nothing of what its functions do.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::FrontendError;
use crate::world;

/// What a component imports and exports.
#[derive(Debug)]
pub struct Inspection {
    /// Names of the imports, sorted.
    pub imports: Vec<String>,
    /// Names of the exports, sorted.
    pub exports: Vec<String>,
    /// The version of the contract that it was made for; or why it is no frontend that can be called here.
    pub contract: Result<String, FrontendError>,
}

/// Looks at a component; `name` is what errors call it.
pub(crate) fn inspect(engine: &Engine, component: &Component, name: &str) -> Inspection {
    let contract = world::check(engine, component, name);
    let kind = component.component_type();
    let mut imports: Vec<String> = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let mut exports: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    imports.sort();
    exports.sort();
    Inspection {
        imports,
        exports,
        contract,
    }
}
