//! Slash-separated paths as text: the lexical cleaning of Go's `path.Clean`, which BuildKit's formats rely on.
//! Never looks at a file system.

/// Returns the shortest equal path: without `.`, empty components, and `..` where a name stands before it.
///
/// An empty result is `.`; a rooted path keeps its first slash and loses every `..` that would leave the root.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn cleans_as_go_does() {
        for (path, expected) in [
            ("", "."),
            (".", "."),
            ("./", "."),
            ("abc", "abc"),
            ("abc/", "abc"),
            ("abc//def", "abc/def"),
            ("./abc/./def", "abc/def"),
            ("abc/def/..", "abc"),
            ("abc/../..", ".."),
            ("../../abc", "../../abc"),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/../abc/", "/abc"),
            ("abc/../../def", "../def"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}
