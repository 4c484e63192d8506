//! Rust: which compiler there is for WebAssembly, and how it is called. Knows nothing of the rest of a build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::Tools;
use super::error::ProjectError;

/// What a frontend is compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
const ADVICE: &str = "rustup target add wasm32-unknown-unknown (https://rustup.rs); or, on Debian as root: apt-get install \
                      --no-install-recommends rustc-web cargo-web rust-web-src";

/// A compiler that can make WebAssembly.
#[derive(Debug, PartialEq, Eq)]
enum Compiler {
    /// One that has the target's standard library.
    Ready,
    /// Debian's second toolchain, with the source of the standard library.
    FromSource {
        rustc: PathBuf,
        cargo: PathBuf,
        linker: PathBuf,
    },
}

/// The command that builds the project's module, and writes what it made as JSON.
pub(super) fn command(tools: &Tools) -> Result<Command, ProjectError> {
    let missing = || ProjectError::NoTool {
        program: format!("a Rust compiler for {TARGET}"),
        advice: ADVICE.to_owned(),
    };
    let compiler = find(tools).ok_or_else(missing)?;
    let mut command = match &compiler {
        Compiler::Ready => Command::new(tools.find("cargo").ok_or_else(missing)?),
        Compiler::FromSource { rustc, cargo, linker } => {
            let mut command = Command::new(cargo);
            command
                .env("RUSTC", rustc)
                // That this compiler is a stable one is no reason not to build the library that belongs to it.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command
        }
    };
    command.args(["build", "--release", "--target", TARGET, "--quiet"]);
    command.arg("--message-format=json-render-diagnostics");
    if let Compiler::FromSource { .. } = compiler {
        command.args(["-Z", "build-std=std,panic_abort"]);
    }
    Ok(command)
}

fn find(tools: &Tools) -> Option<Compiler> {
    let ready = |rustc: &Path| {
        let root = sysroot(rustc)?;
        root.join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
            .then_some(())
    };
    if tools.find("rustc").is_some_and(|rustc| ready(&rustc).is_some()) && tools.find("cargo").is_some() {
        return Some(Compiler::Ready);
    }
    let (rustc, cargo) = (tools.system.join("rustc"), tools.system.join("cargo"));
    let root = sysroot(&rustc).filter(|_| cargo.is_file())?;
    let source = root.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    let linker = linker(&root).filter(|_| source.is_file())?;
    Some(Compiler::FromSource { rustc, cargo, linker })
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().into())
}

/// The linker that comes with a compiler, whatever machine it is for.
fn linker(root: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(root.join("lib/rustlib")).ok()?;
    let mut linkers: Vec<PathBuf> = folders
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/rust-lld")))
        .filter(|path| path.is_file())
        .collect();
    linkers.sort();
    linkers.into_iter().next()
}

/// The module that a build made, by what Cargo says of it: the library of the project in `folder`.
pub(super) fn module(output: &[u8], folder: &Path) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(output);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let manifest = folder.join("Cargo.toml");
    let own = messages.filter(|message| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().map(Path::new) == Some(manifest.as_path())
    });
    let files = own.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let mut names = files.filter_map(|name| Some(PathBuf::from(OsString::from(name.as_str()?))));
    names.find(|path| path.extension().is_some_and(|end| end == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_projects_own() {
        let line = |manifest: &str, files: &str| {
            format!(r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":[{files}]}}"#)
        };
        let output = [
            line("/p/vendor/Cargo.toml", r#""/t/other.wasm""#),
            line("/p/Cargo.toml", r#""/t/libx.rlib","/t/x.wasm""#),
            "not JSON".to_owned(),
        ];
        let output = output.join("\n");
        assert_eq!(
            module(output.as_bytes(), Path::new("/p")),
            Some("/t/x.wasm".into())
        );
        assert_eq!(module(output.as_bytes(), Path::new("/q")), None);
    }

    #[test]
    fn without_a_compiler_the_advice_says_how_to_get_one() {
        let nowhere = tempfile::tempdir().unwrap();
        let tools = Tools {
            path: nowhere.path().into(),
            system: nowhere.path().into(),
        };
        let error = command(&tools).unwrap_err();
        assert!(error.hint().unwrap().contains("rustup target add"));
    }
}
