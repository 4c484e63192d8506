//! The words of `lapstrake frontend`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::words::{AnswerFormat, GraphFormat};
use crate::project::Language;

const REF: &str =
    "A built-in name, a component's file, HOST/NAME:TAG[@DIGEST], or https://HOST/x.wasm@sha256:...";

#[derive(Debug, Args)]
pub struct FrontendWords {
    #[command(subcommand)]
    pub command: FrontendCommand,
}

#[derive(Debug, Subcommand)]
pub enum FrontendCommand {
    /// List the built-in frontends and those that were fetched
    Ls(LsWords),
    /// Tell what a frontend is: its world, what it imports, its size and digest, and what it says of itself
    Inspect(InspectWords),
    /// Put a component into a registry
    Push(PushWords),
    /// Take a component out of a registry
    Pull(PullWords),
    /// Make a project of a new frontend
    New(NewWords),
    /// Build the project's component
    Build(ProjectWords),
    /// Build the project, and print the graph and the diagnostics of a build file
    Run(Box<RunWords>),
    /// Build the project, and hold it to its cases: cases/NAME/{input,graph.txt,diagnostics.txt}
    Test(TestWords),
}

impl FrontendWords {
    /// Whether the command works with the state directory.
    pub fn uses_store(&self) -> bool {
        !matches!(
            self.command,
            FrontendCommand::New(_) | FrontendCommand::Build(_) | FrontendCommand::Test(_)
        )
    }
}

#[derive(Debug, Args)]
pub struct LsWords {
    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
}

#[derive(Debug, Args)]
pub struct InspectWords {
    #[arg(value_name = "REF", help = REF)]
    pub reference: String,

    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,

    /// Ask nobody over the network
    #[arg(long)]
    pub offline: bool,

    /// Which frontends may run: embedded, locked, any. What may not run is not asked what it is
    #[arg(long, value_name = "POLICY")]
    pub frontend_policy: Option<String>,
}

#[derive(Debug, Args)]
pub struct PushWords {
    /// Where to: HOST/NAME[:TAG]
    #[arg(value_name = "REF")]
    pub reference: String,

    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct PullWords {
    /// From where: HOST/NAME[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    pub reference: String,

    /// Where to write it; - for standard output [default: the name it was pushed with]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Ask nobody over the network
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub struct NewWords {
    /// Name of the frontend, and of its new folder
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Language: rust, python, javascript, go or c
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Language,

    /// An SDK elsewhere (sdk/LANGUAGE of a checkout) instead of a copy in the project
    #[arg(long, value_name = "PATH")]
    pub sdk: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ProjectWords {
    /// The project's folder, or one in it [default: the working directory]
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub project: PathBuf,
}

#[derive(Debug, Args)]
pub struct RunWords {
    #[command(flatten)]
    pub project: ProjectWords,

    /// The build file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Stage or target
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Build argument
    #[arg(long, value_name = "K=V")]
    pub build_arg: Vec<String>,

    /// Ask nobody over the network
    #[arg(long)]
    pub offline: bool,

    /// How the graph is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: GraphFormat,

    /// Go on: whenever the project or the build file changes, do it again
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct TestWords {
    #[command(flatten)]
    pub project: ProjectWords,

    /// Only these cases
    #[arg(value_name = "CASE")]
    pub cases: Vec<String>,

    /// Write down what comes out as what must come out
    #[arg(long)]
    pub bless: bool,

    /// Do not build first
    #[arg(long)]
    pub no_build: bool,
}
