//! From a build file to a graph: which frontend, what it is asked, and what is remembered of its answer.
//! Knows nothing of how a graph is solved.

use std::path::Path;
use std::sync::Arc;

use lapstrake_frontend::{
    Cancel, Chain, ContextSource, Frontend, FrontendError, FrontendPlace, FrontendSource, Gateway, Limits,
    Link, NamedContext, Request, Speaker, resolve, results::Results, syntax, syntax::SyntaxLine,
};
use lapstrake_llb::{Digest, OciLayoutSource, SourceFile, SourceRange, Timestamp};
use lapstrake_store::Store;

use crate::error::{Error, FrontendFailure};
use crate::options::{BuildFile, CompileOptions, Context, FrontendLimits, NamedSource};
use crate::platform;
use crate::trust::{Asked, FrontendPolicy, Trust, TrustError};

use super::build::Build;
use super::build_file::{self, DEFAULT_NAME, Loaded};
use super::gateway::Failures;
use super::{Engine, arguments, components, names, remote};

/// The frontend of a build file without a syntax line.
pub(super) const DEFAULT_FRONTEND: &str = "docker/dockerfile:1";
/// Local source that holds the build's own files.
pub(super) const CONTEXT: &str = "context";
/// Kind of the store's values that hold what frontends answered.
const RESULTS: &str = "frontend-result";

/// Frontends that are ready to be asked.
pub(super) struct Prepared {
    pub(super) frontend: Chain,
    pub(super) request: Request,
    pub(super) limits: Limits,
    /// The components, in the order in which they are named.
    pub(super) taken: Vec<Taken>,
    /// Where the build file names the frontend.
    pub(super) place: Option<(SourceFile, SourceRange)>,
}

/// A component that was found, and may run.
pub(super) struct Taken {
    /// How it is named.
    pub(super) reference: String,
    /// The digest that its registry has it under.
    pub(super) manifest: Option<Digest>,
    pub(super) frontend: Arc<Frontend>,
}

impl Prepared {
    /// An error of the frontend with what is known about it.
    pub(super) fn failure(&self, source: FrontendError, answers: Failures) -> Error {
        let Failures { environment, hint } = answers;
        Error::Frontend(Box::new(FrontendFailure {
            source,
            frontend: self.frontend.name().to_owned(),
            place: self.place.clone(),
            environment,
            hint,
        }))
    }
}

/// Who says which frontends read a build file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NamedBy {
    /// The command line.
    Person,
    /// Its syntax line.
    BuildFile,
    /// Nobody: its name does.
    FileName,
}

/// The frontends of a build file, as they are named.
pub(super) struct Named {
    /// The line, or what stands for it.
    pub(super) line: SyntaxLine,
    /// Who says it.
    pub(super) by: NamedBy,
}

impl Named {
    /// Where the build file says it; none: it does not.
    pub(super) fn place(&self, file: &SourceFile) -> Option<(SourceFile, SourceRange)> {
        let last = self.line.then.last().unwrap_or(&self.line);
        let range = SourceRange {
            stop: last.range.stop,
            ..self.line.range
        };
        (self.by == NamedBy::BuildFile).then(|| (file.clone(), range))
    }

    /// Who says what references mean; that of a build file is in its context.
    pub(super) fn speaker<'a>(&self, options: &'a CompileOptions) -> Speaker<'a> {
        match (self.by, &options.context) {
            (NamedBy::Person, _) => Speaker::Person(Path::new(".")),
            (_, Context::Directory(path) | Context::Unpacked(path)) => Speaker::BuildFile(Some(path)),
            (_, Context::Empty | Context::Stdin | Context::Git(_) | Context::Http(_)) => {
                Speaker::BuildFile(None)
            }
        }
    }
}

/// Finds out which frontends a build file wants.
pub(super) fn named(engine: &Engine, options: &CompileOptions, loaded: &Loaded) -> Named {
    if let Some(text) = names::said(options) {
        let line = syntax::said(&text);
        return Named {
            line,
            by: NamedBy::Person,
        };
    }
    if let Some(line) = syntax::detect(loaded.file.text.as_bytes()) {
        return Named {
            line,
            by: NamedBy::BuildFile,
        };
    }
    let name = loaded.name.as_deref().filter(|name| *name != DEFAULT_NAME);
    let found = name.and_then(|name| names::frontend_of(engine, name));
    Named {
        line: syntax::said(found.unwrap_or(DEFAULT_FRONTEND)),
        by: NamedBy::FileName,
    }
}

