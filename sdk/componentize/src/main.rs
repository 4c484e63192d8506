//! The command over the library: reads a module, writes the component. Knows nothing of either format.

use std::error::Error as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lapstrake_componentize::{Error, Parts, componentize};

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).map(PathBuf::from).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("lapstrake-componentize: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            // A standard error that is closed leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<PathBuf>) -> Result<(), Error> {
    let [input, output] = <[PathBuf; 2]>::try_from(words).map_err(|_| Error::Usage)?;
    let module = std::fs::read(&input).map_err(|source| Error::Read {
        path: input.clone(),
        source,
    })?;
    let component = componentize(&input, &module, &Parts::default())?;
    write(&output, &component).map_err(|source| Error::Write { path: output, source })
}

/// Writes a file, whole or not at all. One that has these contents already keeps its time, so that nothing is rebuilt.
fn write(path: &Path, data: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|known| known == data) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&temporary, data)?;
    std::fs::rename(&temporary, path)
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

    #[test]
    fn a_frontend_becomes_a_component_that_stays_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in.wasm"), folder.path().join("new/out.wasm"));
        let code = "(import \"lapstrake:frontend/host@0.1.0\" \"log\" (func))";
        std::fs::write(&input, module("import host;", code)).unwrap();
        run(vec![input.clone(), output.clone()]).unwrap();
        let component = std::fs::read(&output).unwrap();
        assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0");
        let time = || std::fs::metadata(&output).unwrap().modified().unwrap();
        let first = time();
        std::thread::sleep(std::time::Duration::from_millis(20));
        run(vec![input, output.clone()]).unwrap();
        assert_eq!(time(), first);
        assert_eq!(
            std::fs::read_dir(output.parent().unwrap()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn files_and_words_are_checked() {
        assert!(matches!(run(Vec::new()), Err(Error::Usage)));
        let words = || vec![PathBuf::from("/none/m.wasm"), PathBuf::from("/none/c.wasm")];
        assert!(matches!(run(words()), Err(Error::Read { path, .. }) if path == words()[0]));
    }
}
