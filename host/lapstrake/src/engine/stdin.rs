//! Standard input as the context: an archive is unpacked into a directory that lives as long as the build, anything else is
//! the build file. Knows nothing of what is in it.

use std::borrow::Cow;
use std::io::{self, Read};

use lapstrake_store::archive::{self, Limits};
use lapstrake_store::{Store, TempDir, compress};

use crate::error::Error;
use crate::options::{BuildFile, BuildOptions, Context};

use super::build_file::{self, BuildFileError};
use super::remote::is_archive;

/// How much of it says whether it is an archive, bytes.
const HEAD: u64 = 512;

/// Options whose context is not standard input, and the directory that they may speak of.
pub(super) struct Taken<'a> {
    pub(super) options: Cow<'a, BuildOptions>,
    _directory: Option<TempDir>,
}

/// Reads standard input if it is the context.
///
/// # Errors
/// It is an archive that cannot be unpacked, or a build file beside another one.
pub(super) fn take<'a>(
    store: &Store,
    options: &'a BuildOptions,
    stdin: impl Read,
) -> Result<Taken<'a>, Error> {
    if options.compile.context != Context::Stdin {
        return Ok(Taken {
            options: Cow::Borrowed(options),
            _directory: None,
        });
    }
    let mut options = options.clone();
    let (head, whole) = look(stdin).map_err(|source| BuildFileError::Read {
        path: "-".into(),
        source,
    })?;
    let compile = &mut options.compile;
    let mut directory = None;
    if is_archive(&head) {
        let place = store.temp_dir()?;
        unpack(whole, place.path())?;
        compile.context = Context::Unpacked(place.path().to_owned());
        directory = Some(place);
    } else {
        if compile.file != BuildFile::Default {
            let place = "standard input".to_owned();
            return Err(BuildFileError::TwoBuildFiles { place }.into());
        }
        compile.context = Context::Empty;
        compile.file = BuildFile::Given(build_file::read(whole, "-".as_ref())?);
    }
    Ok(Taken {
        options: Cow::Owned(options),
        _directory: directory,
    })
}

fn look(mut stdin: impl Read) -> io::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::new();
    (&mut stdin).take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), io::Cursor::new(head).chain(stdin)))
}

fn unpack(from: impl Read, to: &std::path::Path) -> Result<(), BuildFileError> {
    let plain = compress::any_reader(from).map_err(|source| BuildFileError::Unpack {
        source: Box::new(source),
    })?;
    archive::unpack_files(plain, to, &Limits::default()).map_err(|source| BuildFileError::Unpack {
        source: Box::new(source),
    })?;
    Ok(())
}
