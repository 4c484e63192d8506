//! Whether a frontend takes arguments of the build file (`--arg`, `--argstr`, `--attr`). Most languages have none, and to
//! leave out what a person asked for would build something else. Knows no language: the frontend says what it takes.

use lapstrake_frontend::{Cancel, Frontend, Limits};

use crate::error::Error;

use super::frontends::without_place;

/// The options of a file's arguments, by what stands before the colon, and the words they come from.
const ARGUMENTS: [(&str, &str); 3] = [("arg", "--arg"), ("argstr", "--argstr"), ("attr", "--attr")];

/// Refuses arguments that the frontend does not declare. Asks it only where there are some.
pub(super) fn check(frontend: &Frontend, options: &[(String, String)], limits: &Limits) -> Result<(), Error> {
    let given: Vec<_> = ARGUMENTS
        .into_iter()
        .filter(|(kind, _)| options.iter().any(|(name, _)| of_kind(name, kind)))
        .collect();
    if given.is_empty() {
        return Ok(());
    }
    let info = frontend
        .describe(limits, &Cancel::new())
        .map_err(|source| without_place(frontend.name(), source))?;
    match given
        .into_iter()
        .find(|(kind, _)| !info.options.iter().any(|option| of_kind(&option.name, kind)))
    {
        None => Ok(()),
        Some((_, option)) => Err(Error::NoArguments {
            frontend: info.name,
            option,
        }),
    }
}

fn of_kind(name: &str, kind: &str) -> bool {
    name.split_once(':').map_or(name, |(kind, _)| kind) == kind
}
