//! Paths as text. Knows nothing of files.

/// Makes a path absolute and plain: no `.`, no `..`, no empty parts, no slash at its end.
pub fn canonical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The directory that holds a path: everything before its last slash, as `builtins.dirOf` has it.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(slash) => &path[..slash],
        None => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(canonical("/a/./b/../c//"), "/a/c");
        assert_eq!(canonical("/../.."), "/");
        assert_eq!(parent("/a"), "/");
        assert_eq!(parent("/a/b"), "/a");
        assert_eq!(parent("a"), ".");
    }
}
