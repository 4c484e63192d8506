//! `lapstrake lsp`: the language server on standard input and output. Knows nothing of the protocol.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lsp_server::Connection;

use super::convert;
use super::words::FrontendLimitWords;
use super::{Failure, Place, usage};
use crate::config::Config;
use crate::engine::editor::Editor;
use crate::lsp::{self, Settings};
use crate::options::{BuildFile, CompileOptions, Context, LockUse};

/// How the server is started. The editor's initializationOptions may say the same.
#[derive(Debug, Args)]
pub struct LspWords {
    /// The files that all build files may use [default: the workspace folder that a build file is in, else its own]
    #[arg(long, value_name = "DIR")]
    pub context: Option<PathBuf>,

    /// Target that is checked [default: as in a check without --target]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Build argument; without a value it is taken from the environment
    #[arg(long, value_name = "K[=V]")]
    pub build_arg: Vec<String>,

    /// More contexts, as those of a build
    #[arg(long, value_name = "NAME=SOURCE")]
    pub build_context: Vec<String>,

    /// Ask registries for frontends and images that the store has not
    #[arg(long)]
    pub online: bool,

    /// Frontend to use instead of the syntax lines', as in a build
    #[arg(long, value_name = "REF")]
    pub frontend: Option<String>,

    /// Which frontends may run: embedded, locked (also those with a digest), any [default: any]
    #[arg(long, value_name = "POLICY")]
    pub frontend_policy: Option<String>,

    #[command(flatten)]
    pub frontend_limits: FrontendLimitWords,

    /// Does nothing: it is the only way; editors add it
    #[arg(long, hide = true)]
    pub stdio: bool,
}

/// Serves until the editor ends it.
pub fn lsp(words: LspWords, place: &Place) -> Result<ExitCode, Failure> {
    let config = place.config()?;
    let settings = settings(words, &config)?;
    let editor = Editor::new(place.engine(&config)?);
    let (connection, threads) = Connection::stdio();
    let well = lsp::serve(connection, editor, settings)?;
    if well {
        threads.join()?;
        return Ok(ExitCode::SUCCESS);
    }
    // The editor went away without a word. The thread that reads may wait for ever.
    Ok(ExitCode::FAILURE)
}

fn settings(words: LspWords, config: &Config) -> Result<Settings, Failure> {
    let mut compile = compile(&words, config).map_err(|error| usage(&error))?;
    // Said here, so that the editor's wishes cannot be looser than the configuration.
    let trust = config.frontend.trust().map_err(|error| usage(&error))?;
    compile.frontend_policy.get_or_insert(trust.policy);
    Ok(Settings {
        compile,
        context: words.context,
    })
}

fn compile(words: &LspWords, config: &Config) -> Result<CompileOptions, convert::WordError> {
    Ok(CompileOptions {
        // Those of each document.
        context: Context::Empty,
        file: BuildFile::Default,
        target: words.target.clone(),
        build_args: convert::build_args(&words.build_arg)?,
        named_contexts: convert::named_contexts(&words.build_context)?,
        labels: Vec::new(),
        platforms: Vec::new(),
        frontend_options: Vec::new(),
        offline: !words.online,
        frontend: words.frontend.clone(),
        lock: LockUse::Pins,
        frontend_policy: convert::policy(words.frontend_policy.as_deref())?,
        limits: convert::limits(&words.frontend_limits, config)?,
    })
}
