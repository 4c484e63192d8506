//! The words of `lapstrake history`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::words::AnswerFormat;

const ID: &str =
    "An id, the beginning of one, or ^N for the N-th build before the latest [default: the latest]";

#[derive(Debug, Args)]
pub struct HistoryWords {
    #[command(subcommand)]
    pub command: HistoryCommand,
}

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// List the recorded builds, the latest first
    Ls(LsWords),
    /// Tell all that is known of a build
    Inspect(InspectWords),
    /// Print the log of a build
    Logs(LogsWords),
    /// Write a page with the times of a build's steps, or a trace for Perfetto
    Trace(TraceWords),
    /// Remove records
    Rm(RmWords),
}

#[derive(Debug, Args)]
pub struct LsWords {
    /// Only builds for which this is true, such as status=failed, ref~=ab, name~=app, startedAt>24h, duration>=90s
    #[arg(long, value_name = "CONDITION")]
    pub filter: Vec<String>,

    /// How it is written: text, or one JSON object a line
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,

    /// Print long names whole
    #[arg(long)]
    pub no_trunc: bool,
}

#[derive(Debug, Args)]
pub struct InspectWords {
    #[arg(value_name = "ID", help = ID)]
    pub id: Option<String>,

    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
}

#[derive(Debug, Args)]
pub struct LogsWords {
    #[arg(value_name = "ID", help = ID)]
    pub id: Option<String>,

    /// How it is written: plain, or rawjson (one JSON object a line with BuildKit's SolveStatus fields)
    #[arg(long, value_name = "MODE", default_value = "plain")]
    pub progress: String,
}

#[derive(Debug, Args)]
pub struct TraceWords {
    #[arg(value_name = "ID", help = ID)]
    pub id: Option<String>,

    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// html: a page; json: Chrome's trace format, for Perfetto [default: by the file's ending, else html]
    #[arg(long, value_enum)]
    pub format: Option<TraceFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// A page.
    Html,
    /// Chrome's trace format.
    Json,
}

#[derive(Debug, Args)]
pub struct RmWords {
    /// Ids, or their beginnings
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,

    /// Remove all records but those of running builds
    #[arg(long)]
    pub all: bool,
}
