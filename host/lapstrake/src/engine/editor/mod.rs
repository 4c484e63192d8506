//! What an editor asks of a build file while it is written: what is wrong with it, what it has, what could stand at a
//! place. The text is the editor's, not the disk's. Executes nothing.
//! Knows no protocol.

mod answers;
mod overlay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use lapstrake_frontend::{
    Asking, Cancel, Completion, FrontendError, FrontendPlace, FrontendSource, Hover, Outline, Request,
    TargetInfo, resolve,
};
use lapstrake_llb::{Position, Report, Severity, SourceFile, SourceRange};
use lapstrake_solver::CancelToken;

use super::build::Build;
use super::build_file;
use super::frontends::{self, Found, Named, NamedBy};
use super::nested::Nested;
use super::{Client, Engine, names};
use crate::error::{Error, FrontendFailure};
use crate::options::{BuildFile, BuildOptions, CompileOptions, Context};
use crate::progress::Sink;

use answers::EditorGateway;

/// Files that are open in the editor, by their path.
pub type OpenFiles = BTreeMap<PathBuf, Arc<str>>;

/// Targets that are outlined; more are listed only.
const MOST_OUTLINES: usize = 32;

/// A build file as the editor has it now.
#[derive(Debug, Clone)]
pub struct Page {
    /// What its frontend is told beside the text; file and context are those of the page.
    pub options: Arc<CompileOptions>,
    /// The text.
    pub text: Arc<str>,
    /// The editor's files.
    pub open: Arc<OpenFiles>,
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing that a frontend reads.
    Other,
    /// A file in a language that build files are written in; it may be one, or a part of one.
    InLanguage,
    /// A build file: it names its frontend, or its name is that of a build file.
    BuildFile,
}

/// What was found in a page.
#[derive(Debug, Default)]
pub struct Checked {
    /// The findings.
    pub report: Report,
    /// Files of the context that were looked at, there or not: when they change, so may the findings.
    pub reads: BTreeSet<PathBuf>,
    /// Images of which nothing is known here, and which were taken for empty ones.
    pub unknown_images: BTreeSet<String>,
}

/// What a page has.
#[derive(Debug, Default)]
pub struct Structure {
    /// Its targets.
    pub targets: Vec<TargetInfo>,
    /// What they take.
    pub outlines: Vec<Outline>,
}

/// Answers an editor. Frontends stay loaded while their components are as they were.
pub struct Editor {
    engine: Engine,
    chains: Mutex<BTreeMap<Key, Arc<Found>>>,
}

/// Chains that are kept; an editor has a few kinds of build files open.
const MOST_CHAINS: usize = 16;

/// What a chain of frontends depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    context: Option<PathBuf>,
    by: NamedBy,
    links: Vec<(String, String)>,
    /// The components and the lock file, with what shows that they changed.
    files: Vec<Stamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    path: PathBuf,
    state: Option<(SystemTime, u64, u64)>,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let state = std::fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            state: state.and_then(|data| Some((data.modified().ok()?, data.len(), data.ino()))),
        }
    }
}

/// One question on its way.
struct Session<'a> {
    found: Arc<Found>,
    request: Request,
    place: Option<(SourceFile, SourceRange)>,
    gateway: Arc<EditorGateway>,
    cancel: &'a Cancel,
}

impl Session<'_> {
    fn asking(&self) -> Asking<'_> {
        Asking {
            gateway: frontends::as_gateway(&self.gateway),
            limits: &self.found.limits,
            cancel: self.cancel,
            results: None,
        }
    }

    fn failure(&self, source: FrontendError) -> Error {
        Error::Frontend(Box::new(FrontendFailure {
            source,
            frontend: self.found.chain.name().to_owned(),
            place: self.place.clone(),
            environment: false,
            hint: None,
        }))
    }

    /// An answer; none where the frontend does not give such ones.
    fn optional<T: Default>(&self, answer: Result<T, FrontendError>) -> Result<T, Error> {
        match answer {
            Err(FrontendError::Unsupported { .. } | FrontendError::NoSuchFunction { .. }) => Ok(T::default()),
            answer => answer.map_err(|source| self.failure(source)),
        }
    }
}

