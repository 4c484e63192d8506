//! Everything that can go wrong between a reference to a frontend and its answer. Knows nothing of how it is shown.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use lapstrake_llb::{Report, Severity, ValidateError};

/// What wasmtime says, as the cause of an error of ours.
pub type Cause = Box<dyn Error + Send + Sync + 'static>;

/// A frontend that cannot be found, loaded or called, or that refuses the request. `frontend` is its name for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontendError {
    /// The file cannot be read.
    #[error("cannot read the frontend {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The file is larger than any frontend.
    #[error("{} has {}; a frontend has at most {}", path.display(), bytes(*size), bytes(*limit))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, bytes.
        size: u64,
        /// The most it may have, bytes.
        limit: u64,
    },

    /// This program was built without a frontend of that name.
    #[error("there is no built-in frontend {name:?}; there are: {}", available.join(", "))]
    NotBuiltIn {
        /// The name.
        name: String,
        /// What there is.
        available: Vec<&'static str>,
    },

    /// No WebAssembly at all.
    #[error("{frontend} is not a WebAssembly component: {found}")]
    NotWasm {
        /// Which.
        frontend: String,
        /// What it is instead.
        found: &'static str,
    },

    /// A core module.
    #[error(
        "{frontend} is a core WebAssembly module, not a component; run `wasm-tools component new MODULE -o FILE` \
         to make a component of it"
    )]
    CoreModule {
        /// Which.
        frontend: String,
    },

    /// A component that is damaged or needs a feature that the engine has not.
    #[error("{frontend} is not a valid WebAssembly component")]
    InvalidComponent {
        /// Which.
        frontend: String,
        /// Why.
        source: Cause,
    },

    /// Made for a later contract.
    #[error(
        "{frontend} needs lapstrake >= {needs}: it was made for lapstrake:frontend@{found}, this lapstrake speaks {speaks}"
    )]
    NeedsLater {
        /// Which.
        frontend: String,
        /// The version that it wants.
        found: String,
        /// The first lapstrake that speaks it.
        needs: String,
        /// The versions that are there.
        speaks: &'static str,
    },

    /// Made for a contract that is no more.
    #[error(
        "{frontend} was made for lapstrake:frontend@{found}; this lapstrake speaks {speaks}; make it again with a newer SDK"
    )]
    OtherVersion {
        /// Which.
        frontend: String,
        /// The version that it wants.
        found: String,
        /// The versions that are there.
        speaks: &'static str,
    },

    /// Made for a later version of this contract, and uses what came with it.
    #[error(
        "{frontend} needs {}: it was made for lapstrake:frontend@{found}, this one has {has} and lacks {}",
        if found == has { "a newer lapstrake".to_owned() } else { format!("lapstrake >= {found}") },
        missing.join(", ")
    )]
    NeedsNewer {
        /// Which.
        frontend: String,
        /// The version that it wants.
        found: String,
        /// The version that is there.
        has: &'static str,
        /// What it imports and is not there.
        missing: Vec<String>,
    },

    /// Imports WASI.
    #[error(
        "{frontend} imports WASI ({}), which a frontend cannot have; build it without, or with an adapter that needs \
         none", imports.join(", ")
    )]
    NeedsWasi {
        /// Which.
        frontend: String,
        /// The imports.
        imports: Vec<String>,
    },

    /// A component, but no frontend.
    #[error("{frontend} is no lapstrake frontend: {}", describe_world(missing, unknown))]
    OtherWorld {
        /// Which.
        frontend: String,
        /// Exports that a frontend has and this has not.
        missing: Vec<String>,
        /// Imports that no frontend has.
        unknown: Vec<String>,
    },

    /// The names are right but not the types behind them.
    #[error("{frontend} has another form of lapstrake:frontend@{version} than the published one")]
    OtherTypes {
        /// Which.
        frontend: String,
        /// The version that it claims.
        version: String,
        /// Where it differs.
        source: Cause,
    },

    /// A function that came with a later 0.1 than the frontend was made for.
    #[error("{frontend} has no function {function:?}; a newer version of it may have")]
    NoSuchFunction {
        /// Which.
        frontend: String,
        /// The function.
        function: &'static str,
    },

    /// A chain in which not exactly one frontend builds.
    #[error(
        "{} of the frontends {} {}: exactly one of them reads the build file, the others rewrite what it reads or makes",
        if *builders == 0 { "none" } else { "more than one" },
        names.join(" | "),
        if *builders == 0 { "builds" } else { "build" },
    )]
    Chain {
        /// The chain.
        names: Vec<String>,
        /// How many build.
        builders: usize,
    },

    /// A frontend that changes sources, behind the one that reads them.
    #[error("{frontend} rewrites sources, so it stands before what reads them: {frontend} | {builder}")]
    TooLate {
        /// Which.
        frontend: String,
        /// The one that reads them.
        builder: String,
    },

    /// The guest crashed.
    #[error("{frontend} crashed: {reason}{}{}", describe_frames(frames), describe_words(last_words.as_deref()))]
    Trap {
        /// Which.
        frontend: String,
        /// WebAssembly's word for it.
        reason: String,
        /// Functions, the innermost first.
        frames: Vec<String>,
        /// What it logged last as a warning, such as the text of a panic.
        last_words: Option<String>,
    },

    /// The guest gave something that its own types do not allow.
    #[error("{frontend} broke the rules of WebAssembly components")]
    Malformed {
        /// Which.
        frontend: String,
        /// How.
        source: Cause,
    },

    /// Too many instructions.
    #[error(
        "{frontend} did not finish with {limit} units of fuel; more with --frontend-fuel, or fuel under [frontend] in the configuration"
    )]
    FuelExhausted {
        /// Which.
        frontend: String,
        /// The limit.
        limit: u64,
    },

    /// Too long.
    #[error(
        "{frontend} did not finish within {limit:?}; more with --frontend-timeout, or timeout under [frontend] in the configuration"
    )]
    TimedOut {
        /// Which.
        frontend: String,
        /// The limit.
        limit: Duration,
    },

    /// Too much memory.
    #[error("{frontend} needs more than {} of memory; more with --frontend-memory, or memory under [frontend] in the configuration", bytes(*limit))]
    MemoryLimit {
        /// Which.
        frontend: String,
        /// The limit, bytes.
        limit: u64,
    },

    /// Too large an answer.
    #[error("{frontend} handed over more than {} in one call; more with --frontend-output, or output under [frontend] in the configuration", bytes(*limit as u64))]
    OutputTooLarge {
        /// Which.
        frontend: String,
        /// The limit, bytes.
        limit: usize,
    },

    /// Too many of something that the host does for a guest.
    #[error("{frontend} asks too much of the host: too many {what}")]
    TooMany {
        /// Which.
        frontend: String,
        /// Of what.
        what: &'static str,
    },

    /// An answer that makes no sense.
    #[error("{frontend} made {}", problem.subject())]
    InvalidResult {
        /// Which.
        frontend: String,
        /// What is wrong with it.
        #[source]
        problem: ResultProblem,
    },

    /// The build file is wrong.
    #[error("{}", describe_report(.0))]
    Diagnostics(Report),

    /// The build file has no such target.
    #[error("there is no target {0:?} in the build file")]
    UnknownTarget(String),

    /// A call of the frontend to the host failed.
    #[error("{0}")]
    HostFailed(String),

    /// The frontend knows what is meant but cannot do it.
    #[error("{frontend} does not support this: {message}")]
    Unsupported {
        /// Which.
        frontend: String,
        /// What it says.
        message: String,
    },

    /// The frontend found a mistake in itself.
    #[error("{frontend} failed, which is a bug in it: {message}")]
    Internal {
        /// Which.
        frontend: String,
        /// What it says.
        message: String,
    },

    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,

    /// The gateway gave fewer or more answers than it was asked for: a bug of this program.
    #[error("the gateway gave a wrong number of answers to {frontend}")]
    Gateway {
        /// Which frontend asked.
        frontend: String,
    },

    /// The engine does not start.
    #[error("cannot start the WebAssembly engine")]
    Engine {
        /// Why.
        source: Cause,
    },

    /// No thread for the guest.
    #[error("cannot start a thread for {frontend}")]
    Thread {
        /// Which.
        frontend: String,
        /// Why.
        source: io::Error,
    },
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
pub enum ResultProblem {
    /// The graph.
    #[error(transparent)]
    Graph(Box<ValidateError>),
    /// Nothing was built.
    #[error("it has no image")]
    NoImage,
    /// Two images of one platform.
    #[error("it has two images for {0}")]
    SamePlatform(String),
    /// An origin of a rewritten text.
    #[error("origin {0} of its text overlaps the one before or lies in no file")]
    Origin(usize),
    /// Another number of images than it was given.
    #[error("it answers {got} images for {asked}")]
    Images {
        /// As many were given.
        asked: usize,
        /// As many came back.
        got: usize,
    },
    /// The JSON of a sub-request's answer is none.
    #[error("its `json` is not JSON")]
    Json(#[source] serde_json::Error),
}

impl ResultProblem {
    fn subject(&self) -> &'static str {
        match self {
            Self::Graph(_) => "an invalid graph",
            Self::NoImage | Self::SamePlatform(_) | Self::Json(_) | Self::Origin(_) | Self::Images { .. } => {
                "an invalid result"
            }
        }
    }
}

