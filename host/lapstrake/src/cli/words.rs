//! The words of the command line, as clap reads them. What they mean is in `options`.

use std::path::PathBuf;

use super::arguments::ArgumentWords;
use super::limits::LimitWords;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::frontend::FrontendWords;
use super::history::HistoryWords;
use super::lsp::LspWords;

/// A container image builder whose build languages are Wasm plugins.
#[derive(Debug, Parser)]
#[command(name = "lapstrake", version, max_term_width = 110, infer_subcommands = false)]
#[command(
    after_help = "Exit codes: 0 done; 1 the build failed; 2 wrong usage; 3 a registry, network or store error; \
                        130 interrupted."
)]
pub struct Words {
    /// State directory [default: /var/lib/lapstrake for root, else $XDG_DATA_HOME/lapstrake]
    #[arg(
        long,
        global = true,
        env = "LAPSTRAKE_ROOT",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub root: Option<PathBuf>,

    /// Configuration file [default: $XDG_CONFIG_HOME/lapstrake/lapstrake.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Tell every cause of an error
    #[arg(long, global = true)]
    pub debug: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image, or files, from a build file
    #[command(visible_alias = "b")]
    Build(Box<BuildWords>),
    /// Print the graph of a build without running anything
    Llb(Box<LlbWords>),
    /// Show what the build cache takes on disk
    Du(DuWords),
    /// Remove build cache
    Prune(PruneWords),
    /// Say what this machine can do for builds, and what to change
    Doctor(DoctorWords),
    /// Tell why a step would run or not, without running anything
    Why(Box<WhyWords>),
    /// Tell of builds that were, and of those that run
    History(HistoryWords),
    /// Write lapstrake.lock beside the build file: what its images, files, git references and frontend are now
    Lock(Box<LockWords>),
    /// Write frontends, look at them, and share them
    Frontend(FrontendWords),
    /// Serve an editor: the Language Server Protocol on standard input and output, for all build files
    Lsp(Box<LspWords>),
    /// Print the version
    Version,
}

impl Command {
    /// Whether the command works with the state directory.
    pub fn uses_store(&self) -> bool {
        match self {
            Self::Doctor(_) | Self::Lsp(_) | Self::Version => false,
            Self::Frontend(words) => words.uses_store(),
            _ => true,
        }
    }
}

/// Options that `build` and `llb` share.
#[derive(Debug, Args)]
pub struct SharedWords {
    /// The files that the build may use: a directory, a git repository (https://HOST/x.git#REF:DIR, git@HOST:x),
    /// a tar by http(s), or - for a tar or a build file on standard input
    #[arg(value_name = "CONTEXT")]
    pub context: String,

    /// Build file: a path (in CONTEXT, where that is elsewhere), - for standard input, or an http(s) address
    /// [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,

    /// Stage or target to build
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Build argument; without a value it is taken from the environment
    #[arg(long, value_name = "K[=V]")]
    pub build_arg: Vec<String>,

    /// More contexts: a directory, a git repository, an http(s) address, docker-image://REF,
    /// oci-layout://DIR[:TAG][@DIGEST] or target:STAGE
    #[arg(long, value_name = "NAME=SOURCE")]
    pub build_context: Vec<String>,

    /// Label of the image
    #[arg(long, value_name = "K=V")]
    pub label: Vec<String>,

    /// Platforms to build for, such as linux/amd64,linux/arm64
    #[arg(long, value_name = "P[,P...]")]
    pub platform: Vec<String>,

    /// Run every step anew
    #[arg(long)]
    pub no_cache: bool,

    /// Run the steps of these stages anew
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,

    /// Ask registries for newer images of all tags
    #[arg(long)]
    pub pull: bool,

    /// Ask nobody over the network: tags mean what they meant last, and what is not in the store is missing
    #[arg(long, conflicts_with = "pull")]
    pub offline: bool,

    /// Fail unless lapstrake.lock is beside the build file and has everything that the build takes from elsewhere
    #[arg(long)]
    pub locked: bool,

    /// Network of the commands: default, none or host
    #[arg(long, value_name = "MODE")]
    pub network: Option<String>,

    #[command(flatten)]
    pub limits: LimitWords,

    #[command(flatten)]
    pub arguments: ArgumentWords,

    /// Frontend to use instead of the syntax line's: a built-in name, a component's file, one in a registry
    /// (HOST/NAME:TAG[@DIGEST]), or an address with digest (https://HOST/x.wasm@sha256:...); or several in a row:
    /// './include.wasm | dockerfile | ./mirror.wasm HOST'
    #[arg(long, value_name = "REF")]
    pub frontend: Option<String>,

    /// Which frontends may run: embedded, locked (also those with a digest), any [default: any]
    #[arg(long, value_name = "POLICY")]
    pub frontend_policy: Option<String>,

    #[command(flatten)]
    pub frontend_limits: FrontendLimitWords,
}

/// What a frontend may use.
#[derive(Debug, Args)]
pub struct FrontendLimitWords {
    /// Most memory that a frontend may use [default: 1g]
    #[arg(long, value_name = "BYTES")]
    pub frontend_memory: Option<String>,

