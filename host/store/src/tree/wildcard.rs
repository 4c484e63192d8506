//! Wildcards in the path of a copy or removal: components with Go's `path.Match` meaning, in the order of a sorted walk.
//! Knows nothing of include and exclude lists.

use std::path::{Component, Path, PathBuf};

use lapstrake_llb::patterns::Glob;

use super::{FileTree, Result};

/// What a path with wildcards leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// It has none: this path, whether anything is there or not. Links are not followed.
    Literal(PathBuf),
    /// What matches. Links are followed where they stand before the first wildcard.
    Matches(Vec<PathBuf>),
}

/// Whether a path has a wildcard that no backslash takes away.
pub fn has_wildcards(path: &str) -> bool {
    let mut characters = path.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// Finds what a path with wildcards matches.
pub fn expand<T: FileTree + ?Sized>(tree: &T, pattern: &str) -> Result<Expansion> {
    let mut base = PathBuf::new();
    let mut globs = Vec::new();
    for component in Path::new(pattern).components() {
        match component {
            // Literal: cleaned by whoever resolves it.
            Component::ParentDir if globs.is_empty() => base.push(".."),
            Component::ParentDir => drop(globs.pop()),
            Component::Normal(name) => {
                let glob = Glob::new(name.to_str().unwrap_or_default())?;
                match glob.literal() {
                    Some(literal) if globs.is_empty() => base.push(literal),
                    _ => globs.push(glob),
                }
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if globs.is_empty() {
        return Ok(Expansion::Literal(base));
    }
    let mut found = vec![tree.resolve(&base, true)?];
    for glob in &globs {
        let mut next = Vec::new();
        for dir in &found {
            if let Some(literal) = glob.literal() {
                let path = dir.join(literal);
                next.extend(tree.entry(&path)?.map(|_| path));
            } else if tree.entry(dir)?.is_some_and(|entry| entry.is_dir()) {
                let entries = tree.read_dir(dir)?;
                next.extend(
                    entries
                        .into_iter()
                        .filter(|e| glob.matches(e.name()))
                        .map(|e| e.path),
                );
            }
        }
        found = next;
    }
    Ok(Expansion::Matches(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{MemoryNode, MemoryTree};

    fn tree() -> MemoryTree {
        let mut tree = MemoryTree::default();
        for path in [
            "a/one.c",
            "a/two.c",
            "a/two.h",
            "b/one.c",
            "b/x/deep.c",
            "c[1].txt",
            "star*",
        ] {
            tree.insert(path, MemoryNode::file("x"));
        }
        tree.insert("link", MemoryNode::symlink("b"));
        tree
    }

    fn matches(pattern: &str) -> Vec<String> {
        match expand(&tree(), pattern).unwrap() {
            Expansion::Literal(path) => vec![format!("={}", path.display())],
            Expansion::Matches(found) => found.iter().map(|p| p.display().to_string()).collect(),
        }
    }

    #[test]
    fn expands() {
        for (pattern, expected) in [
            ("a/*.c", &["a/one.c", "a/two.c"][..]),
            ("*/one.c", &["a/one.c", "b/one.c"]),
            ("/?/*", &["a/one.c", "a/two.c", "a/two.h", "b/one.c", "b/x"]),
            ("a/o?e.[ch]", &["a/one.c"]),
            ("link/*.c", &["b/one.c"]),
            ("li*/*.c", &[]),
            ("c[[]1].txt", &["c[1].txt"]),
            ("none*", &[]),
            ("a/one.c", &["=a/one.c"]),
            ("star\\*", &["=star*"]),
            ("../a//./b/", &["=../a/b"]),
            ("", &["="]),
            ("*/x/../one.c", &["a/one.c", "b/one.c"]),
        ] {
            assert_eq!(matches(pattern), expected, "{pattern}");
        }
        assert!(expand(&tree(), "a/[").is_err());
    }

    #[test]
    fn finds_wildcards() {
        for (path, expected) in [
            ("a", false),
            ("a\\*", false),
            ("a*", true),
            ("[", true),
            ("a\\\\?", true),
            ("\\", false),
        ] {
            assert_eq!(has_wildcards(path), expected, "{path}");
        }
    }
}
