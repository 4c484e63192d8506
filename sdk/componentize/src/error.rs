//! What can go wrong on the way from a module to a component. Knows nothing of how it is shown.

use std::path::PathBuf;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The words of the command line are wrong.
    #[error("usage: lapstrake-componentize MODULE.wasm COMPONENT.wasm")]
    Usage,
    /// The module cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The module.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The component cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The component.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The module cannot be wrapped.
    #[error("cannot make a component of {path}")]
    Encode {
        /// The module.
        path: PathBuf,
        /// Why, with all its causes in one line, as the encoder's error is no `std::error::Error`.
        source: EncodeError,
    },
    /// The component would need more than a host gives.
    #[error("{path} imports {import:?}; a frontend may import nothing but lapstrake:frontend/*")]
    Import {
        /// The module.
        path: PathBuf,
        /// What it imports.
        import: String,
    },
    /// The component is no frontend.
    #[error("{path} does not export lapstrake:frontend/frontend: does the crate call `register!`?")]
    NoFrontend {
        /// The module.
        path: PathBuf,
    },
}

/// What the encoder says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(pub String);