    /// Most Wasm instructions, about, that a frontend may run [default: 20000000000]
    #[arg(long, value_name = "NUMBER")]
    pub frontend_fuel: Option<u64>,

    /// Most seconds that a frontend may run [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub frontend_timeout: Option<u64>,

    /// Most that a frontend may hand over in one answer [default: 128m]
    #[arg(long, value_name = "BYTES")]
    pub frontend_output: Option<String>,
}

#[derive(Debug, Args)]
pub struct BuildWords {
    #[command(flatten)]
    pub shared: SharedWords,

    /// Name of the image, with or without a tag
    #[arg(short, long, value_name = "NAME")]
    pub tag: Vec<String>,

    /// Annotation of the manifests
    #[arg(long, value_name = "K=V")]
    pub annotation: Vec<String>,

    /// What to write: type=oci|docker|local|tar|cacheonly[,dest=PATH|-][,name=...][,tar=false][,compression=...], or a
    /// directory
    #[arg(short, long, value_name = "SPEC")]
    pub output: Vec<String>,

    /// A secret for commands that ask for it: id=ID[,src=FILE|,env=VAR]
    #[arg(long, value_name = "SPEC")]
    pub secret: Vec<String>,

    /// An SSH agent for commands and git repositories that ask for it: default or ID[=SOCKET|KEY[,KEY]]
    #[arg(long, value_name = "SPEC")]
    pub ssh: Vec<String>,

    /// Allow what a build may not do by itself: network.host, security.insecure, device[=NAME]
    #[arg(long, value_name = "ENTITLEMENT")]
    pub allow: Vec<String>,

    /// What to ask of the frontend: build, check, outline, targets, describe, or a name it knows; also
    /// WHAT,format=json and check,ignorestatus=true
    #[arg(long, value_name = "WHAT")]
    pub call: Option<String>,

    /// The same as --call check
    #[arg(long, conflicts_with = "call")]
    pub check: bool,

    /// How --call, or why, writes its answer
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,

    /// Steps that run at once [default: number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,

    /// Seconds that a step may run
    #[arg(long, value_name = "SECONDS")]
    pub step_timeout: Option<u64>,

    /// How progress is shown: auto, tty, plain, rawjson, quiet
    #[arg(
        long,
        value_name = "MODE",
        default_value = "auto",
        env = "BUILDKIT_PROGRESS",
        hide_env = true
    )]
    pub progress: String,

    /// Write what was built as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// Write the image's id
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,

    /// Write where the time went: a page FILE.html, and beside it a trace FILE.json for Perfetto; a FILE that ends in
    /// .json is the trace alone [default: lapstrake-timings.html]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "lapstrake-timings.html"
    )]
    pub timings: Option<PathBuf>,

    /// No progress; print the image's id
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct LlbWords {
    #[command(flatten)]
    pub shared: SharedWords,

    /// How the graph is written; pb is BuildKit's marshalled pb.Definition
    #[arg(long, value_enum, default_value = "text")]
    pub format: GraphFormat,
}

#[derive(Debug, Args)]
pub struct LockWords {
    #[command(flatten)]
    pub shared: SharedWords,

    /// A secret for servers that ask for it: id=ID[,src=FILE|,env=VAR]
    #[arg(long, value_name = "SPEC")]
    pub secret: Vec<String>,

    /// An SSH agent for git repositories that ask for it: default or ID[=SOCKET|KEY[,KEY]]
    #[arg(long, value_name = "SPEC")]
    pub ssh: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DoctorWords {
    /// How the findings are written
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
}

#[derive(Debug, Args)]
pub struct DuWords {
    /// Only what this is true of: until=24h, type=T, id=ID, description~=TEXT, inuse, mutable, immutable
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,

    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,

    /// Tell all that is known of each entry
    #[arg(long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct PruneWords {
    /// Also what frontends and the store itself keep
    #[arg(short, long)]
    pub all: bool,

    /// Only what this is true of: until=24h, type=T, id=ID, description~=TEXT, inuse, mutable, immutable
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,

    /// Keep this much, the most recently used
    #[arg(long, value_name = "SIZE", alias = "keep-storage")]
    pub reserved_space: Option<String>,

    /// Remove until the cache takes no more than this
    #[arg(long, value_name = "SIZE")]
    pub max_used_space: Option<String>,

    /// Remove until the disk has this much free
    #[arg(long, value_name = "SIZE")]
    pub min_free_space: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    pub force: bool,

    /// Only tell what would go
    #[arg(long)]
    pub dry_run: bool,

    /// Tell all that is known of each entry
    #[arg(long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct WhyWords {
    #[command(flatten)]
    pub build: BuildWords,

    /// Step to explain: its number in the last build such as "#7", its label such as "build 2/5", a part of its name,
    /// or its digest's beginning [default: all that would run]
    #[arg(value_name = "STEP")]
    pub step: Option<String>,

    /// Tell everything, however long
    #[arg(short, long)]
    pub verbose: bool,
}

/// How the answer of a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// One block a vertex.
    Text,
    /// For programs.
    Json,
    /// Graphviz.
    Dot,
    /// BuildKit's marshalled pb.Definition.
    Pb,
}