/// Frontends in a row that may run.
pub(super) struct Found {
    pub(super) chain: Chain,
    pub(super) taken: Vec<Taken>,
    pub(super) limits: Limits,
}

/// Finds and loads the frontends that are named.
pub(super) fn find(
    engine: &Engine,
    build: &Build,
    options: &CompileOptions,
    named: &Named,
    file: &SourceFile,
    cancel: &Cancel,
) -> Result<Found, Error> {
    let (mut links, mut taken) = (Vec::new(), Vec::new());
    let line = &named.line;
    for link in std::iter::once(line).chain(&line.then) {
        let place = (named.by == NamedBy::BuildFile).then(|| (file.clone(), link.range));
        let reference = names::stand_in(options, &link.reference).unwrap_or(&link.reference);
        let found = resolve(reference, named.speaker(options)).map_err(|source| Error::Resolve {
            place: place.clone().map(Box::new),
            source,
        })?;
        let what = (reference, found, &place);
        let one = trusted(engine, build, options, named.by, what)?;
        links.push(Link {
            frontend: Arc::clone(&one.frontend),
            arguments: link.arguments.clone(),
        });
        taken.push(one);
    }
    let limits = limits(&options.limits);
    let chain = Chain::new(links, &limits, cancel)
        .map_err(|source| failed(source, &line.reference, &named.place(file)))?;
    arguments::check(chain.frontend(), &options.frontend_options, &limits)?;
    Ok(Found { chain, taken, limits })
}

/// Finds the frontends of a build file and what to ask them.
pub(super) fn prepare(
    engine: &Engine,
    build: &Build,
    options: &CompileOptions,
    loaded: Loaded,
    cancel: &Cancel,
) -> Result<Prepared, Error> {
    let named = named(engine, options, &loaded);
    let found = find(engine, build, options, &named, &loaded.file, cancel)?;
    let place = named.place(&loaded.file);
    let request = request(options, loaded)?;
    Ok(Prepared {
        frontend: found.chain,
        request,
        limits: found.limits,
        taken: found.taken,
        place,
    })
}

/// Fetches and loads a frontend that may run, and is the locked one where that matters.
fn trusted(
    engine: &Engine,
    build: &Build,
    options: &CompileOptions,
    by: NamedBy,
    (reference, mut found, place): (&str, FrontendPlace, &components::Place),
) -> Result<Taken, Error> {
    let trust = trust(engine, options.frontend_policy);
    let distrusted = |source| Error::Trust {
        place: place.clone().map(Box::new),
        source,
    };
    let is_built_in = matches!(&found, FrontendPlace::Here(FrontendSource::BuiltIn(_)));
    let strict = build.pins.is_whole();
    let locked = build.pins.lock().and_then(|lock| lock.frontend(reference));
    if strict && locked.is_none() {
        return Err(distrusted(TrustError::NotInLock {
            reference: reference.to_owned(),
        }));
    }
    let asked = Asked {
        reference,
        place: &found,
        pinned: locked.is_some(),
        by_person: by == NamedBy::Person,
    };
    trust.before(asked).map_err(distrusted)?;
    if let (FrontendPlace::Registry(name), Some(manifest)) =
        (&mut found, locked.and_then(|locked| locked.manifest.as_ref()))
        && !name.contains('@')
    {
        // Where the tag is now makes no difference.
        name.push_str(&format!("@{manifest}"));
    }
    let got = components::find(engine, build, options.offline, reference, found, place)?;
    got.signed.map_err(distrusted)?;
    let frontend = load(engine, &got.source, reference, place.clone())?;
    trust
        .same(locked, frontend.digest(), (reference, is_built_in, strict))
        .map_err(distrusted)?;
    Ok(Taken {
        reference: reference.to_owned(),
        manifest: got.component.map(|component| component.manifest),
        frontend: Arc::new(frontend),
    })
}

/// A frontend's failure that is about no line of the build file.
pub(super) fn without_place(frontend: &str, source: FrontendError) -> Error {
    failed(source, frontend, &None)
}

/// Which frontends may run; a policy is taken instead of the engine's.
pub(super) fn trust(engine: &Engine, policy: Option<FrontendPolicy>) -> Trust {
    Trust {
        policy: policy.unwrap_or(engine.options.trust.policy),
        ..engine.options.trust.clone()
    }
}

fn failed(source: FrontendError, frontend: &str, place: &Option<(SourceFile, SourceRange)>) -> Error {
    Error::Frontend(Box::new(FrontendFailure {
        source,
        frontend: frontend.to_owned(),
        place: place.clone(),
        environment: false,
        hint: None,
    }))
}

