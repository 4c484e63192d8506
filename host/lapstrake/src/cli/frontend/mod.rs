//! `lapstrake frontend`: writing frontends, looking at them, and sharing them.
//! Knows nothing of how any of it is done.

mod inspect;
mod ls;
mod project;
mod run;
mod share;
mod words;

use std::process::ExitCode;

use super::{Failure, Place, rendered, with_display, with_listener};

use words::FrontendCommand;
pub use words::FrontendWords;

/// Runs one of the commands.
pub fn run(words: FrontendWords, place: &Place) -> Result<ExitCode, Failure> {
    match words.command {
        FrontendCommand::Ls(words) => ls::ls(&words, place),
        FrontendCommand::Inspect(words) => inspect::inspect(&words, place),
        FrontendCommand::Push(words) => share::push(&words, place),
        FrontendCommand::Pull(words) => share::pull(&words, place),
        FrontendCommand::New(words) => project::new(&words),
        FrontendCommand::Build(words) => project::build(&words),
        FrontendCommand::Run(words) => run::run(&words, place),
        FrontendCommand::Test(words) => return project::test(&words),
    }
    .map(|()| ExitCode::SUCCESS)
}
