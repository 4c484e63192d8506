//! `lapstrake lock`: writes down what a build takes from elsewhere.
//! Knows nothing of how that is found out.

use std::io::Write;

use super::words::LockWords;
use super::{Failure, Place, convert, usage, with_display};
use crate::error::Error;
use crate::options::{BuildOptions, LockUse};
use crate::progress::Mode;
use crate::spec;

/// Writes the lock file, and says what is in it.
pub fn lock(words: LockWords, place: &Place) -> Result<(), Failure> {
    let config = place.config()?;
    let mut compile = convert::compile(words.shared, &config).map_err(|error| usage(&error))?;
    compile.lock = LockUse::Ignored;
    let mut options = BuildOptions::compile_only(compile);
    let secrets = words.secret.iter().map(|text| spec::secret(text));
    options.secrets = secrets.collect::<Result<_, _>>().map_err(|error| usage(&error))?;
    let agents = words.ssh.iter().map(|text| spec::ssh(text));
    options.ssh = agents.collect::<Result<_, _>>().map_err(|error| usage(&error))?;
    convert::add_callers_agent(&mut options);
    let engine = place.engine(&config)?;
    let (path, lock) = with_display(Mode::Quiet, |client| engine.lock(&options, client))?;
    let text = lock.text();
    std::fs::write(&path, text).map_err(|source| {
        Failure::Engine(Error::Write {
            path: path.clone(),
            source,
        })
    })?;
    let names: Vec<&str> = lock
        .frontends
        .iter()
        .map(|known| known.reference.as_str())
        .collect();
    writeln!(
        std::io::stdout(),
        "{}: {} images, {} files, {} git references, frontend {}",
        path.display(),
        lock.images.len(),
        lock.files.len(),
        lock.repositories.len(),
        names.join(" | ")
    )?;
    Ok(())
}
