//! What can go wrong in a build, as the person sees it: what kind it is, which exit code that means, what to show and
//! what to do. Prints nothing itself.

use std::fmt::Write as _;

use lapstrake_frontend::{FrontendError, ResolveError};
use lapstrake_llb::credentials::redact;
use lapstrake_llb::{Report, SourceFile, SourceRange};
use lapstrake_ops::exec::ExecError;
use lapstrake_solver::SolveError;

use crate::engine::{BuildFileError, SshError};
use crate::history::{HistoryError, Unresolved};
use crate::lock::LockError;
use crate::project::ProjectError;
use crate::report;
use crate::suggest;
use crate::trust::TrustError;

/// What kind of failure it is; the exit code follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A step, or what a frontend found in the source.
    Build,
    /// The words of the command line or the configuration.
    Usage,
    /// A registry, the network or the store.
    Environment,
    /// Somebody wanted it to end.
    Interrupted,
}

impl Kind {
    /// The exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Build => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Interrupted => 130,
        }
    }
}

/// Why a build has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no build file.
    #[error(transparent)]
    BuildFile(#[from] BuildFileError),
    /// The syntax line or `--frontend` names nothing that can be used.
    #[error("cannot use the frontend")]
    Resolve {
        /// Where the build file says so.
        place: Option<Box<(SourceFile, SourceRange)>>,
        /// Why not.
        source: ResolveError,
    },
    /// A frontend could not be had from where it is.
    #[error("cannot get the frontend {reference}")]
    Component {
        /// Which.
        reference: String,
        /// Where the build file says so.
        place: Option<Box<(SourceFile, SourceRange)>>,
        /// Why not.
        source: Box<lapstrake_ops::Error>,
    },
    /// The lock file does not do.
    #[error("the build is not locked")]
    Lock(#[from] LockError),
    /// Something in the graph is not in the lock file, or breaks a rule of the policy.
    #[error("{}", refusals(.0))]
    Forbidden(Report),
    /// A frontend's project cannot be made, built or tested.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A frontend that is no artifact.
    #[error("{reference} is not in a registry")]
    NotInRegistry {
        /// Which.
        reference: String,
    },
    /// A frontend that may not run.
    #[error("the frontend is not trusted")]
    Trust {
        /// Where the build file names it.
        place: Option<Box<(SourceFile, SourceRange)>>,
        /// Why not.
        source: TrustError,
    },
    /// A frontend could not be loaded, failed, or says that the source is wrong.
    #[error(transparent)]
    Frontend(Box<FrontendFailure>),
    /// The graph was not solved.
    #[error(transparent)]
    Solve(Box<SolveFailure>),
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[from] lapstrake_store::Error),
    /// The worker cannot be set up.
    #[error(transparent)]
    Worker(#[from] lapstrake_ops::Error),
    /// A result could not be written.
    #[error("cannot export the result")]
    Export(#[from] lapstrake_export::Error),
    /// A file beside the result could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Its path.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A secret cannot be read.
    #[error("cannot read the secret {id:?} from {from}")]
    Secret {
        /// Its name.
        id: String,
        /// Where it should be.
        from: String,
        /// Why.
        source: std::io::Error,
    },
    /// An SSH agent cannot be used.
    #[error("cannot use the SSH agent {id:?}")]
    Ssh {
        /// Its name.
        id: String,
        /// Why.
        source: SshError,
    },
    /// A call that the frontend does not know.
    #[error("the frontend {frontend} knows no call {name:?}; it knows {}", known.join(", "))]
    UnknownCall {
        /// The frontend.
        frontend: String,
        /// What was asked.
        name: String,
        /// What it knows.
        known: Vec<String>,
    },
    /// Arguments for a build file whose language has none.
    #[error("the frontend {frontend} takes no {option}")]
    NoArguments {
        /// The frontend.
        frontend: String,
        /// The option of the command line.
        option: &'static str,
    },
    /// The graph has no such step.
    #[error("no step of this build is called {step:?}; its steps are:{}", listed(known))]
    NoSuchStep {
        /// What was asked for.
        step: String,
        /// What may have been meant.
        near: Option<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Several steps are called so.
    #[error("{step:?} is in the names of several steps:{}", listed(found))]
    SeveralSteps {
        /// What was asked for.
        step: String,
        /// Which.
        found: Vec<String>,
    },
    /// The records of builds cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A signal, or whoever asked, ended it.
    #[error("interrupted")]
    Interrupted,
}

/// Names, a line each.
fn listed(names: &[String]) -> String {
    let lines = names
        .iter()
        .map(|name| format!("\n    {}", name.replace(char::is_control, " ")));
    lines.collect()
}

/// A frontend's failure with what it was asked about.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct FrontendFailure {
    /// What went wrong.
    pub source: FrontendError,
    /// Name of the frontend.
    pub frontend: String,
    /// Where the build file names the frontend, if it does.
    pub place: Option<(SourceFile, SourceRange)>,
    /// Whether an answer that it got was a failure of a registry, the network or the store.
    pub environment: bool,
    /// What to do about an answer that was a failure.
    pub hint: Option<&'static str>,
}

/// A solver's failure with the sources of the graph.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct SolveFailure {
    /// What went wrong.
    pub source: SolveError<lapstrake_ops::Error, lapstrake_store::Error>,
    /// The files that the vertices come from.
    pub sources: Vec<SourceFile>,
}

impl Error {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        if disk_is_full(self) {
            return Kind::Environment;
        }
        match self {
            Self::BuildFile(_) | Self::Resolve { .. } | Self::Trust { .. } | Self::Write { .. } => {
                Kind::Build
            }
            Self::Component { source, .. } => worker_kind(source),
            Self::Frontend(failure) if matches!(failure.source, FrontendError::Cancelled) => {
                Kind::Interrupted
            }
            Self::Frontend(failure) if failure.environment => Kind::Environment,
            Self::Frontend(_) => Kind::Build,
            Self::Solve(failure) => match &failure.source {
                SolveError::Step(step) => worker_kind(&step.source),
                SolveError::Cancelled => Kind::Interrupted,
                SolveError::Records(_) | SolveError::Thread { .. } => Kind::Environment,
                SolveError::Panicked { .. } | SolveError::Mismatch { .. } => Kind::Build,
            },
            Self::Store(_) => Kind::Environment,
            Self::Worker(error) => worker_kind(error),
            Self::Export(error) => export_kind(error),
            Self::Secret { .. }
            | Self::Ssh { .. }
            | Self::UnknownCall { .. }
            | Self::NoArguments { .. }
            | Self::NotInRegistry { .. }
            | Self::Project(
                ProjectError::Name { .. } | ProjectError::None { .. } | ProjectError::NoSuchCase { .. },
            )
            | Self::NoSuchStep { .. }
            | Self::SeveralSteps { .. } => Kind::Usage,
            Self::Project(_) | Self::Lock(_) | Self::Forbidden(_) => Kind::Build,
            Self::History(HistoryError::Unresolved(_) | HistoryError::Running(_)) => Kind::Build,
            Self::History(_) => Kind::Environment,
            Self::Interrupted => Kind::Interrupted,
        }
    }

    /// The file and the line that it is about, where it is about one.
    pub fn place(&self) -> Option<(String, u32)> {
        let (ranges, sources) = match self {
            Self::BuildFile(BuildFileError::NotUtf8 { file, range, .. }) => {
                return Some((file.name.clone(), range.start.line));
            }
            Self::Resolve { place, .. } | Self::Component { place, .. } | Self::Trust { place, .. } => {
                let (file, range) = place.as_deref()?;
                return Some((file.name.clone(), range.start.line));
            }
            Self::Forbidden(report) => (&report.items.first()?.ranges, &report.sources),
            Self::Frontend(failure) => match &failure.source {
                FrontendError::Diagnostics(report) => (&report.items.first()?.ranges, &report.sources),
                _ => return None,
            },
            Self::Solve(failure) => match &failure.source {
                SolveError::Step(step) => (&step.ranges, &failure.sources),
                _ => return None,
            },
            _ => return None,
        };
        let range = ranges.first()?;
        let file = sources.get(range.file as usize)?;
        Some((file.name.clone(), range.start.line))
    }

    /// What to do, where there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        if disk_is_full(self) {
            return Some(
                "make room, such as with lapstrake prune, and build again: nothing is lost".to_owned(),
            );
        }
        let text = match self {
            Self::BuildFile(BuildFileError::NotFound { .. }) => "name it with --file",
            Self::BuildFile(BuildFileError::NotUtf8 { .. }) => "save the file as UTF-8",
            Self::Ssh {
                source: SshError::NoAgent,
                ..
            } => "start one (eval $(ssh-agent)), or name a socket or keys: --ssh default=PATH",
            Self::NoArguments { .. } => {
                "its build files take build arguments (--build-arg NAME=VALUE) and have targets (--target NAME)"
            }
            Self::Resolve {
                source: ResolveError::Unknown { reference },
                ..
            } => return near_frontend(reference),
            Self::Solve(failure) => return solve_hint(&failure.source),
            Self::Worker(error) => return error.hint().map(str::to_owned),
            Self::Component {
                reference, source, ..
            } => {
                return near_frontend(reference).or_else(|| source.hint().map(str::to_owned));
            }
            Self::Project(error) => return error.hint(),
            Self::Lock(LockError::Missing { .. }) => "lapstrake lock writes it",
            Self::Lock(LockError::Parse { .. } | LockError::Version { .. }) => {
                "lapstrake lock writes it anew"
            }
            Self::Trust { source, .. } => source.hint(),
            Self::Frontend(failure) => return failure.hint.map(str::to_owned),
            Self::UnknownCall { name, known, .. } => {
                let near = suggest::closest(name, known.iter().map(String::as_str))?;
                return Some(format!("did you mean {near:?}?"));
            }
            Self::NoSuchStep { near: Some(near), .. } => return Some(format!("did you mean {near:?}?")),
            Self::SeveralSteps { .. } => "say more of the name, or the beginning of the digest",
            Self::History(HistoryError::Unresolved(Unresolved::Unknown { near: None, .. })) => {
                "lapstrake history ls lists them"
            }
            Self::History(HistoryError::Running(_)) => "it can be removed when it is over",
            Self::Store(_) => "another state directory can be given with --root",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Writes it for people: what, where, why, and what to do.
    pub fn render(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Frontend(failure) => render_frontend(&mut out, failure),
            Self::Solve(failure) => render_solve(&mut out, failure),
            Self::Forbidden(Report { items, sources }) => {
                for item in items {
                    out.push_str(&report::diagnostic(item, sources));
                }
            }
            other => {
                let _ = writeln!(out, "error: {}", chain(other));
            }
        }
        match self {
            Self::BuildFile(BuildFileError::NotUtf8 { file, range, .. }) => {
                report::excerpt(&mut out, range, std::slice::from_ref(file));
            }
            Self::Resolve {
                place: Some(place), ..
            }
            | Self::Component {
                place: Some(place), ..
            }
            | Self::Trust {
                place: Some(place), ..
            } => {
                report::excerpt(&mut out, &place.1, std::slice::from_ref(&place.0));
            }
            _ => {}
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(out, "  help: {hint}");
        }
        redact(&out)
    }
}

