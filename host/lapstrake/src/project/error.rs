//! What can go wrong with a project. Knows nothing of how it is shown.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// What can go wrong with a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No project.
    #[error("{} is in no frontend's project: there is no lapstrake-frontend.toml", folder.display())]
    None {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file of the project cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the project cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The project's file is not right.
    #[error("{} is not right", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A name that not every language takes.
    #[error(
        "{name:?} is no name for a frontend: it is lower-case letters, digits and -, and begins with a letter"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Something is there.
    #[error("{} is there already", path.display())]
    Exists {
        /// What.
        path: PathBuf,
    },
    /// The program was built without a template.
    #[error("this lapstrake has no template for {language}; it has: {available}")]
    NoTemplate {
        /// The language.
        language: &'static str,
        /// Those that there are.
        available: String,
    },
    /// A program that is needed is missing.
    #[error("{program} is needed and not there")]
    NoTool {
        /// The program.
        program: String,
        /// How to get it.
        advice: String,
    },
    /// A program that a step's program needs is missing.
    #[error("{program} lacks a program that it needs")]
    NoToolOf {
        /// The step's program.
        program: String,
        /// How to get what it needs.
        advice: String,
    },
    /// A step is empty.
    #[error("a build step of {} runs nothing", path.display())]
    EmptyStep {
        /// The project's file.
        path: PathBuf,
    },
    /// A program cannot be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed. It said why itself.
    #[error("{program} failed: {status}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The build left nothing.
    #[error("the build is done, but {} is not there", path.display())]
    NothingBuilt {
        /// What should be.
        path: PathBuf,
    },
    /// The module is no frontend.
    #[error("cannot make a component")]
    Componentize(#[from] lapstrake_componentize::Error),
    /// A file of a case is not right.
    #[error("{} is not right: {problem}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nothing to test.
    #[error("there are no cases in {}", path.display())]
    NoCases {
        /// Where they should be.
        path: PathBuf,
    },
    /// No case of a name.
    #[error("there is no case {name:?}; there are: {}", known.join(", "))]
    NoSuchCase {
        /// The name.
        name: String,
        /// The names.
        known: Vec<String>,
    },
    /// The component cannot be loaded.
    #[error(transparent)]
    Frontend(#[from] Box<lapstrake_frontend::FrontendError>),
}

impl ProjectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoTool { advice, .. } | Self::NoToolOf { advice, .. } if !advice.is_empty() => {
                advice.clone()
            }
            Self::None { .. } => "lapstrake frontend new NAME --lang rust makes one".to_owned(),
            Self::NoCases { .. } => {
                "make a folder with a file `input`, then run lapstrake frontend test --bless".to_owned()
            }
            _ => return None,
        })
    }
}
