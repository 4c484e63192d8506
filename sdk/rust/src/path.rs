//! Slash-separated paths of trees, as plain text: Go's `path.Join` and `path.Clean` for absolute results.
//! Knows nothing of files; symbolic links are not seen.

/// Makes an absolute, clean path of a directory and a path that may be relative to it. `..` never leaves `/`.
///
/// ```
/// use lapstrake_sdk::path::join;
/// assert_eq!(join("/src", "a/../b/"), "/src/b");
/// assert_eq!(join("/src", "/etc//./passwd"), "/etc/passwd");
/// assert_eq!(join("", ".."), "/");
/// ```
pub fn join(dir: &str, path: &str) -> String {
    let dir = if path.starts_with('/') { "" } else { dir };
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = String::with_capacity(dir.len() + path.len() + 2);
    for part in parts {
        out.push('/');
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// Does as [`join`], but a path that names a directory by its end (`/`, `/.`, `.`, empty) keeps a `/` at its end.
///
/// ```
/// use lapstrake_sdk::path::join_keeping_slash;
/// assert_eq!(join_keeping_slash("/src", "a/"), "/src/a/");
/// assert_eq!(join_keeping_slash("/src", "."), "/src/");
/// assert_eq!(join_keeping_slash("/src", "a"), "/src/a");
/// ```
pub fn join_keeping_slash(dir: &str, path: &str) -> String {
    let mut out = join(dir, path);
    let is_dir = path.is_empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
    if is_dir && !out.ends_with('/') {
        out.push('/');
    }
    out
}