/// The built-in frontend that a reference is like.
fn near_frontend(reference: &str) -> Option<String> {
    let (word, names) = lapstrake_frontend::alike(reference);
    let near = suggest::closest(word, names)?;
    Some(format!("did you mean {near:?}?"))
}

fn render_frontend(out: &mut String, failure: &FrontendFailure) {
    if let FrontendError::Diagnostics(Report { items, sources }) = &failure.source {
        for item in items {
            out.push_str(&report::diagnostic(item, sources));
        }
        if !items.is_empty() {
            return;
        }
    }
    match &failure.source {
        FrontendError::Cancelled => {
            out.push_str("error: interrupted\n");
            return;
        }
        // What a frontend says of the source, or of the host: its syntax line has no part in it.
        FrontendError::UnknownTarget(_) | FrontendError::HostFailed(_) => {
            let _ = writeln!(
                out,
                "error: the frontend {} says: {}",
                failure.frontend,
                chain(&failure.source)
            );
            return;
        }
        other => {
            let _ = writeln!(out, "error: {}", chain(other));
        }
    }
    if let Some((file, range)) = &failure.place {
        report::excerpt(out, range, std::slice::from_ref(file));
    }
    if let Some(help) = frontend_help(&failure.source) {
        let _ = writeln!(out, "  help: {help}");
    }
}

