//! The lock file of a build: where it is, what goes into it, and what it pins. What is in one is `crate::lock`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapstrake_frontend::Cancel;
use lapstrake_llb::{Definition, Op, SourceOp};
use lapstrake_ops::source::git::Repositories;
use lapstrake_ops::source::http::Downloads;
use lapstrake_ops::source::image::{ImagePlace, ImageRequest};
use lapstrake_ops::source::progress::Quiet;
use lapstrake_ops::source::remote::Reach;

use crate::error::Error;
use crate::lock::{self, Lock, LockError, LockedFrontend};
use crate::options::{BuildFile, BuildOptions, CompileOptions, Context, LockUse};

use super::build::{self, Build};
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
    /// asks for.
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
        let mut definition = compiled.definition;
        self.find_all(&build, options, &mut definition)?;
        let mut frontends = Vec::new();
        for taken in &prepared.taken {
            let world = taken.frontend.contract_version();
            frontends.push(LockedFrontend {
                reference: taken.reference.clone(),
                digest: taken.frontend.digest().to_string(),
                world: world.map_err(|source| prepared.failure(source, Default::default()))?,
                manifest: taken.manifest.map(|digest| digest.to_string()),
            });
        }
        Ok((path, Lock::new(frontends, &definition)))
    }

    /// Finds what the sources of a graph are now, and writes it into the graph.
    fn find_all(
        &self,
        build: &Build,
        options: &BuildOptions,
        definition: &mut Definition,
    ) -> Result<(), Error> {
        let (_agents, secrets) = build::known_secrets(self, options)?;
        let reach = Reach {
            options: self.options.remote.clone(),
            offline: options.compile.offline,
            secrets,
        };
        let files = Downloads::new(self.store.clone(), reach.clone());
        let repositories = Repositories::new(self.store.clone(), reach);
        for vertex in &mut definition.vertices {
            let Op::Source(source) = &mut vertex.op else {
                continue;
            };
            match source {
                SourceOp::Image(image) if !image.reference.contains('@') => {
                    let request = ImageRequest {
                        reference: image.reference.clone(),
                        place: ImagePlace::Registry,
                        platform: vertex.platform.clone(),
                        mode: image.mode,
                    };
                    image.reference = build.images().resolve(&request, &Quiet)?.reference.clone();
                }
                SourceOp::Http(file) if file.checksum.is_none() => {
                    file.checksum = Some(files.find(file, &Quiet)?.digest.to_string());
                }
                SourceOp::Git(git) if git.checksum.is_none() => {
                    git.checksum = Some(repositories.find(git, &Quiet)?.id);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
