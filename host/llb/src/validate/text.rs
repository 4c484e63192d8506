//! The forms of single texts and numbers: paths, digests, references, times.
//! Knows nothing of the ops that have them.

use super::Limits;
use crate::{Digest, Problem, Timestamp};

/// Checks the length of a text, and that it has no NUL.
pub(super) fn bounded(text: &str, limit: usize) -> Result<(), Problem> {
    if text.len() > limit {
        return Err(Problem::TooLong {
            length: text.len(),
            limit,
        });
    }
    if text.contains('\0') {
        return Err(Problem::Nul);
    }
    Ok(())
}

/// Checks a text that must be there.
pub(super) fn required(text: &str, limit: usize) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    bounded(text, limit)
}

/// A problem of form, with the text shortened.
pub(super) fn malformed(text: &str, expected: &'static str) -> Problem {
    const SHOWN: usize = 200;
    let mut text = text.to_owned();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    Problem::Malformed { text, expected }
}

/// What the end of a path may be beside a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Only a name.
    Name,
    /// Also a `/`, which says that it is a directory.
    Slash,
    /// Also a `/` or `/.`.
    SlashOrDot,
}

/// Checks an absolute path without empty, `.` and `..` components. `/` itself is good.
pub(super) fn absolute(path: &str, ending: Ending, limits: &Limits) -> Result<(), Problem> {
    let shown = || malformed_path(path);
    required(path, limits.path)?;
    let Some(mut inner) = path.strip_prefix('/') else {
        return Err(Problem::NotAbsolute { path: shown() });
    };
    if ending == Ending::SlashOrDot {
        inner = match inner {
            "." => "",
            _ => inner.strip_suffix("/.").unwrap_or(inner),
        };
    }
    if ending != Ending::Name {
        inner = inner.strip_suffix('/').unwrap_or(inner);
    }
    components(inner, path, limits)
}

/// Checks a path inside a tree: empty or `/` is all of it, a leading `/` means nothing.
pub(super) fn inside(path: &str, limits: &Limits) -> Result<(), Problem> {
    bounded(path, limits.path)?;
    let inner = path.strip_prefix('/').unwrap_or(path);
    components(inner.strip_suffix('/').unwrap_or(inner), path, limits)
}

fn components(inner: &str, path: &str, limits: &Limits) -> Result<(), Problem> {
    if inner.is_empty() {
        return Ok(());
    }
    for component in inner.split('/') {
        match component {
            ".." => {
                return Err(Problem::ParentComponent {
                    path: malformed_path(path),
                });
            }
            "" | "." => {
                return Err(Problem::Unclean {
                    path: malformed_path(path),
                });
            }
            _ if component.len() > limits.component => {
                return Err(Problem::LongComponent {
                    length: component.len(),
                    limit: limits.component,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn malformed_path(path: &str) -> String {
    path.chars().take(200).collect()
}

/// Checks a moment: within what signed 64-bit nanoseconds hold, and not the one that stands for no time (-1 ns).
pub(super) fn timestamp(time: &Option<Timestamp>) -> Result<(), Problem> {
    let Some(time) = time else { return Ok(()) };
    if time.nanoseconds >= 1_000_000_000 {
        return Err(Problem::OutOfRange {
            value: time.nanoseconds.into(),
            least: 0,
            most: 999_999_999,
        });
    }
    let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    if i64::try_from(total).is_err() || total == -1 {
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        return Err(Problem::OutOfRange {
            value: total,
            least,
            most,
        });
    }
    Ok(())
}

/// Checks permission bits.
pub(super) fn mode(bits: u32) -> Result<(), Problem> {
    at_most(bits.into(), 0o7777)
}

/// Checks a number from above.
pub(super) fn at_most(value: u64, most: u64) -> Result<(), Problem> {
    if value > most {
        return Err(Problem::OutOfRange {
            value: value.into(),
            least: 0,
            most: most.into(),
        });
    }
    Ok(())
}

/// Checks a content digest.
pub(super) fn digest(text: &str) -> Result<(), Problem> {
    match text.parse::<Digest>() {
        Ok(_) => Ok(()),
        Err(_) => Err(malformed(
            text,
            "a digest (sha256: and 64 lower-case hexadecimal digits)",
        )),
    }
}

/// Checks the hash of a git commit, whole or shortened to at least seven digits.
pub(super) fn commit(text: &str) -> Result<(), Problem> {
    let good = (7..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if good {
        Ok(())
    } else {
        Err(malformed(
            text,
            "a git commit (7 to 64 lower-case hexadecimal digits)",
        ))
    }
}

/// Checks a text without white space and control characters.
pub(super) fn word(text: &str, limit: usize, expected: &'static str) -> Result<(), Problem> {
    required(text, limit)?;
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(malformed(text, expected));
    }
    Ok(())
}

/// Checks a list of CPUs or memory nodes, such as `0-2,4`.
pub(super) fn cpu_list(text: &str) -> Result<(), Problem> {
    let number = |part: &str| !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
    let range = |part: &str| match part.split_once('-') {
        Some((low, high)) => number(low) && number(high),
        None => number(part),
    };
    if text.len() <= 4096 && text.split(',').all(range) {
        Ok(())
    } else {
        Err(malformed(text, "a list of numbers and ranges, such as 0-2,4"))
    }
}

/// Checks an image reference: `[host[:port]/]path[:tag][@digest]`, as the distribution project's grammar has it.
pub(super) fn image_reference(reference: &str, limit: usize) -> Result<(), Problem> {
    const EXPECTED: &str = "an image reference ([host[:port]/]path[:tag][@sha256:…])";
    word(reference, limit, EXPECTED)?;
    let error = || malformed(reference, EXPECTED);
    let (named, checksum) = match reference.split_once('@') {
        Some((named, checksum)) => (named, Some(checksum)),
        None => (reference, None),
    };
    if let Some(checksum) = checksum {
        digest(checksum)?;
    }
    let (host, rest) = match named.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':', '[']) || host == "localhost" => (Some(host), rest),
        _ => (None, named),
    };
    let host_byte = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
    if host.is_some_and(|host| !host.bytes().all(host_byte)) {
        return Err(error());
    }
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (rest, None),
    };
    let component = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = part.as_bytes();
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b);
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
    };
    let tag_good = |tag: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        (1..=128).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(inner)
    };
    if !path.split('/').all(component) || !tag.is_none_or(tag_good) {
        return Err(error());
    }
    Ok(())
}