/// What to do about a frontend's failure, where its message does not say.
pub(crate) fn frontend_help(error: &FrontendError) -> Option<&'static str> {
    Some(match error {
        FrontendError::Trap { .. }
        | FrontendError::Malformed { .. }
        | FrontendError::InvalidResult { .. } => {
            "this is a bug of the frontend: tell its author, or use another one with --frontend"
        }
        FrontendError::TooMany { .. } => "this limit is fixed: the frontend has to do less",
        FrontendError::OtherVersion { .. } | FrontendError::OtherTypes { .. } => {
            "build the frontend again with the SDK of this version"
        }
        _ => return None,
    })
}

fn render_solve(out: &mut String, failure: &SolveFailure) {
    match &failure.source {
        SolveError::Step(step) => {
            let _ = writeln!(out, "error: {}", chain(&step.source));
            match step.ranges.first() {
                Some(range) => report::excerpt(out, range, &failure.sources),
                None => {
                    let _ = writeln!(out, "  in: {}", step.name);
                }
            }
        }
        SolveError::Cancelled => out.push_str("error: interrupted\n"),
        other => {
            let _ = writeln!(out, "error: {}", chain(other));
        }
    }
}

fn solve_hint(error: &SolveError<lapstrake_ops::Error, lapstrake_store::Error>) -> Option<String> {
    let SolveError::Step(step) = error else {
        return None;
    };
    match &step.source {
        lapstrake_ops::Error::Exec(ExecError::TimedOut { .. }) => {
            Some("more time can be given with --step-timeout".to_owned())
        }
        other => other.hint().map(str::to_owned),
    }
}

/// What is not allowed, in one line.
pub(crate) fn refusals(report: &Report) -> String {
    let messages = report.items.iter().map(|item| item.message.as_str());
    messages.collect::<Vec<_>>().join("; ")
}

/// An error and all of its causes on one line, without saying the same twice, and without the credentials of URLs.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        // A transparent error says what its source says.
        if !out.ends_with(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = error.source();
    }
    redact(&out)
}

/// Whether a full disk or quota is behind an error.
fn disk_is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::{Error as IoError, ErrorKind};
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<IoError>().map(IoError::kind);
        let store = error.downcast_ref::<lapstrake_store::Error>();
        if matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
            || store.is_some_and(lapstrake_store::Error::is_disk_full)
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// What kind a failure of the worker is.
pub fn worker_kind(error: &lapstrake_ops::Error) -> Kind {
    if error.is_environment() {
        Kind::Environment
    } else {
        Kind::Build
    }
}

fn export_kind(error: &lapstrake_export::Error) -> Kind {
    use lapstrake_export::Error as Export;
    match error {
        Export::Cancelled => Kind::Interrupted,
        Export::Store(_) | Export::Fetch { .. } | Export::WrongContent { .. } => Kind::Environment,
        _ => Kind::Build,
    }
}
