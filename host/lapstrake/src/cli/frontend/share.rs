//! `lapstrake frontend push` and `pull`.
//! Knows nothing of registries.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::words::{PullWords, PushWords};
use super::{Failure, Place, with_display};
use crate::engine::Looker;
use crate::error::Error;
use crate::progress::Mode;

/// The name of a file that was pushed without one.
const UNNAMED: &str = "frontend.wasm";

/// Pushes, and prints where it is now.
pub fn push(words: &PushWords, place: &Place) -> Result<(), Failure> {
    let engine = place.engine(&place.config()?)?;
    let pushed = with_display(Mode::Quiet, |_| engine.push(&words.reference, &words.file))?;
    writeln!(std::io::stdout(), "{}", pushed.reference)?;
    Ok(())
}

/// Pulls, and prints what it was.
pub fn pull(words: &PullWords, place: &Place) -> Result<(), Failure> {
    let engine = place.engine(&place.config()?)?;
    let looker = Looker {
        offline: words.offline,
        policy: None,
    };
    let reference = words.reference.strip_prefix("oci:").unwrap_or(&words.reference);
    // A registry is meant, whatever is built in.
    let reference = format!("oci:{reference}");
    let (component, wasm) = with_display(Mode::Quiet, |client| engine.pull(&reference, looker, client))?;
    if words.output.as_deref() == Some(Path::new("-")) {
        std::io::stdout().write_all(&wasm)?;
        return Ok(());
    }
    let path = match &words.output {
        Some(path) => path.clone(),
        None => file_name(component.title.as_deref()),
    };
    std::fs::write(&path, wasm).map_err(|source| {
        Failure::Engine(Error::Write {
            path: path.clone(),
            source,
        })
    })?;
    writeln!(std::io::stdout(), "{}\n{}", component.reference, path.display())?;
    Ok(())
}

/// A name without a folder: whoever pushed it does not say where it goes.
fn file_name(title: Option<&str>) -> PathBuf {
    let name = title.and_then(|title| Path::new(title).file_name());
    name.map_or_else(|| UNNAMED.into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_file_stays_here() {
        assert_eq!(file_name(Some("hello.wasm")), Path::new("hello.wasm"));
        assert_eq!(file_name(Some("../../etc/passwd")), Path::new("passwd"));
        assert_eq!(file_name(Some("/")), Path::new(UNNAMED));
        assert_eq!(file_name(None), Path::new(UNNAMED));
    }
}
