//! Makes a frontend component of a core Wasm module that wit-bindgen's bindings were compiled into, as `wasm-tools component
//! new` does, and refuses one that could not run in Lapstrake. Where a compiler knows nothing of components, `Parts` has what
//! its modules lack. Knows nothing of WASI.

mod error;

use std::path::Path;

use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub use error::{EncodeError, Error};

/// What everything that a frontend imports belongs to.
const PACKAGE: &str = "lapstrake:frontend/";

/// What a frontend exports, without the version.
const EXPORT: &str = "lapstrake:frontend/frontend";

/// What the modules of some compilers lack.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The text of the contract, for a module that does not say itself which types its functions have. It has one world.
    pub contract: Option<String>,
    /// Modules that give what the module imports under a name that is no interface.
    pub adapters: Vec<Adapter>,
}

/// A module that gives what others import from `name`. It says itself which interfaces it imports.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// The name, such as `wasi_snapshot_preview1`.
    pub name: String,
    /// The module.
    pub module: Vec<u8>,
}

/// Wraps a module; `path` is its name in errors.
///
/// # Errors
/// It is no module, or what comes out is no frontend that a host could call.
pub fn componentize(path: &Path, module: &[u8], parts: &Parts) -> Result<Vec<u8>, Error> {
    let failed = |text: String| Error::Encode {
        path: path.to_owned(),
        source: EncodeError(text),
    };
    let mut module = module.to_vec();
    if let Some(contract) = &parts.contract {
        let mut resolve = Resolve::default();
        let embedded = resolve
            .push_str("contract.wit", contract)
            .and_then(|package| resolve.select_world(&[package], None))
            .and_then(|world| embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8));
        embedded.map_err(|error| failed(format!("{error:#}")))?;
    }
    let mut encoder = ComponentEncoder::default();
    let mut prepared = encoder.validate(true).module(&module);
    for adapter in &parts.adapters {
        prepared = prepared.and_then(|encoder| encoder.adapter(&adapter.name, &adapter.module));
    }
    let component = prepared
        .and_then(|encoder| encoder.encode())
        .map_err(|error| failed(format!("{error:#}")))?;
    // What is checked is what the host will see, not what was asked for.
    let decoded = wit_component::decode(&component).map_err(|error| failed(format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Error::NoFrontend {
            path: path.to_owned(),
        });
    };
    let world = &resolve.worlds[world];
    let name = |key| resolve.name_world_key(key);
    if let Some(import) = world
        .imports
        .keys()
        .map(name)
        .find(|name| !name.starts_with(PACKAGE))
    {
        return Err(Error::Import {
            path: path.to_owned(),
            import,
        });
    }
    let is_frontend = |name: String| name.split('@').next() == Some(EXPORT);
    if !world.exports.keys().map(name).any(is_frontend) {
        return Err(Error::NoFrontend {
            path: path.to_owned(),
        });
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contract with one function, and this world.
    fn contract(world: &str) -> String {
        format!(
            "package lapstrake:frontend@0.1.0;
             interface host {{ log: func(); }}
             interface frontend {{ describe: func(); }}
             {world}"
        )
    }

    const LOG: &str = "(import \"lapstrake:frontend/host@0.1.0\" \"log\" (func))";

    /// A core module of the contract's one function.
    fn plain(code: &str) -> Vec<u8> {
        let text = format!(
            "(module {code} (func (export \"lapstrake:frontend/frontend@0.1.0#describe\") call 0)
               (memory (export \"memory\") 1))"
        );
        wat::parse_str(text).unwrap()
    }

    /// A module that says what its functions' types are.
    fn typed(mut module: Vec<u8>, world: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", &contract(world)).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    /// The core module of a frontend made for a world with these imports.
    fn module(imports: &str, code: &str) -> Vec<u8> {
        typed(plain(code), &format!("world w {{ {imports} export frontend; }}"))
    }

    fn error(module: &[u8]) -> Error {
        componentize(Path::new("m.wasm"), module, &Parts::default()).unwrap_err()
    }

    #[test]
    fn an_import_from_elsewhere_is_refused() {
        let module = module(
            "import clock: interface { now: func(); }",
            "(import \"clock\" \"now\" (func))",
        );
        let Error::Import { import, .. } = error(&module) else {
            panic!()
        };
        assert_eq!(import, "clock");
    }

    #[test]
    fn what_is_no_frontend_is_refused() {
        let plain = wat::parse_str("(module)").unwrap();
        assert!(matches!(error(&plain), Error::NoFrontend { .. }));
        let wasi = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))))";
        let Error::Encode { source, .. } = error(&wat::parse_str(wasi).unwrap()) else {
            panic!()
        };
        assert!(source.to_string().contains("wasi_snapshot_preview1"), "{source}");
        assert!(matches!(error(b"text"), Error::Encode { .. }));
    }
    /// As the compiler of another language leaves it: without types, and with imports of a system that there is not.
    #[test]
    fn a_module_that_lacks_types_and_a_system_gets_them() {
        let bare = plain("(import \"old\" \"time\" (func))");
        let adapter = wat::parse_str(format!("(module {LOG} (func (export \"time\") call 0))")).unwrap();
        let parts = Parts {
            contract: Some(contract("world w { import host; export frontend; }")),
            adapters: vec![Adapter {
                name: "old".to_owned(),
                module: typed(adapter, "world adapter { import host; }"),
            }],
        };
        let component = componentize(Path::new("m.wasm"), &bare, &parts).unwrap();
        assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0");
        let refused = |parts: &Parts| match componentize(Path::new("m.wasm"), &bare, parts).unwrap_err() {
            Error::Encode { source, .. } => source.to_string(),
            other => panic!("{other}"),
        };
        let text = refused(&Parts {
            adapters: Vec::new(),
            ..parts.clone()
        });
        assert!(text.contains("`old`"), "{text}");
        let text = refused(&Parts {
            contract: Some("package a:b;".to_owned()),
            ..parts
        });
        assert!(text.contains("world"), "{text}");
    }
}
