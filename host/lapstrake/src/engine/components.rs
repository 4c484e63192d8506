//! Frontends that are not on this machine: fetched from registries and addresses, kept in the store, and asked for only
//! where they are trusted. What frontends do is not known here.

use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use lapstrake_frontend::{FrontendPlace, FrontendSource, Frontends};
use lapstrake_llb::{Digest, HttpSource, SourceFile, SourceRange};
use lapstrake_ops::source::component::{Component, Components};
use lapstrake_ops::source::progress::Progress;
use lapstrake_ops::source::remote::redact;
use lapstrake_solver::CancelToken;
use lapstrake_store::Store;
use lapstrake_store::tree::TreeError;

use crate::error::Error;
use crate::progress::Sink;
use crate::trust::TrustError;

use super::build::Build;
use super::step::Step;
use super::{Engine, remote};

/// Kind of the store's values that say where the components in the store came from, by digest.
const KNOWN: &str = "component";
/// What the file of an address is called in its tree.
const FILE: &str = "frontend.wasm";

/// Where a build file names its frontend.
pub(super) type Place = Option<(SourceFile, SourceRange)>;

/// A component that was fetched once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// As it was asked for.
    pub reference: String,
    /// Digest of the component.
    pub digest: Digest,
    /// Size of the component, bytes.
    pub size: u64,
    /// When it was used last, seconds since 1970.
    pub used: u64,
}

/// A frontend that can be loaded.
#[derive(Debug)]
pub(super) struct Found {
    /// What is loaded.
    pub(super) source: FrontendSource,
    /// What its registry has, where it comes from one.
    pub(super) component: Option<Component>,
    /// Whether it has the signatures that are asked for.
    pub(super) signed: Result<(), TrustError>,
}

/// Who waits for a download, as a step.
struct StepProgress<'a> {
    step: &'a Step,
    cancel: &'a CancelToken,
    started: SystemTime,
}

impl Progress for StepProgress<'_> {
    fn advance(&self, name: &str, current: u64, _total: Option<u64>, done: bool) {
        if done {
            self.step.part(name, current, self.started);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

impl Engine {
    /// The components of registries.
    pub(super) fn components(&self, offline: bool) -> Components {
        let (registries, credentials) = (self.options.registries.clone(), self.options.credentials.clone());
        Components::new(self.store.clone(), registries, credentials, offline)
    }

    /// Finds, loads and calls frontends.
    pub fn frontends(&self) -> &Frontends {
        &self.frontends
    }

    /// The version of the contract that a fetched component was made for. None: it is no frontend for this host.
    pub fn contract_of(&self, known: &Known) -> Option<String> {
        let wasm = bytes(&self.store, &known.digest).ok()?;
        let name = known.reference.clone();
        let frontend = self.frontends.load(&FrontendSource::Bytes { name, wasm }).ok()?;
        frontend.contract_version().ok()
    }

    /// The components that builds have fetched, the last used first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn known_components(&self) -> Result<Vec<Known>, Error> {
        let mut known = Vec::new();
        for (key, value, used) in self.store.values(KNOWN)? {
            let Ok(digest) = key.parse() else { continue };
            // The garbage collector may have taken it.
            let Ok(size) = self.store.blob_size(&digest) else {
                continue;
            };
            known.push(Known {
                reference: String::from_utf8_lossy(&value).into_owned(),
                digest,
                size,
                used,
            });
        }
        known.sort_by(|a, b| (b.used, &a.reference).cmp(&(a.used, &b.reference)));
        Ok(known)
    }
}

/// Gets what a reference leads to. Whether it may run is for the caller to see.
pub(super) fn find(
    engine: &Engine,
    build: &Build,
    offline: bool,
    reference: &str,
    place: FrontendPlace,
    said: &Place,
) -> Result<Found, Error> {
    match place {
        FrontendPlace::Here(source) => Ok(Found {
            source,
            component: None,
            signed: Ok(()),
        }),
        FrontendPlace::Registry(name) => {
            let from = From {
                engine,
                sink: &build.sink,
                cancel: &build.cancel,
                offline,
            };
            let (component, signed) = from.registry(reference, &name, said)?;
            let wasm = bytes(&engine.store, &component.digest)?;
            let name = reference.to_owned();
            Ok(Found {
                source: FrontendSource::Bytes { name, wasm },
                component: Some(component),
                signed,
            })
        }
        FrontendPlace::Url { url, digest } => {
            let source = HttpSource {
                url: url.clone(),
                checksum: Some(digest.to_string()),
                filename: Some(FILE.to_owned()),
                ..HttpSource::default()
            };
            let name = format!("[internal] load frontend {}", redact(&url));
            let tree = remote::http_tree(build, source, name)?;
            let unreadable = |error| Error::Component {
                reference: redact(&url),
                place: said.clone().map(Box::new),
                source: Box::new(lapstrake_ops::Error::ReadTree(error)),
            };
            let entry = tree.follow(Path::new(FILE)).map_err(unreadable)?;
            let entry = entry.ok_or_else(|| unreadable(TreeError::NotFound(FILE.into())))?;
            let mut wasm = Vec::new();
            let mut file = tree.open(&entry).map_err(unreadable)?;
            file.read_to_end(&mut wasm).map_err(|source| {
                unreadable(TreeError::Io {
                    action: "read",
                    path: FILE.into(),
                    source,
                })
            })?;
            engine.store.put_blob(&wasm)?;
            note(&engine.store, reference, &digest)?;
            let name = redact(&url);
            let source = FrontendSource::Bytes { name, wasm };
            Ok(Found {
                source,
                component: None,
                signed: Ok(()),
            })
        }
    }
}

/// Where a component is fetched from, and who waits.
struct From<'a> {
    engine: &'a Engine,
    sink: &'a Sink,
    cancel: &'a CancelToken,
    offline: bool,
}

