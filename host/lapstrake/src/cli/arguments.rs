//! Arguments of the build file itself, for languages whose files are functions: words, and the frontend options that they
//! become. Which frontends take them is the engine's to find out.

use clap::Args;

use crate::spec::SpecError;

use super::convert::{After, WordError};

/// `--arg`, `--argstr` and `--attr`, named as nix-build's.
#[derive(Debug, Default, Args)]
pub struct ArgumentWords {
    /// Argument of the build file: an expression of its language
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPR"])]
    pub arg: Vec<String>,

    /// Argument of the build file: a string
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"])]
    pub argstr: Vec<String>,

    /// Attribute of the build file's value to build or to call for, such as images.web
    #[arg(short = 'A', long, value_name = "PATH")]
    pub attr: Vec<String>,
}

impl ArgumentWords {
    /// The frontend options: `arg:NAME`, `argstr:NAME`, `attr`.
    pub(super) fn options(&self) -> Result<Vec<(String, String)>, WordError> {
        let mut out = Vec::new();
        for (option, kind, words) in [("--arg", "arg", &self.arg), ("--argstr", "argstr", &self.argstr)] {
            for pair in words.chunks_exact(2) {
                let (name, value) = (&pair[0], &pair[1]);
                is_name(name).after(option)?;
                let option = format!("{kind}:{name}");
                // The last one of a name counts, whichever of the two it is.
                out.retain(|(known, _): &(String, String)| {
                    known.split_once(':').is_none_or(|(_, known)| known != name)
                });
                out.push((option, value.clone()));
            }
        }
        out.extend(self.attr.iter().map(|path| ("attr".to_owned(), path.clone())));
        Ok(out)
    }
}

/// A name of an argument, in every language that has them.
fn is_name(name: &str) -> Result<(), SpecError> {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '\'');
    if name.starts_with(starts) && name.chars().all(goes_on) {
        return Ok(());
    }
    Err(SpecError(format!("{name:?} is not the name of an argument")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arg: &[&str], argstr: &[&str], attr: &[&str]) -> Result<Vec<(String, String)>, WordError> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ArgumentWords {
            arg: owned(arg),
            argstr: owned(argstr),
            attr: owned(attr),
        }
        .options()
    }

    #[test]
    fn words_become_options_of_the_frontend() {
        let found = options(&["debug", "true"], &["version", "1.2"], &["a.b", "c"]).unwrap();
        let expected = [
            ("arg:debug", "true"),
            ("argstr:version", "1.2"),
            ("attr", "a.b"),
            ("attr", "c"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn of_one_name_one_value_is_left() {
        let found = options(&["x", "1", "x", "2"], &[], &[]).unwrap();
        assert_eq!(found, [("arg:x".to_owned(), "2".to_owned())]);
        let found = options(&["x", "1"], &["x", "one"], &[]).unwrap();
        assert_eq!(found, [("argstr:x".to_owned(), "one".to_owned())]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let error = options(&["a:b", "1"], &[], &[]).unwrap_err().to_string();
        assert_eq!(error, "--arg: \"a:b\" is not the name of an argument");
        assert!(options(&[], &["", "1"], &[]).is_err());
        assert!(options(&[], &["1x", "1"], &[]).is_err());
    }
}