fn load(
    engine: &Engine,
    source: &FrontendSource,
    reference: &str,
    place: Option<(SourceFile, SourceRange)>,
) -> Result<Frontend, Error> {
    let frontend = engine.frontends.load(source);
    frontend.map_err(|source| failed(source, reference, &place))
}

pub(super) fn limits(limits: &FrontendLimits) -> Limits {
    let default = Limits::default();
    Limits {
        memory: limits.memory.unwrap_or(default.memory),
        fuel: limits.fuel.unwrap_or(default.fuel),
        time: limits.timeout.unwrap_or(default.time),
        output: limits.output.unwrap_or(default.output),
        ..default
    }
}

pub(super) fn request(options: &CompileOptions, loaded: Loaded) -> Result<Request, Error> {
    let named_contexts = options.named_contexts.iter().map(|(name, source)| NamedContext {
        name: name.clone(),
        source: match source {
            NamedSource::Directory(_) => ContextSource::Local(local_name(name)),
            NamedSource::Image(reference) => ContextSource::Image(reference.clone()),
            NamedSource::OciLayout { tag, digest, .. } => ContextSource::OciLayout(OciLayoutSource {
                reference: layout_reference(name, tag.as_deref(), digest.as_deref()),
                store: name.clone(),
                layer_limit: None,
            }),
            NamedSource::Git(address) => ContextSource::Git(address.clone()),
            NamedSource::Http(address) => ContextSource::Http(address.clone()),
            NamedSource::Target(target) => ContextSource::Target(target.clone()),
        },
    });
    let mut frontend_options = options.frontend_options.clone();
    if let Some(name) = loaded.name {
        frontend_options.push(("filename".to_owned(), name));
    }
    let epoch = options
        .build_args
        .iter()
        .rev()
        .find(|(name, _)| name == "SOURCE_DATE_EPOCH");
    let epoch = epoch.and_then(|(_, value)| value.parse().ok());
    Ok(Request {
        sources: std::iter::once(loaded.file).chain(loaded.companion).collect(),
        target: options.target.clone(),
        platforms: options.platforms.clone(),
        build_platform: platform::host(),
        build_args: options.build_args.clone(),
        labels: options.labels.clone(),
        context: match &options.context {
            Context::Git(address) => ContextSource::Git(address.clone()),
            Context::Http(address) => ContextSource::Http(address.clone()),
            Context::Directory(_) | Context::Unpacked(_) | Context::Empty | Context::Stdin => {
                ContextSource::Local(CONTEXT.to_owned())
            }
        },
        named_contexts: named_contexts.collect(),
        options: frontend_options,
        source_date_epoch: epoch.map(|seconds| Timestamp {
            seconds,
            nanoseconds: 0,
        }),
    })
}

/// Name of the local source of a named context. The main context's cannot be one of them.
pub(super) fn local_name(name: &str) -> String {
    format!("named:{name}")
}

fn layout_reference(name: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    match (tag, digest) {
        (_, Some(digest)) => format!("{name}@{digest}"),
        (Some(tag), None) => format!("{name}:{tag}"),
        (None, None) => name,
    }
}

/// Frontends' results in the store.
pub(super) struct StoredResults<'a>(pub(super) &'a Store);

impl Results for StoredResults<'_> {
    fn find(&self, key: &Digest) -> Option<Vec<u8>> {
        self.0.get_value(RESULTS, &key.hex()).ok().flatten()
    }

    fn save(&self, key: &Digest, record: &[u8]) {
        // A result that is not kept is made again.
        let _ = self.0.set_value(RESULTS, &key.hex(), record);
    }
}

/// Reads the build file of these options; standard input is read where they say so.
pub(super) fn read(engine: &Engine, build: &Build, options: &CompileOptions) -> Result<Loaded, Error> {
    if let Some(loaded) = remote::read(engine, build, options)? {
        return Ok(loaded);
    }
    let named;
    let file = match (&options.file, &options.context) {
        (BuildFile::Default, Context::Directory(folder)) => match names::default_name(engine, options) {
            name if name == DEFAULT_NAME => &options.file,
            name => {
                named = BuildFile::Path(folder.join(name));
                &named
            }
        },
        (file, _) => file,
    };
    Ok(build_file::load(file, &options.context, std::io::stdin())?)
}

/// The gateway as frontends want it.
pub(super) fn as_gateway<G: Gateway + 'static>(gateway: &Arc<G>) -> Arc<dyn Gateway> {
    Arc::clone(gateway) as Arc<dyn Gateway>
}
