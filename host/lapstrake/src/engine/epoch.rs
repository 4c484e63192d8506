//! `SOURCE_DATE_EPOCH=context`: the time of the main context, as the number that frontends and exporters know. It is that
//! of the commit, or that of the archive: what its server says, else the newest of its files.
//! Knows nothing of how a context is fetched, nor of what the number is for.

use std::borrow::Cow;
use std::path::Path;

use lapstrake_store::tree::FileTree;

use crate::error::Error;
use crate::options::{BuildOptions, Context};

use super::build::Build;
use super::remote;

const ARGUMENT: &str = "SOURCE_DATE_EPOCH";
/// What the argument says where the time is the context's.
const CONTEXT: &str = "context";

/// Replaces the argument by a number. Where the context has no time, as a directory of this machine, it is as if nobody had
/// set the argument.
pub(super) fn resolve<'a>(build: &Build, options: &'a BuildOptions) -> Result<Cow<'a, BuildOptions>, Error> {
    let is_asked = |(name, value): &(String, String)| name == ARGUMENT && value == CONTEXT;
    let arguments = &options.compile.build_args;
    if !arguments
        .iter()
        .rfind(|(name, _)| name == ARGUMENT)
        .is_some_and(is_asked)
    {
        return Ok(Cow::Borrowed(options));
    }
    let seconds = match &options.compile.context {
        Context::Git(address) => newest(&*remote::git(build, address)?)?,
        Context::Http(url) => archive(build, url)?,
        Context::Directory(_) | Context::Unpacked(_) | Context::Empty | Context::Stdin => None,
    };
    let mut options = options.clone();
    let arguments = &mut options.compile.build_args;
    arguments.retain(|(name, _)| name != ARGUMENT);
    arguments.extend(seconds.map(|seconds| (ARGUMENT.to_owned(), seconds.to_string())));
    Ok(Cow::Owned(options))
}

fn archive(build: &Build, url: &str) -> Result<Option<i64>, Error> {
    let file = remote::http(build, url)?;
    let said = newest(&*file)?.filter(|seconds| *seconds > 0);
    match said {
        Some(seconds) => Ok(Some(seconds)),
        None if remote::is_archive(&remote::head(&*file, url)?) => newest(&*remote::unpacked(build, url)?),
        None => Ok(None),
    }
}

/// The time of the newest regular file.
fn newest(tree: &dyn FileTree) -> Result<Option<i64>, Error> {
    let failed = |source| Error::Worker(lapstrake_ops::Error::ReadTree(source));
    let mut newest = None;
    let mut folders = vec![Path::new("").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in tree.read_dir(&folder).map_err(failed)? {
            if entry.is_dir() {
                folders.push(entry.path);
            } else if entry.is_file() {
                newest = newest.max(Some(entry.mtime.seconds));
            }
        }
    }
    Ok(newest)
}
