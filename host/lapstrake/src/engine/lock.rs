//! The lock file of a build: where it is, and how it is made. What is in one is `crate::lock`'s, what it pins `pins`'.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapstrake_frontend::Cancel;
use lapstrake_llb::{Definition, Edge, Op};

use crate::error::Error;
use crate::lock::{self, Lock, LockError, LockedFrontend};
use crate::options::{BuildFile, BuildOptions, CompileOptions, Context, LockUse};

use super::build::{Build, Part};
use super::{Client, Engine};

/// Where the lock file of a build is. None: its build file is not in a directory of this machine.
pub(super) fn place(options: &CompileOptions) -> Option<PathBuf> {
    let folder = match (&options.context, &options.file) {
        (Context::Directory(folder), BuildFile::Default) => folder.clone(),
        (Context::Directory(_) | Context::Empty, BuildFile::Path(path)) => {
            path.parent().unwrap_or(Path::new("")).to_owned()
        }
        _ => return None,
    };
    Some(folder.join(lock::NAME))
}

/// The lock of a build. None: there is none, or it is not to be used.
pub(super) fn read(options: &CompileOptions) -> Result<Option<Arc<Lock>>, Error> {
    let place = place(options);
    let must = options.lock == LockUse::Required;
    let path = match (options.lock, place) {
        (LockUse::Ignored, _) | (LockUse::Pins, None) => return Ok(None),
        (LockUse::Required, None) => return Err(LockError::Nowhere.into()),
        (LockUse::Pins | LockUse::Required, Some(path)) => path,
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(Arc::new(Lock::parse(&text, path)?))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LockError::Missing { path }.into()),
        Err(source) => Err(LockError::Read { path, source }.into()),
    }
}

impl Engine {
    /// What a build takes from elsewhere, as it is now, and where that is written to. Runs nothing but what the frontend
    /// asks for and what writes graphs that are built in their turn.
    ///
    /// # Errors
    /// As [`Engine::compile`]; also a source that cannot be found.
    pub fn lock(&self, options: &BuildOptions, client: &Client) -> Result<(PathBuf, Lock), Error> {
        let path = place(&options.compile).ok_or(LockError::Nowhere)?;
        let build = Build::new(self, options, client)?;
        let cancel = Cancel::new();
        let theirs = cancel.clone();
        let _registration = build.cancel.on_cancel(move || theirs.cancel());
        let prepared = self.prepare(&build, &options.compile, &cancel)?;
        let compiled = self.compile_prepared(&build, &options.compile, &prepared, &cancel)?;
        let definition = build.pins.apply(build.images(), &compiled.definition)?;
        let graphs = nested_graphs(&definition);
        if !graphs.is_empty() {
            // What such a graph takes is known when it is there.
            build.solve(&definition, &graphs, Part::Asked)?;
        }
        let mut lock = build.pins.found();
        let nested = std::mem::take(&mut lock.frontends);
        for taken in &prepared.taken {
            let world = taken.frontend.contract_version();
            lock.add_frontend(LockedFrontend {
                reference: taken.reference.clone(),
                digest: taken.frontend.digest().to_string(),
                world: world.map_err(|source| prepared.failure(source, Default::default()))?,
                manifest: taken.manifest.map(|digest| digest.to_string()),
            });
        }
        for frontend in nested {
            lock.add_frontend(frontend);
        }
        Ok((path, lock))
    }
}

/// The results of the vertices that build a graph which an earlier one writes.
fn nested_graphs(definition: &Definition) -> Vec<Edge> {
    let vertices = (0u32..).zip(&definition.vertices);
    vertices
        .filter(|(_, vertex)| matches!(vertex.op, Op::Build(_)))
        .map(|(vertex, _)| Edge { vertex, output: 0 })
        .collect()
}
