//! The instructions: one file for each, with what it holds, how its arguments are read, and what becomes of it.
//! Knows nothing of stages beyond the one that an instruction is in.

pub mod add;
pub mod arg;
pub mod command_line;
pub mod copy;
pub mod copy_plan;
pub mod entrypoint;
pub mod env;
pub mod expose;
pub mod from;
pub mod healthcheck;
pub mod label;
pub mod maintainer;
pub mod mount;
pub mod onbuild;
pub mod pairs;
pub mod run;
pub mod run_mounts;
pub mod shell;
pub mod stopsignal;
pub mod user;
pub mod volume;
pub mod workdir;

use crate::diagnostic::Diagnostics;
use crate::parse::Arguments;
use crate::span::Span;
use crate::syntax::lines::Comment;
use crate::syntax::words::Word;

/// All keywords.
pub const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// One instruction of the file.
#[derive(Debug, Clone)]
pub struct Command {
    /// The keyword as written.
    pub keyword: Word,
    /// The keyword in upper case.
    pub name: &'static str,
    /// The whole instruction without heredoc bodies, continuations joined.
    pub text: String,
    /// All of it, heredoc bodies included.
    pub span: Span,
    /// The comments right above it.
    pub comments: Vec<Comment>,
    /// What it says.
    pub instruction: Instruction,
}

/// What an instruction says.
#[derive(Debug, Clone)]
pub enum Instruction {
    /// `ADD` and `COPY`.
    Copy(copy::Copy),
    /// `ARG`.
    Arg(arg::Arg),
    /// `CMD`.
    Cmd(command_line::CommandLine),
    /// `ENTRYPOINT`.
    Entrypoint(command_line::CommandLine),
    /// `ENV`.
    Env(pairs::Pairs),
    /// `EXPOSE`.
    Expose(expose::Expose),
    /// `FROM`.
    From(from::From),
    /// `HEALTHCHECK`.
    Healthcheck(healthcheck::Healthcheck),
    /// `LABEL`.
    Label(pairs::Pairs),
    /// `MAINTAINER`.
    Maintainer(Word),
    /// `ONBUILD`.
    Onbuild(onbuild::Onbuild),
    /// `RUN`.
    Run(run::Run),
    /// `SHELL`.
    Shell(shell::Shell),
    /// `STOPSIGNAL`.
    Stopsignal(Word),
    /// `USER`.
    User(Word),
    /// `VOLUME`.
    Volume(volume::Volume),
    /// `WORKDIR`.
    Workdir(Word),
}

impl Instruction {
    /// Reads an instruction's arguments; none: why not is reported.
    pub fn parse(arguments: &mut Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        Some(match arguments.name {
            "ADD" => Instruction::Copy(add::parse(arguments, diagnostics)?),
            "ARG" => Instruction::Arg(arg::Arg::parse(arguments, diagnostics)?),
            "CMD" => Instruction::Cmd(entrypoint::parse(arguments, diagnostics)?),
            "COPY" => Instruction::Copy(copy::Copy::parse(arguments, diagnostics)?),
            "ENTRYPOINT" => Instruction::Entrypoint(entrypoint::parse(arguments, diagnostics)?),
            "ENV" => Instruction::Env(pairs::Pairs::parse(arguments, diagnostics)?),
            "EXPOSE" => Instruction::Expose(expose::Expose::parse(arguments, diagnostics)?),
            "FROM" => Instruction::From(from::From::parse(arguments, diagnostics)),
            "HEALTHCHECK" => {
                Instruction::Healthcheck(healthcheck::Healthcheck::parse(arguments, diagnostics)?)
            }
            "LABEL" => Instruction::Label(pairs::Pairs::parse(arguments, diagnostics)?),
            "MAINTAINER" => Instruction::Maintainer(maintainer::parse(arguments, diagnostics)?),
            "ONBUILD" => Instruction::Onbuild(onbuild::Onbuild::parse(arguments, diagnostics)?),
            "RUN" => Instruction::Run(run::Run::parse(arguments, diagnostics)?),
            "SHELL" => Instruction::Shell(shell::Shell::parse(arguments, diagnostics)?),
            "STOPSIGNAL" => Instruction::Stopsignal(stopsignal::parse(arguments, diagnostics)?),
            "USER" => Instruction::User(user::parse(arguments, diagnostics)?),
            "VOLUME" => Instruction::Volume(volume::Volume::parse(arguments, diagnostics)?),
            _ => Instruction::Workdir(workdir::parse(arguments, diagnostics)?),
        })
    }
}