impl Editor {
    /// Answers over an engine's store, frontends and trust.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            chains: Mutex::default(),
        }
    }

    /// What a page is, as far as its name and its syntax line say.
    pub fn standing(&self, page: &Page) -> Standing {
        let named = names::said(&page.options).is_some()
            || lapstrake_frontend::syntax::detect(page.text.as_bytes()).is_some();
        let name = match &page.options.file {
            BuildFile::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            _ => None,
        };
        match name {
            _ if named => Standing::BuildFile,
            Some(name) if names::is_own(&self.engine, &name) => Standing::BuildFile,
            Some(name) if names::frontend_of(&self.engine, &name).is_some() => Standing::InLanguage,
            _ => Standing::Other,
        }
    }

    /// What is wrong with a page, or questionable.
    ///
    /// # Errors
    /// There is no frontend for it, or the frontend failed.
    pub fn check(&self, page: &Page, cancel: &CancelToken) -> Result<Checked, Error> {
        self.session(page, cancel, |session| {
            let found = &session.found;
            let report = match found.chain.lint(&session.request, &session.asking()) {
                Err(FrontendError::Unsupported { .. } | FrontendError::NoSuchFunction { .. }) => {
                    let built = found.chain.build(&session.request, &session.asking());
                    built.map(|result| result.warnings)
                }
                report => report,
            };
            let mut report = match report {
                Ok(report) | Err(FrontendError::Diagnostics(report)) => report,
                // What a build would find out is no mistake of the text.
                Err(FrontendError::HostFailed(message)) if answers::is_declined(&message) => Report {
                    items: vec![answers::declined(&message)],
                    sources: Vec::new(),
                },
                Err(error) => return Err(session.failure(error)),
            };
            for item in &mut report.items {
                if answers::is_declined(&item.message) {
                    item.severity = Severity::Info;
                }
            }
            let told = session.gateway.told();
            for warnings in told.warnings {
                add(&mut report, warnings);
            }
            Ok(Checked {
                report,
                reads: told.reads,
                unknown_images: told.unknown_images,
            })
        })
    }

    /// The targets of a page and what they take. Empty where its frontend does not say.
    ///
    /// # Errors
    /// As [`Editor::check`]; also where the page is wrong.
    pub fn structure(&self, page: &Page, cancel: &CancelToken) -> Result<Structure, Error> {
        self.session(page, cancel, |session| {
            let chain = &session.found.chain;
            let targets = chain.list_targets(&session.request, &session.asking());
            let targets = session.optional(targets)?;
            let mut outlines = Vec::new();
            let named = targets.iter().filter(|target| !target.name.is_empty());
            let mut names: Vec<Option<String>> = named.map(|target| Some(target.name.clone())).collect();
            if names.len() < targets.len() || names.is_empty() {
                names.push(None);
            }
            for target in names.into_iter().take(MOST_OUTLINES) {
                let request = Request {
                    target,
                    ..session.request.clone()
                };
                let outline = chain.outline(&request, &session.asking());
                // One target that is wrong does not hide the others.
                match outline {
                    Ok(outline) => outlines.push(outline),
                    Err(FrontendError::Cancelled) => return Err(session.failure(FrontendError::Cancelled)),
                    Err(_) => {}
                }
            }
            Ok(Structure { targets, outlines })
        })
    }

    /// What could stand at a position of a page.
    ///
    /// # Errors
    /// As [`Editor::check`].
    pub fn completions(
        &self,
        page: &Page,
        at: Position,
        cancel: &CancelToken,
    ) -> Result<Vec<Completion>, Error> {
        self.session(page, cancel, |session| {
            let chain = &session.found.chain;
            let found = chain.completions(&session.request, 0, at, &session.asking());
            session.optional(found)
        })
    }

    /// What is to be said about a position of a page.
    ///
    /// # Errors
    /// As [`Editor::check`].
    pub fn hover(&self, page: &Page, at: Position, cancel: &CancelToken) -> Result<Option<Hover>, Error> {
        self.session(page, cancel, |session| {
            let chain = &session.found.chain;
            let found = chain.hover(&session.request, 0, at, &session.asking());
            session.optional(found)
        })
    }

    /// Makes a page's request, and asks its frontends with it.
    fn session<T>(
        &self,
        page: &Page,
        token: &CancelToken,
        ask: impl FnOnce(&Session<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let cancel = Cancel::new();
        let theirs = cancel.clone();
        let _registration = token.on_cancel(move || theirs.cancel());
        let options = BuildOptions::compile_only((*page.options).clone());
        let client = Client {
            // Nobody looks at the progress.
            sink: Sink::channel().0,
            cancel: token.clone(),
        };
        let build = Build::new(&self.engine, &options, &client)?;
        let options = &options.compile;
        let loaded = build_file::given(&options.file, &options.context, &page.text)?;
        let named = frontends::named(&self.engine, options, &loaded);
        let place = named.place(&loaded.file);
        let found = self.found(&build, options, &named, &loaded.file, &cancel)?;
        let nested = Nested::new(&self.engine, options, &cancel);
        let gateway = EditorGateway::new(build, options, page, nested);
        let session = Session {
            found,
            request: frontends::request(options, loaded)?,
            place,
            gateway: Arc::new(gateway),
            cancel: &cancel,
        };
        ask(&session)
    }

    /// The frontends of a page: those of before, where nothing about them has changed.
    fn found(
        &self,
        build: &Arc<Build>,
        options: &CompileOptions,
        named: &Named,
        file: &SourceFile,
        cancel: &Cancel,
    ) -> Result<Arc<Found>, Error> {
        let key = key(options, named);
        let chains = || self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = chains().get(&key) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(frontends::find(
            &self.engine,
            build,
            options,
            named,
            file,
            cancel,
        )?);
        let mut chains = chains();
        if chains.len() >= MOST_CHAINS {
            chains.clear();
        }
        chains.insert(key, Arc::clone(&found));
        Ok(found)
    }

    /// Forgets the frontends that are loaded: tags may have moved, and what was missing may be there.
    pub fn forget(&self) {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn key(options: &CompileOptions, named: &Named) -> Key {
    let links: Vec<_> = std::iter::once(&named.line).chain(&named.line.then).collect();
    let component = |reference: &str| match resolve(reference, named.speaker(options)) {
        Ok(FrontendPlace::Here(FrontendSource::File(path))) => Some(path),
        _ => None,
    };
    let components = links.iter().filter_map(|link| component(&link.reference));
    let lock = super::lock::place(options);
    Key {
        context: match &options.context {
            Context::Directory(path) => Some(path.clone()),
            _ => None,
        },
        by: named.by,
        files: components.chain(lock).map(|path| Stamp::of(&path)).collect(),
        links: links
            .iter()
            .map(|link| (link.reference.clone(), link.arguments.clone()))
            .collect(),
    }
}

/// Puts the findings of one report behind those of another.
fn add(report: &mut Report, more: Report) {
    let first = report.sources.len() as u32;
    report.sources.extend(more.sources);
    for mut item in more.items {
        item.ranges.iter_mut().for_each(|range| range.file += first);
        item.related
            .iter_mut()
            .for_each(|related| related.range.file += first);
        report.items.push(item);
    }
}