impl From<'_> {
    /// A component of a registry, and whether its signatures are those that are asked for.
    fn registry(
        &self,
        reference: &str,
        name: &str,
        said: &Place,
    ) -> Result<(Component, Result<(), TrustError>), Error> {
        let failed = |source| Error::Component {
            reference: reference.to_owned(),
            place: said.clone().map(Box::new),
            source: Box::new(source),
        };
        let step = Step::begin(self.sink, &format!("[internal] load frontend {reference}"));
        let progress = StepProgress {
            step: &step,
            cancel: self.cancel,
            started: SystemTime::now(),
        };
        let components = self.engine.components(self.offline);
        let found = components.find(name, &progress);
        let trust = &self.engine.options.trust;
        let found = found.and_then(|component| {
            let signatures = match trust.keys.is_empty() {
                true => Vec::new(),
                false => components.signatures(&component, &progress)?,
            };
            Ok((component, signatures))
        });
        let (component, signatures) = step.end_with(found).map_err(failed)?;
        note(&self.engine.store, reference, &component.digest)?;
        let signed = trust.signed(reference, &component.manifest, &signatures);
        Ok((component, signed))
    }
}

/// Remembers where a component in the store is from, and that it was used now.
fn note(store: &Store, reference: &str, digest: &Digest) -> Result<(), Error> {
    let key = digest.to_string();
    if store.get_value(KNOWN, &key)?.as_deref() != Some(reference.as_bytes()) {
        store.set_value(KNOWN, &key, reference.as_bytes())?;
    }
    Ok(())
}

/// The bytes of a component in the store. Their digest is compared when they are loaded.
fn bytes(store: &Store, digest: &Digest) -> Result<Vec<u8>, Error> {
    let mut wasm = Vec::new();
    let read = store.open_blob(digest)?.read_to_end(&mut wasm);
    match read {
        Ok(_) if Digest::of(&wasm) == *digest => Ok(wasm),
        // Says what is wrong with it, and removes it.
        _ => Ok(store.blob_bytes(digest)?),
    }
}
