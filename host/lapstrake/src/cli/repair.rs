//! Tells what the store found damaged, and does again what failed because of it.
//! Knows nothing of how damage is found or mended.

use std::io::Write;

use super::Failure;
use crate::engine::Engine;
use crate::options::{BuildFile, BuildOptions, Context};

/// What is damaged is removed when it is found, so that few attempts find all.
const ATTEMPTS: usize = 4;
/// A disk with less than this is full, bytes.
const FULL: u64 = 1 << 20;

/// Whether a build does the same when it is begun anew: not if it has read or written a stream.
pub(super) fn can_be_repeated(options: &BuildOptions) -> bool {
    options.compile.file != BuildFile::Stdin
        && options.compile.context != Context::Stdin
        && !super::convert::takes_stdout(options)
}

/// Works with an engine; begins anew, over a store that was opened anew, if it failed and damage was found meanwhile.
pub(super) fn until_sound<T>(
    open: impl Fn() -> Result<Engine, Failure>,
    work: impl Fn(&Engine) -> Result<T, Failure>,
    repeat: bool,
) -> Result<T, Failure> {
    let mut attempt = 1;
    loop {
        let engine = open()?;
        // What was found at the opening is mended.
        tell(&engine)?;
        let result = work(&engine);
        let found = tell(&engine)? || engine.store().is_damaged();
        match result {
            Err(Failure::Engine(_)) if found && repeat && attempt < ATTEMPTS => attempt += 1,
            Err(Failure::Engine(error)) => {
                tell_of_full_disk(&engine)?;
                return Err(Failure::Engine(error));
            }
            other => return other,
        }
    }
}

/// A command that found no room may not have said so.
fn tell_of_full_disk(engine: &Engine) -> Result<(), Failure> {
    let store = engine.store();
    if store.space().is_ok_and(|space| space.available < FULL) {
        writeln!(
            std::io::stderr(),
            "warning: the disk of {} is full",
            store.root().display()
        )?;
    }
    Ok(())
}

/// Tells what was found. Whether there was something.
fn tell(engine: &Engine) -> Result<bool, Failure> {
    let notices = engine.store().take_notices();
    for notice in &notices {
        writeln!(std::io::stderr(), "warning: {notice}")?;
    }
    Ok(!notices.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{CompileOptions, FrontendLimits};

    fn options(context: Context, file: BuildFile) -> BuildOptions {
        BuildOptions::compile_only(CompileOptions {
            context,
            file,
            target: None,
            build_args: vec![],
            named_contexts: vec![],
            labels: vec![],
            platforms: vec![],
            frontend_options: vec![],
            frontend: None,
            frontend_policy: None,
            lock: Default::default(),
            limits: FrontendLimits::default(),
            offline: false,
        })
    }

    #[test]
    fn what_reads_standard_input_is_done_once() {
        let again = |context, file| can_be_repeated(&options(context, file));
        let folder = || Context::Directory(".".into());
        assert!(again(folder(), BuildFile::Default));
        assert!(!again(folder(), BuildFile::Stdin));
        assert!(!again(Context::Stdin, BuildFile::Default));
        assert!(!again(Context::Stdin, BuildFile::Path("Other".into())));
    }
}
