//! What the sources of a build are held to: its lock file, or, for a new one, what they are now. Every graph that is solved
//! goes through here, whoever made it: the frontend's result, what a frontend wants to see on the way, a nested build, a graph
//! that a step wrote. What is in a lock file is `crate::lock`'s.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapstrake_frontend::Frontend;
use lapstrake_llb::{Definition, Op, Platform, SourceOp};
use lapstrake_ops::source::git::Repositories;
use lapstrake_ops::source::http::Downloads;
use lapstrake_ops::source::image::{ImagePlace, ImageRequest, ImageStore};
use lapstrake_ops::source::progress::Quiet;
use lapstrake_ops::source::remote::Reach;

use crate::error::Error;
use crate::lock::{self, Lock, LockedFrontend};
use crate::options::{BuildOptions, LockUse};
use crate::trust::{Trust, TrustError};

use super::Engine;
use super::build::known_secrets;
use super::lock::read;
use super::ssh::Agents;

/// What the sources of a build are held to.
pub(super) enum Pins {
    /// Nothing.
    Free,
    /// A lock file.
    Locked {
        /// What is in it.
        lock: Arc<Lock>,
        /// Whether what is not in it is an error.
        whole: bool,
    },
    /// What they are now.
    Finding(Box<Finding>),
}

/// Finds out what sources are now, and writes it down.
pub(super) struct Finding {
    files: Downloads,
    repositories: Repositories,
    found: Mutex<Lock>,
    /// End with the build.
    _agents: Agents,
}

impl Pins {
    /// As the options say.
    pub(super) fn new(engine: &Engine, options: &BuildOptions) -> Result<Self, Error> {
        if options.compile.lock != LockUse::Ignored {
            let whole = options.compile.lock == LockUse::Required;
            let lock = read(&options.compile)?;
            return Ok(lock.map_or(Self::Free, |lock| Self::Locked { lock, whole }));
        }
        let (agents, secrets) = known_secrets(engine, options)?;
        let reach = Reach {
            options: engine.options.remote.clone(),
            offline: options.compile.offline,
            secrets,
        };
        Ok(Self::Finding(Box::new(Finding {
            files: Downloads::new(engine.store.clone(), reach.clone()),
            repositories: Repositories::new(engine.store.clone(), reach),
            found: Mutex::new(Lock::default()),
            _agents: agents,
        })))
    }

    /// The lock file, where there is one.
    pub(super) fn lock(&self) -> Option<&Lock> {
        match self {
            Self::Locked { lock, .. } => Some(lock),
            Self::Free | Self::Finding(_) => None,
        }
    }

    /// Whether everything must be in the lock file.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Locked { whole: true, .. })
    }

    /// What was written down.
    pub(super) fn found(&self) -> Lock {
        match self {
            Self::Finding(finding) => finding.found().clone().sorted(),
            Self::Locked { lock, .. } => (**lock).clone(),
            Self::Free => Lock::default(),
        }
    }

    /// The reference of an image that a frontend asks for, as it was.
    ///
    /// # Errors
    /// It should be in the lock file and is not.
    pub(super) fn image(&self, reference: String) -> Result<String, String> {
        let Self::Locked { lock, whole } = self else {
            return Ok(reference);
        };
        match lock.pinned(&reference) {
            Some(pinned) => Ok(pinned),
            None if *whole && !reference.contains('@') => {
                Err(format!("the image {reference} is not in {}", lock::NAME))
            }
            None => Ok(reference),
        }
    }

    /// Writes down an image that was resolved.
    pub(super) fn resolved(&self, reference: &str) {
        if let Self::Finding(finding) = self {
            finding.found().add_image(reference);
        }
    }

    /// Holds the frontend of a nested build to the lock file, or writes it down.
    ///
    /// # Errors
    /// It should be in the lock file and is not, or it is another one.
    pub(super) fn frontend(
        &self,
        reference: &str,
        frontend: &Frontend,
        is_built_in: bool,
        trust: &Trust,
    ) -> Result<(), TrustError> {
        if let Self::Finding(finding) = self {
            // One that was made for no version is told where it is called.
            if let Ok(world) = frontend.contract_version() {
                finding.found().add_frontend(LockedFrontend {
                    reference: reference.to_owned(),
                    digest: frontend.digest().to_string(),
                    world,
                    manifest: None,
                });
            }
        }
        let locked = self.lock().and_then(|lock| lock.frontend(reference));
        if self.is_whole() && locked.is_none() {
            return Err(TrustError::NotInLock {
                reference: reference.to_owned(),
            });
        }
        trust.same(
            locked,
            frontend.digest(),
            (reference, is_built_in, self.is_whole()),
        )
    }

    /// A graph whose sources are as the lock file has them, or as they were found.
    ///
    /// # Errors
    /// Something should be in the lock file and is not, or cannot be found.
    pub(super) fn apply<'a>(
        &self,
        images: &ImageStore,
        definition: &'a Definition,
    ) -> Result<Cow<'a, Definition>, Error> {
        let from_elsewhere = |op: &Op| {
            let Op::Source(source) = op else { return false };
            matches!(source, SourceOp::Image(_) | SourceOp::Http(_) | SourceOp::Git(_))
        };
        if !definition
            .vertices
            .iter()
            .any(|vertex| from_elsewhere(&vertex.op))
        {
            return Ok(Cow::Borrowed(definition));
        }
        match self {
            Self::Free => Ok(Cow::Borrowed(definition)),
            Self::Locked { lock, whole } => {
                let mut definition = definition.clone();
                lock.apply(&mut definition, *whole).map_err(Error::Forbidden)?;
                Ok(Cow::Owned(definition))
            }
            Self::Finding(finding) => {
                let mut definition = definition.clone();
                for vertex in &mut definition.vertices {
                    if let Op::Source(source) = &mut vertex.op {
                        finding.find(images, source, vertex.platform.as_ref())?;
                        finding.found().add(source);
                    }
                }
                Ok(Cow::Owned(definition))
            }
        }
    }
}

impl Finding {
    fn found(&self) -> MutexGuard<'_, Lock> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds what a source is now, and writes it into it.
    fn find(
        &self,
        images: &ImageStore,
        source: &mut SourceOp,
        platform: Option<&Platform>,
    ) -> Result<(), Error> {
        match source {
            SourceOp::Image(image) if !image.reference.contains('@') => {
                let request = ImageRequest {
                    reference: image.reference.clone(),
                    place: ImagePlace::Registry,
                    platform: platform.cloned(),
                    mode: image.mode,
                };
                image.reference = images.resolve(&request, &Quiet)?.reference.clone();
            }
            SourceOp::Http(file) if file.checksum.is_none() => {
                file.checksum = Some(self.files.find(file, &Quiet)?.digest.to_string());
            }
            SourceOp::Git(git) if git.checksum.is_none() => {
                git.checksum = Some(self.repositories.find(git, &Quiet)?.id);
            }
            _ => {}
        }
        Ok(())
    }
}
