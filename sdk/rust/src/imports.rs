//! The host of a component: the traits of `host.rs` over the imports of the world. Only there on wasm32.
//! Knows nothing of frontends.

use std::rc::Rc;

use crate::bindings::lapstrake::frontend::host as imports;
use crate::types::*;
use crate::{Host, Reference};

/// The host that the component runs in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Imports;

struct Imported(imports::Reference);

impl Host for Imports {
    fn resolve_image_configs(&self, requests: &[ImageRequest]) -> Vec<Result<ImageInfo, String>> {
        imports::resolve_image_configs(requests)
    }

    fn solve(&self, definition: &Definition, roots: &[Edge]) -> Result<Vec<Box<dyn Reference>>, SolveError> {
        let references = imports::solve(definition, roots)?;
        Ok(references
            .into_iter()
            .map(|reference| Box::new(Imported(reference)) as Box<dyn Reference>)
            .collect())
    }

    fn build_file(&self, frontend: Option<&str>, request: &Request) -> Result<BuildResult, BuildError> {
        imports::build_file(frontend, request)
    }

    fn progress(&self, name: &str, current: u64, total: Option<u64>) {
        imports::progress(name, current, total);
    }

    fn log(&self, level: LogLevel, message: &str) {
        imports::log(level, message);
    }

    fn warn(&self, warnings: &Report) {
        imports::warn(warnings);
    }

    fn share(&self) -> Rc<dyn Host> {
        Rc::new(*self)
    }
}

impl Reference for Imported {
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        self.0.read_file(path, part)
    }

    fn read_text(&self, path: &str) -> Result<String, FileError> {
        self.0.read_text(path)
    }

    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        self.0.read_dir(path, pattern)
    }

    fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        self.0.stat(path)
    }
}
