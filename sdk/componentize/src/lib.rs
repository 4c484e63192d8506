//! Makes a frontend component of a core Wasm module that wit-bindgen's bindings were compiled into, as `wasm-tools component
//! new` does, and refuses one that could not run in Lapstrake. Needs no adapter and knows nothing of WASI.

mod error;

use std::path::Path;

use wit_component::{ComponentEncoder, DecodedWasm};

pub use error::{EncodeError, Error};

/// What everything that a frontend imports belongs to.
const PACKAGE: &str = "lapstrake:frontend/";

/// What a frontend exports, without the version.
const EXPORT: &str = "lapstrake:frontend/frontend";

/// Wraps a module; `path` is its name in errors.
///
/// # Errors
/// It is no module, or what comes out is no frontend that a host could call.
pub fn componentize(path: &Path, module: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |text: String| Error::Encode {
        path: path.to_owned(),
        source: EncodeError(text),
    };
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
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
    use wit_component::StringEncoding;
    use wit_parser::Resolve;

    use super::*;

    /// The core module of a frontend with one function, made for a world with these imports.
    fn module(imports: &str, code: &str) -> Vec<u8> {
        let wit = format!(
            "package lapstrake:frontend@0.1.0;
             interface host {{ log: func(); }}
             interface frontend {{ describe: func(); }}
             world w {{ {imports} export frontend; }}"
        );
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", &wit).unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        let text = format!(
            "(module {code} (func (export \"lapstrake:frontend/frontend@0.1.0#describe\") call 0)
               (memory (export \"memory\") 1))"
        );
        let mut module = wat::parse_str(text).unwrap();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    fn error(module: &[u8]) -> Error {
        componentize(Path::new("m.wasm"), module).unwrap_err()
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
}
