//! Which files of a tree somebody wants: include and exclude patterns.
//! Knows nothing of where the files are.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use lapstrake_llb::PatternError;
use lapstrake_llb::patterns::Patterns;

use super::has_wildcards;

/// Selects files by their paths.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// None: everything.
    include: Option<Include>,
    exclude: Patterns,
    /// What patterns without wildcards name, where links on the way there are followed.
    ways: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct Include {
    patterns: Patterns,
    /// These, and what is below them, taken literally. The empty path is everything.
    paths: BTreeSet<PathBuf>,
}

/// What a filter says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the path itself is wanted.
    pub wanted: bool,
    /// Whether something below it, if it is a directory, can be wanted. False is certain.
    pub enter: bool,
}

impl Filter {
    /// Reads pattern lists. No include patterns: everything is included.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let include = match include {
            [] => None,
            list => Some(Include {
                patterns: Patterns::new(list)?,
                paths: BTreeSet::new(),
            }),
        };
        Ok(Self {
            include,
            exclude: Patterns::new(exclude)?,
            ways: Vec::new(),
        })
    }

    /// Follows links on the way to what those of the include patterns name that have no wildcards.
    #[must_use]
    pub fn following(mut self, include: &[String]) -> Self {
        let names = include.iter().filter(|pattern| {
            !pattern.starts_with('!') && !pattern.contains('\\') && !has_wildcards(pattern)
        });
        self.ways = names.map(PathBuf::from).collect();
        self
    }

    /// Whether a link at a path, relative to where the patterns start, is on the way to what is wanted.
    pub fn leads_through(&self, path: &Path) -> bool {
        self.ways.iter().any(|way| way != path && way.starts_with(path))
    }

    /// Wants also these paths, and what is below them. Makes an include list where there was none.
    pub fn include_paths(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.include.get_or_insert_default().paths.extend(paths);
    }

    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    /// Judges a path, relative to where the patterns start.
    pub fn check(&self, path: &Path) -> Verdict {
        let mut verdict = match &self.include {
            None => Verdict {
                wanted: true,
                enter: true,
            },
            Some(include) => include.check(path),
        };
        if verdict.enter && !self.exclude.is_empty() {
            let excluded = self.exclude.check(path);
            verdict.wanted &= !excluded.matched;
            verdict.enter &= !excluded.matched || excluded.may_miss_below;
        }
        verdict
    }
}

impl Include {
    fn check(&self, path: &Path) -> Verdict {
        if !self.paths.is_empty() && path.ancestors().any(|wanted| self.paths.contains(wanted)) {
            return Verdict {
                wanted: true,
                enter: true,
            };
        }
        let found = self.patterns.check(path);
        // Paths are sorted by their components: what is below one follows it.
        let from = (Bound::Included(path), Bound::Unbounded);
        let leads_on = || {
            self.paths
                .range::<Path, _>(from)
                .next()
                .is_some_and(|wanted| wanted.starts_with(path))
        };
        // What is wanted counts as entered: an exclude list is only asked then.
        let enter = found.matched || found.may_match_below || leads_on();
        Verdict {
            wanted: found.matched,
            enter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        Filter::new(&list(include), &list(exclude)).unwrap()
    }

    fn wanted(filter: &Filter, path: &str) -> bool {
        filter.check(Path::new(path)).wanted
    }

    fn enter(filter: &Filter, path: &str) -> bool {
        filter.check(Path::new(path)).enter
    }

    #[test]
    fn everything() {
        let all = filter(&[], &[]);
        assert!(all.is_everything() && wanted(&all, "a/b"));
    }

    #[test]
    fn includes_and_excludes() {
        let one = filter(&["src/*.c", "doc"], &["**/x.c", "doc/old", "!doc/old/keep"]);
        for (path, expected) in [
            ("src/a.c", true),
            ("src/x.c", false),
            ("src", false),
            ("doc", true),
            ("doc/new/y", true),
            ("doc/old/y", false),
            ("doc/old/keep/z", true),
            ("other", false),
        ] {
            assert_eq!(wanted(&one, path), expected, "{path}");
        }
        assert!(enter(&one, "src") && enter(&one, "doc/old") && !enter(&one, "other"));
        assert!(!enter(&filter(&[], &["node_modules"]), "node_modules"));
    }

    #[test]
    fn literal_paths() {
        let mut one = filter(&["a*"], &["**/secret"]);
        one.include_paths([PathBuf::from("d/[x]")]);
        assert!(wanted(&one, "abc") && wanted(&one, "d/[x]/y") && enter(&one, "d"));
        assert!(!wanted(&one, "d/x") && !wanted(&one, "d/[x]/secret"));
        assert!(!wanted(&one, "d") && !enter(&one, "e") && !enter(&one, "d/a"));
        one.include_paths(["d", "d/a.b", "d.x"].map(PathBuf::from));
        assert!(wanted(&one, "d/x") && wanted(&one, "d.x/y") && !enter(&one, "d.y"));
        one.include_paths([PathBuf::new()]);
        assert!(wanted(&one, "anything") && !wanted(&one, "secret"));
    }

    #[test]
    fn ways() {
        let include = ["a/b/c", "d*/e", "!f/g"].map(str::to_owned);
        let one = Filter::new(&include, &[]).unwrap();
        assert!(!one.leads_through(Path::new("a")));
        let one = one.following(&include);
        assert!(one.leads_through(Path::new("a")) && one.leads_through(Path::new("a/b")));
        for other in ["a/b/c", "a/c", "d*", "f", "aa"] {
            assert!(!one.leads_through(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn bad_patterns() {
        assert!(Filter::new(&["[".to_owned()], &[]).is_err());
        assert!(Filter::new(&[], &["[".to_owned()]).is_err());
    }
}
