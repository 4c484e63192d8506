//! All that a frontend can reach, as traits: the real host inside a component, a `testing::MemoryHost` in tests.
//! Knows nothing of either.

use std::rc::Rc;

use crate::types::*;

/// The host. There is no other way out of a frontend.
pub trait Host {
    /// Looks images up, all at the same time. The answers are in the order of the requests.
    fn resolve_image_configs(&self, requests: &[ImageRequest]) -> Vec<Result<ImageInfo, String>>;

    /// Solves a part of a build while the frontend runs; one tree for each root, in order.
    fn solve(&self, definition: &Definition, roots: &[Edge]) -> Result<Vec<Box<dyn Reference>>, SolveError>;

    /// Builds with another frontend, such as a build file that an earlier step made: its text is the request's first
    /// source. `frontend` is a reference as in a syntax line; none: the text's own syntax line says.
    fn build_file(&self, frontend: Option<&str>, request: &Request) -> Result<BuildResult, BuildError>;

    /// Shows a message to the person. Never changes a result.
    fn log(&self, level: LogLevel, message: &str);

    /// Shows how far something is that takes long. It is done when `current` is `total`.
    fn progress(&self, name: &str, current: u64, total: Option<u64>);

    /// Shows warnings with their source, while the frontend goes on.
    fn warn(&self, warnings: &Report);

    /// The same host, for those who have to keep it: it may be asked as long as the call to the frontend lasts.
    fn share(&self) -> Rc<dyn Host>;

    /// Looks one image up.
    fn resolve_image_config(&self, request: ImageRequest) -> Result<ImageInfo, String> {
        let mut answers = self.resolve_image_configs(&[request]);
        answers
            .pop()
            .unwrap_or_else(|| Err("the host did not answer".to_owned()))
    }
}

/// A solved tree, read only. Paths are absolute; symbolic links are followed inside the tree.
pub trait Reference {
    /// Reads a file, or a part of it: fewer bytes come back at its end.
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError>;

    /// Reads a whole file, which must be UTF-8.
    fn read_text(&self, path: &str) -> Result<String, FileError>;

    /// Lists a directory, sorted by name, bytewise. `pattern` is one of names, with `*` and `?`.
    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError>;

    /// Describes a file.
    fn stat(&self, path: &str) -> Result<FileInfo, FileError>;
}