/// A size for people, but exact.
fn bytes(size: u64) -> String {
    match size {
        0 => "0 bytes".to_owned(),
        size if size.is_multiple_of(1 << 30) => format!("{} GiB", size >> 30),
        size if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size => format!("{size} bytes"),
    }
}

fn describe_world(missing: &[String], unknown: &[String]) -> String {
    let part = |what: &str, names: &[String]| format!("{what} {}", names.join(", "));
    match (missing, unknown) {
        (missing, []) => part("it does not export", missing),
        ([], unknown) => part("it imports", unknown),
        (missing, unknown) => {
            format!(
                "{}, and {}",
                part("it does not export", missing),
                part("imports", unknown)
            )
        }
    }
}

fn describe_frames(frames: &[String]) -> String {
    if frames.is_empty() {
        String::new()
    } else {
        format!(" (in {})", frames.join(", called by "))
    }
}

fn describe_words(last_words: Option<&str>) -> String {
    last_words.map_or_else(String::new, |words| {
        format!("; it said last: {}", words.trim_end())
    })
}

fn describe_report(report: &Report) -> String {
    let errors = report
        .items
        .iter()
        .filter(|item| item.severity == Severity::Error)
        .count();
    let file = report
        .sources
        .first()
        .map_or("the build file", |source| source.name.as_str());
    match (errors, report.items.first()) {
        (1, Some(item)) => format!("{file}: {}", item.message),
        (0, _) => format!("{file} is not valid"),
        (errors, _) => format!("{file} has {errors} errors"),
    }
}
