//! Reads the build file: where it is, what it is called, and that it is text.
//! Knows nothing of what it says.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lapstrake_llb::{Position, SourceFile, SourceRange};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::options::{BuildFile, Context};

/// Larger build files are refused, bytes.
const LARGEST: u64 = 64 << 20;
/// What a build file is called when nothing else is said.
pub const DEFAULT_NAME: &str = "Dockerfile";

/// Why there is no build file.
#[derive(Debug, thiserror::Error)]
pub enum BuildFileError {
    /// The context is not there.
    #[error("cannot use the context {}", path.display())]
    Context {
        /// The context.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not there.
    #[error("there is no build file {}: no such file", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("the build file {} is a directory", path.display())]
    Directory {
        /// Its path.
        path: PathBuf,
    },
    /// It is a pipe, a socket or a device.
    #[error("the build file {} is not a regular file", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the build file {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Standard input is an archive with the context, and cannot be unpacked.
    #[error("cannot unpack the context on standard input")]
    Unpack {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The context is a build file, and `--file` names another one.
    #[error("{place} is no archive, so it is the build file; --file names another one")]
    TwoBuildFiles {
        /// Where the context is.
        place: String,
    },
    /// The address of the context cannot be used.
    #[error("cannot use the address of the context")]
    Address {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is too large.
    #[error("the build file {} is larger than {} MiB", path.display(), LARGEST >> 20)]
    TooLarge {
        /// Its path.
        path: PathBuf,
    },
    /// It is not text.
    #[error("the build file is not text in UTF-8: byte 0x{byte:02x}")]
    NotUtf8 {
        /// What can be shown of it.
        file: Box<SourceFile>,
        /// Where it stops to be text.
        range: SourceRange,
        /// The byte that is not.
        byte: u8,
    },
}

/// A build file that was read.
#[derive(Debug)]
pub struct Loaded {
    /// Name and text.
    pub file: SourceFile,
    /// The name that frontends look for companions by (`<name>.dockerignore`): relative to the context where it is in
    /// it; none: it came on standard input.
    pub name: Option<String>,
    /// Its ignore file, where it is beside a build file outside of the context: there the frontend cannot find it.
    pub companion: Option<SourceFile>,
}

/// What is put behind a build file's name to get that of its own ignore file.
const IGNORE_SUFFIX: &str = ".dockerignore";

/// Reads the build file; `stdin` is read only where it is asked for.
///
/// # Errors
/// It is not there, not a file, too large, or not UTF-8.
pub fn load(file: &BuildFile, context: &Context, stdin: impl Read) -> Result<Loaded, BuildFileError> {
    if let Context::Directory(path) = context {
        let error = |source| BuildFileError::Context {
            path: path.clone(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(error)?;
        if !metadata.is_dir() {
            return Err(error(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
        }
    }
    let mut outside = false;
    let (path, name) = match (file, context) {
        (BuildFile::Given(bytes), _) => return nameless(bytes.clone()),
        (BuildFile::Stdin, _) => return nameless(read(stdin, Path::new("-"))?),
        (BuildFile::Default, Context::Directory(folder)) => {
            (folder.join(DEFAULT_NAME), DEFAULT_NAME.to_owned())
        }
        (BuildFile::Path(path), Context::Directory(folder)) => {
            let name = inside(path, folder);
            outside = name.is_none();
            (path.clone(), name.unwrap_or_else(|| file_name(path)))
        }
        (BuildFile::Path(path), _) => (path.clone(), file_name(path)),
        (BuildFile::Default, _) => (DEFAULT_NAME.into(), DEFAULT_NAME.to_owned()),
        (BuildFile::Url(url), _) => (url.into(), DEFAULT_NAME.to_owned()),
    };
    // What somebody names elsewhere may be a pipe, such as `-f <(...)`.
    let Some(open) = open(&path, outside)? else {
        return Err(BuildFileError::NotFound { path });
    };
    Ok(Loaded {
        file: text(read(open, &path)?, &name)?,
        companion: if outside { companion(&path, &name)? } else { None },
        name: Some(name),
    })
}

/// A build file whose text is not the disk's: an editor has it open.
///
/// # Errors
/// The ignore file beside it cannot be read.
pub fn given(file: &BuildFile, context: &Context, text: &str) -> Result<Loaded, BuildFileError> {
    let of = |name: &str| SourceFile {
        name: name.to_owned(),
        language: String::new(),
        text: text.to_owned(),
    };
    let BuildFile::Path(path) = file else {
        return Ok(Loaded {
            file: of(DEFAULT_NAME),
            name: None,
            companion: None,
        });
    };
    let name = match context {
        // It may not be saved yet.
        Context::Directory(folder) => {
            inside(path, folder).or_else(|| Some(path.strip_prefix(folder).ok()?.to_str()?.to_owned()))
        }
        _ => None,
    };
    let companion = match &name {
        Some(_) => None,
        None => companion(path, &file_name(path))?,
    };
    let name = name.unwrap_or_else(|| file_name(path));
    Ok(Loaded {
        file: of(&name),
        companion,
        name: Some(name),
    })
}

/// A build file without a place that companions could be beside.
fn nameless(bytes: Vec<u8>) -> Result<Loaded, BuildFileError> {
    Ok(Loaded {
        file: text(bytes, DEFAULT_NAME)?,
        name: None,
        companion: None,
    })
}

fn companion(build_file: &Path, name: &str) -> Result<Option<SourceFile>, BuildFileError> {
    let mut path = build_file.as_os_str().to_owned();
    path.push(IGNORE_SUFFIX);
    let path = PathBuf::from(path);
    match open(&path, false)? {
        Some(open) => Ok(Some(text(read(open, &path)?, &format!("{name}{IGNORE_SUFFIX}"))?)),
        None => Ok(None),
    }
}

/// Opens a file that is no directory, and a regular one where `pipes` are not asked for: opening it blocks never then.
/// None: it is not there.
fn open(path: &Path, pipes: bool) -> Result<Option<File>, BuildFileError> {
    let failed = |source| BuildFileError::Read {
        path: path.to_owned(),
        source,
    };
    let blocks = if pipes { OFlags::empty() } else { OFlags::NONBLOCK };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | blocks;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        // A socket, or a device without a driver.
        Err(Errno::NXIO | Errno::NODEV) => {
            return Err(BuildFileError::NotAFile {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(failed(error.into())),
    };
    let kind = file.metadata().map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(BuildFileError::Directory {
            path: path.to_owned(),
        });
    }
    if !pipes && !kind.is_file() {
        return Err(BuildFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    Ok(Some(file))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The path relative to the folder, where it is in it.
fn inside(path: &Path, folder: &Path) -> Option<String> {
    let (path, folder) = (path.canonicalize().ok()?, folder.canonicalize().ok()?);
    Some(path.strip_prefix(folder).ok()?.to_str()?.to_owned())
}

/// Reads all of a build file; `path` is for errors.
///
/// # Errors
/// It cannot be read, or is too large.
pub fn read(from: impl Read, path: &Path) -> Result<Vec<u8>, BuildFileError> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| BuildFileError::Read {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > LARGEST {
        return Err(BuildFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// The text of a build file.
///
/// # Errors
/// It is not UTF-8.
pub fn text(bytes: Vec<u8>, name: &str) -> Result<SourceFile, BuildFileError> {
    let source = |text| SourceFile {
        name: name.to_owned(),
        language: String::new(),
        text,
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(source(text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let line = bytes[..good].iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
            let column = good
                - bytes[..good]
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |at| at + 1);
            let start = Position {
                line,
                column: column as u32 + 1,
            };
            // One replacement character of three bytes stands for the bad byte in what is shown.
            let stop = Position {
                line,
                column: start.column + 3,
            };
            Err(BuildFileError::NotUtf8 {
                byte: bytes.get(good).copied().unwrap_or_default(),
                file: Box::new(source(String::from_utf8_lossy(&bytes).into_owned())),
                range: SourceRange { file: 0, start, stop },
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(folder: &tempfile::TempDir) -> Context {
        Context::Directory(folder.path().to_owned())
    }

    #[test]
    fn the_name_is_relative_to_the_context() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let path = folder.path().join("sub/Own");
        std::fs::write(&path, "FROM scratch").unwrap();
        let loaded = load(&BuildFile::Path(path), &context(&folder), std::io::empty()).unwrap();
        assert_eq!(loaded.name.as_deref(), Some("sub/Own"));
        assert_eq!(loaded.file.text, "FROM scratch");
    }

    #[test]
    fn an_ignore_file_beside_a_build_file_elsewhere_comes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let path = elsewhere.path().join("Own");
        std::fs::write(&path, "FROM scratch").unwrap();
        let load = || {
            load(
                &BuildFile::Path(path.clone()),
                &context(&folder),
                std::io::empty(),
            )
            .unwrap()
            .companion
        };
        assert_eq!(load(), None);
        std::fs::write(elsewhere.path().join("Own.dockerignore"), "x").unwrap();
        assert_eq!(load().unwrap().name, "Own.dockerignore");
    }

    #[test]
    fn standard_input() {
        let loaded = load(&BuildFile::Stdin, &Context::Empty, &b"FROM x"[..]).unwrap();
        assert_eq!((loaded.file.text.as_str(), loaded.name), ("FROM x", None));
    }

    #[test]
    fn what_is_not_there_not_a_file_or_not_text() {
        let folder = tempfile::tempdir().unwrap();
        let load = |file: &BuildFile| load(file, &context(&folder), std::io::empty());
        assert!(matches!(
            load(&BuildFile::Default),
            Err(BuildFileError::NotFound { .. })
        ));
        std::fs::write(folder.path().join("Dockerfile"), b"FROM x\nLABEL \xff\n").unwrap();
        match load(&BuildFile::Default) {
            Err(BuildFileError::NotUtf8 { range, byte, .. }) => {
                assert_eq!((range.start, byte), (Position { line: 2, column: 7 }, 0xff));
            }
            other => panic!("{other:?}"),
        }
        let path = folder.path().to_owned();
        assert!(matches!(
            load(&BuildFile::Path(path)),
            Err(BuildFileError::Directory { .. })
        ));
    }

    fn pipe(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    }

    #[test]
    fn a_pipe_in_the_context_is_not_waited_for_and_one_elsewhere_is_read() {
        let folder = tempfile::tempdir().unwrap();
        pipe(&folder.path().join("Dockerfile"));
        let load = |file: &BuildFile| load(file, &context(&folder), std::io::empty());
        for file in [
            BuildFile::Default,
            BuildFile::Path(folder.path().join("Dockerfile")),
        ] {
            assert!(matches!(load(&file), Err(BuildFileError::NotAFile { .. })));
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let path = elsewhere.path().join("Own");
        pipe(&path);
        let theirs = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(theirs, "FROM x"));
        assert_eq!(load(&BuildFile::Path(path.clone())).unwrap().file.text, "FROM x");
        writer.join().unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "FROM x").unwrap();
        pipe(&elsewhere.path().join("Own.dockerignore"));
        assert!(matches!(
            load(&BuildFile::Path(path)),
            Err(BuildFileError::NotAFile { .. })
        ));
    }
}
