//! `lapstrake doctor`: what this machine can do for builds, and what to change.
//! Knows nothing of how that is found out.

use std::io::Write;
use std::process::ExitCode;

use lapstrake_ops::doctor::{Examination, Finding, Health, Question, examine};

use super::words::{AnswerFormat, DoctorWords};
use super::{Failure, Place, privilege};

/// Looks, and prints what was found. Fails where no command could run.
pub(super) fn doctor(words: &DoctorWords, place: &Place) -> Result<ExitCode, Failure> {
    let question = Question {
        state_dir: place.root()?,
        wish: privilege::wish()?,
        user: privilege::user(),
        docker_host: std::env::var_os("DOCKER_HOST"),
        oci_runtime: place.config()?.oci_runtime,
    };
    let examination = examine(&question);
    let mut out = std::io::stdout().lock();
    match words.format {
        AnswerFormat::Json => {
            let text = serde_json::to_string_pretty(&examination).map_err(std::io::Error::from)?;
            writeln!(out, "{text}")?;
        }
        AnswerFormat::Text => out.write_all(text(&examination).as_bytes())?,
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!examination.can_run)))
}

fn text(examination: &Examination) -> String {
    let mut out: String = examination.checks.iter().map(line).collect();
    out.push_str(match examination.can_run {
        true => "\nBuilds work here, with commands (RUN).\n",
        false => "\nBuilds work here only as long as they run no commands (RUN).\n",
    });
    out
}

fn line(finding: &Finding) -> String {
    let state = match finding.state {
        Health::Ok => "ok",
        Health::Limited => "limited",
        Health::Missing => "missing",
    };
    let mut out = format!("{state:8} {}: {}\n", finding.name, finding.found);
    if let Some(without) = &finding.without {
        out.push_str(&format!("         without it: {without}\n"));
    }
    if let Some(remedy) = &finding.remedy {
        out.push_str(&format!("         to mend it: {remedy}\n"));
    }
    out
}
