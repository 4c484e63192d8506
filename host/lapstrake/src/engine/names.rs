//! Names of build files, as frontends declare them: which file a frontend reads where none is named, and which built-in
//! frontend a file without a syntax line is for. Knows nothing of what is in the files.

use std::path::Path;

use lapstrake_frontend::{Cancel, Frontend, FrontendPlace, FrontendSource, Limits, Speaker, resolve};

use super::Engine;
use super::build_file::DEFAULT_NAME;
use crate::options::{CompileOptions, Context, NamedSource};

/// The name of a build file that is there: one that the built-in frontend of the command line declares, else the usual
/// one, else one that any built-in frontend declares. None: there is none.
pub(super) fn choose(
    engine: &Engine,
    options: &CompileOptions,
    is_there: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let first = |frontend: Frontend| plain(patterns(&frontend)).find(|name| is_there(name));
    // Only what is built in is asked before it is known whether it is trusted. That it is no frontend is told later.
    let said = said(options)
        .and_then(|reference| resolve(&reference, Speaker::Person(Path::new("."))).ok())
        .and_then(|place| match place {
            FrontendPlace::Here(source @ FrontendSource::BuiltIn(_)) => engine.frontends.load(&source).ok(),
            FrontendPlace::Here(_) | FrontendPlace::Registry(_) | FrontendPlace::Url { .. } => None,
        });
    if let Some(name) = said.and_then(first) {
        return Some(name);
    }
    if is_there(DEFAULT_NAME) {
        return Some(DEFAULT_NAME.to_owned());
    }
    built_in(engine).find_map(|(_, frontend)| first(frontend))
}

/// The name of the build file where none is named: in a directory the one that is there.
pub(super) fn default_name(engine: &Engine, options: &CompileOptions) -> String {
    let found = match &options.context {
        Context::Directory(folder) => choose(engine, options, &|name| folder.join(name).is_file()),
        Context::Unpacked(_) | Context::Empty | Context::Stdin | Context::Git(_) | Context::Http(_) => None,
    };
    found.unwrap_or_else(|| DEFAULT_NAME.to_owned())
}

/// The frontend that the command line names.
pub(super) fn said(options: &CompileOptions) -> Option<String> {
    let build_arg = || {
        let mut pairs = options.build_args.iter().rev();
        let (_, value) = pairs.find(|(key, _)| key == "BUILDKIT_SYNTAX")?;
        Some(value.clone()).filter(|value| !value.is_empty())
    };
    options.frontend.clone().or_else(build_arg)
}

/// The image that the command line gives in place of a frontend's: `--build-context REFERENCE=docker-image://…`.
pub(super) fn stand_in<'a>(options: &'a CompileOptions, reference: &str) -> Option<&'a str> {
    let short = |name: &str| name.strip_prefix("docker.io/").unwrap_or(name).to_owned();
    options
        .named_contexts
        .iter()
        .find_map(|(name, source)| match source {
            NamedSource::Image(image) if short(name) == short(reference) => Some(image.as_str()),
            _ => None,
        })
}

/// The built-in frontend that a build file's name means.
pub(super) fn frontend_of(engine: &Engine, path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut found = built_in(engine).filter(|(_, frontend)| {
        let patterns = patterns(frontend);
        patterns
            .iter()
            .any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
    });
    found.next().map(|(name, _)| name)
}

/// Whether a name is a built-in frontend's own: one that it declares, or a pattern with such a name in it. Others are only
/// names that its build files may have: of all files `*.nix` few are build files.
pub(super) fn is_own(engine: &Engine, name: &str) -> bool {
    built_in(engine).any(|(_, frontend)| own(&patterns(&frontend), name))
}

fn own(patterns: &[String], name: &str) -> bool {
    let names: Vec<String> = plain(patterns.to_vec()).collect();
    let is_own = |pattern: &&String| names.iter().any(|name| pattern.contains(name.as_str()));
    let mut found = patterns.iter().filter(is_own);
    found.any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
}

fn built_in(engine: &Engine) -> impl Iterator<Item = (&'static str, Frontend)> {
    lapstrake_frontend::built_in().iter().filter_map(|built_in| {
        let source = FrontendSource::BuiltIn(built_in.name.to_owned());
        Some((built_in.name, engine.frontends.load(&source).ok()?))
    })
}

fn patterns(frontend: &Frontend) -> Vec<String> {
    match frontend.describe(&Limits::default(), &Cancel::new()) {
        Ok(info) => info.file_patterns,
        Err(_) => Vec::new(),
    }
}

/// Wildcards say what a file may be called, not what it is called.
fn plain(patterns: Vec<String>) -> impl Iterator<Item = String> {
    let special = ['*', '?', '[', '/'];
    patterns.into_iter().filter(move |name| !name.contains(special))
}

/// Whether a pattern with `*` and `?` matches a name, in time that grows with the product of their lengths at most.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and what it was tried with last.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, tried)) = star else { return false };
                star = Some((at, tried + 1));
                p = at + 1;
                n = tried + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{matches, own};

    #[test]
    fn own_names_are_plain_or_have_a_plain_one_in_them() {
        let of = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (docker, nix) = (of(&["Dockerfile", "*.Dockerfile"]), of(&["default.nix", "*.nix"]));
        assert!(own(&docker, "Dockerfile") && own(&docker, "web.Dockerfile") && own(&nix, "default.nix"));
        assert!(!own(&nix, "lib.nix") && !own(&docker, "default.nix"));
    }

    #[test]
    fn patterns_match_names() {
        let yes = [
            ("a", "a"),
            ("*", ""),
            ("*.nix", "a.nix"),
            ("a?c", "abc"),
            ("*a*b", "xaxbab"),
        ];
        for (pattern, name) in yes {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "b"),
            ("", "a"),
            ("*.nix", "a.nix2"),
            ("a?", "a"),
            ("*a", "ab"),
        ] {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
