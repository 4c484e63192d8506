//! `ADD`: as `COPY`, and files by HTTP and git beside. Knows nothing of how they are fetched.

use lapstrake_sdk::types::{CopyAction, GitSource, HttpSource, Op, SourceOp};

use crate::diagnostic::Diagnostics;
use crate::instructions::copy::Copy;
use crate::instructions::copy_plan::Plan;
use crate::lower::git::{self, GitRef};
use crate::lower::stage::Cx;
use crate::parse::Arguments;
use crate::syntax::flags::{Flags, Kind};
use crate::syntax::words::Word;

const FLAGS: [(&str, Kind); 7] = [
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("keep-git-dir", Kind::Bool),
    ("checksum", Kind::Text),
    ("unpack", Kind::Bool),
    ("exclude", Kind::List),
];

/// Reads the arguments.
pub fn parse(arguments: &mut Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Copy> {
    let flags = Flags::check("ADD", &arguments.flags, &FLAGS, &[], diagnostics);
    let copy = Copy::with_flags(arguments, &flags, diagnostics)?;
    Some(Copy {
        add: true,
        keep_git_dir: flags.bool("keep-git-dir"),
        checksum: flags.text("checksum"),
        unpack: flags.bool("unpack"),
        ..copy
    })
}

/// Describes the copy of a source that is not a path; the outer none: it is one.
pub fn remote(
    copy: &Copy,
    word: &Word,
    text: &str,
    plan: &Plan,
    cx: &mut Cx<'_>,
) -> Option<Option<CopyAction>> {
    let git = git::parse(text);
    let http = text.starts_with("http://") || text.starts_with("https://");
    if git.is_none() && !http {
        if let Some(checksum) = &copy.checksum {
            cx.error(
                "InvalidChecksum",
                checksum.span,
                "a path has no checksum",
                "remove --checksum",
            );
        }
        return None;
    }
    if !copy.add {
        let kind = if git.is_some() {
            "a git repository"
        } else {
            "an address"
        };
        cx.error(
            "RemoteSource",
            word.span,
            format!("COPY does not take {kind}"),
            "use ADD",
        );
        return Some(None);
    }
    if let Some(checksum) = &copy.checksum
        && copy.sources.len() > 1
    {
        cx.error(
            "InvalidChecksum",
            checksum.span,
            "--checksum is for one source",
            "use one ADD for each source",
        );
        return Some(None);
    }
    if let Some(checksum) = &copy.checksum
        && !is_checksum(&checksum.text, git.is_some())
    {
        let help = match git.is_some() {
            true => "a commit is 7 to 64 lower-case hexadecimal digits",
            false => "write sha256: and the 64 lower-case hexadecimal digits that sha256sum prints",
        };
        let problem = format!("`{}` is no checksum", checksum.text);
        cx.error("InvalidChecksum", checksum.span, problem, help);
        return Some(None);
    }
    Some(match git {
        Some(Ok(git)) => repository(copy, git, word, plan, cx),
        Some(Err(problem)) => {
            cx.error(
                "InvalidGitRef",
                word.span,
                problem,
                "write repository.git#ref:directory",
            );
            None
        }
        None => Some(download(copy, word, text, plan, cx)),
    })
}

/// Whether a text is the digest of a file, or of a commit, or the beginning of that.
fn is_checksum(text: &str, of_commit: bool) -> bool {
    let (digits, lengths) = match of_commit {
        true => (text, 7..=64),
        false => (text.strip_prefix("sha256:").unwrap_or_default(), 64..=64),
    };
    lengths.contains(&digits.len()) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A file by HTTP: mode 0600, not unpacked unless asked for.
fn download(copy: &Copy, word: &Word, url: &str, plan: &Plan, cx: &mut Cx<'_>) -> CopyAction {
    let filename = filename(url);
    let source = HttpSource {
        url: url.to_owned(),
        checksum: copy.checksum.as_ref().map(|word| word.text.clone()),
        filename: Some(filename.clone()),
        ..HttpSource::default()
    };
    let op = Op::Source(SourceOp::Http(source));
    let vertex = cx.vertex(op, None, plan.name.clone(), word.span);
    let edge = cx.vertices.add(vertex);
    CopyAction {
        src: edge.into(),
        src_path: format!("/{filename}"),
        unpack_archive: copy.unpack.unwrap_or(false),
        ..plan.action()
    }
}

fn repository(copy: &Copy, git: GitRef, word: &Word, plan: &Plan, cx: &mut Cx<'_>) -> Option<CopyAction> {
    if let (Some(flag), Some(query)) = (copy.keep_git_dir, git.keep_git_dir)
        && flag != query
    {
        let help = "say it once";
        cx.error(
            "InvalidGitRef",
            word.span,
            "--keep-git-dir and the address contradict each other",
            help,
        );
        return None;
    }
    let given = copy.checksum.as_ref().map(|word| word.text.clone());
    if let (Some(flag), Some(query)) = (&given, &git.checksum)
        && flag != query
    {
        let help = "say it once";
        cx.error(
            "InvalidChecksum",
            word.span,
            "--checksum and the address contradict each other",
            help,
        );
        return None;
    }
    let keep_git_dir = git.keep_git_dir.or(copy.keep_git_dir).unwrap_or(false);
    let checksum = git.checksum.clone().or(given);
    let source = GitSource {
        keep_git_dir,
        checksum,
        ..git.into_source()
    };
    let op = Op::Source(SourceOp::Git(source));
    let vertex = cx.vertex(op, None, plan.name.clone(), word.span);
    let edge = cx.vertices.add(vertex);
    Some(CopyAction {
        src: edge.into(),
        src_path: "/".to_owned(),
        ..plan.action()
    })
}

/// The last part of an address's path; one without any has a name of its own.
fn filename(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once('/').map_or("", |(_, path)| path);
    match path.trim_end_matches('/').rsplit('/').next().unwrap_or_default() {
        "" | "." | ".." => "__unnamed__".to_owned(),
        name => percent_decode(name),
    }
}

/// Undoes `%41`; what is no escape stays as it is.
fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|b| (*b as char).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) if high * 16 + low != u32::from(b'/') && high * 16 + low != 0 => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::filename;

    #[test]
    fn filenames() {
        assert_eq!(filename("https://example.com/a/b.tar?x=1#y"), "b.tar");
        assert_eq!(filename("https://example.com/a/"), "a");
        assert_eq!(filename("https://example.com"), "__unnamed__");
        assert_eq!(filename("https://example.com/?q"), "__unnamed__");
        assert_eq!(filename("https://example.com/a%20b"), "a b");
        assert_eq!(filename("https://example.com/a%2fb"), "a%2fb");
    }
}
