//! What this machine can do for builds: everything is tried, nothing is guessed from version numbers, and nothing stays
//! changed. Each finding says what does not work without it, and how to mend it.
//! Knows nothing of how findings are shown.

mod inside;
mod machine;
mod outside;
mod programs;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;

use crate::rootless::{User, Wish};

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Question {
    /// The state directory. It need not exist.
    pub state_dir: PathBuf,
    /// Which way to user namespaces is taken.
    pub wish: Wish,
    /// The user.
    pub user: User,
    /// Where a Docker Engine listens, as in `DOCKER_HOST`.
    pub docker_host: Option<OsString>,
    /// OCI runtime that is used instead of the built-in one.
    pub oci_runtime: Option<PathBuf>,
}

/// How well something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should.
    Ok,
    /// Builds work, but not all of what they may ask for.
    Limited,
    /// Builds that run commands do not work.
    Missing,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How well it works.
    pub state: Health,
    /// What is there.
    pub found: String,
    /// What does not work because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
    /// A command, or a change of a file, that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: Health::Ok,
            found: found.into(),
            without: None,
            remedy: None,
        }
    }

    fn limited(name: &'static str, found: impl Into<String>, without: &str) -> Self {
        Self {
            state: Health::Limited,
            without: Some(without.to_owned()),
            ..Self::ok(name, found)
        }
    }

    fn missing(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            state: Health::Missing,
            without: Some("commands (RUN) do not work; files and images can still be built".to_owned()),
            ..Self::ok(name, found)
        }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Whether builds that run commands can work.
    pub can_run: bool,
    /// The findings, the most important first.
    pub checks: Vec<Finding>,
}

/// Looks at this machine as a build of this process would find it.
///
/// MUST be called while this process has one thread, and before it has entered a user namespace.
pub fn examine(question: &Question) -> Examination {
    let scratch = outside::Scratch::make(&question.state_dir);
    let tried = inside::try_it(question, scratch.as_ref().ok());
    let mut checks = vec![outside::kernel()];
    checks.extend(machine::findings(question, &tried));
    checks.push(outside::state_directory(question, &scratch, &tried));
    checks.push(outside::cgroups());
    checks.extend(programs::findings(question));
    let can_run = checks.iter().all(|finding| finding.state != Health::Missing);
    Examination { can_run, checks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_thing_is_enough() {
        let finding = Finding::missing("x", "gone").remedy("fetch it");
        let text = serde_json::to_string(&finding).unwrap();
        assert!(text.starts_with(r#"{"name":"x","state":"missing","found":"gone","without":"#));
        assert!(text.ends_with(r#""remedy":"fetch it"}"#));
        let fine = serde_json::to_string(&Finding::ok("y", "there")).unwrap();
        assert_eq!(fine, r#"{"name":"y","state":"ok","found":"there"}"#);
    }
}
