//! Why something cannot be built as the build file describes it. Knows nothing of where in the file.

/// A definition that cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// A name that no store path may have.
    #[error("the name '{0}' cannot be part of a store path")]
    BadName(String),
    /// A hash function that others can make equal hashes of.
    #[error("{0} proves nothing any more, and is not checked here")]
    WeakHash(&'static str),
    /// A store path that no primitive made.
    #[error("nothing in this build makes the store path '{0}'")]
    UnknownPath(String),
    /// A derivation without this output.
    #[error("the derivation '{derivation}' has no output '{output}'")]
    UnknownOutput {
        /// Its path.
        derivation: String,
        /// What was asked for.
        output: String,
    },
    /// A builder that has no files to run from.
    #[error("the builder '{builder}' of '{name}' is not a store path, and there is no image to find it in")]
    NoImage {
        /// Name of the derivation.
        name: String,
        /// Its builder.
        builder: String,
    },
    /// A system that is no platform.
    #[error("'{system}', the system of '{name}', is none that images have")]
    UnknownSystem {
        /// Name of the derivation.
        name: String,
        /// Its system.
        system: String,
    },
    /// An image that cannot be looked up.
    #[error("cannot resolve the image {reference}: {message}")]
    Image {
        /// Its reference.
        reference: String,
        /// Why.
        message: String,
    },
    /// Something that has to be built to know how to go on, and cannot be.
    #[error("cannot build '{path}': {message}")]
    Solve {
        /// Its store path.
        path: String,
        /// Why.
        message: String,
    },
    /// A built file that cannot be read.
    #[error("cannot read '{path}': {message}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        message: String,
    },
    /// What was fetched or built is not what its hash says.
    #[error("hash mismatch of '{path}': it should have {expected} and has {found}")]
    Mismatch {
        /// Its store path.
        path: String,
        /// The hash that the build file names.
        expected: String,
        /// The hash of what there is.
        found: String,
    },
    /// An image that is used where a store path is needed, or the other way around.
    #[error("'{path}' is {found}, where {expected} is needed")]
    Kind {
        /// Its store path.
        path: String,
        /// What it is.
        found: &'static str,
        /// What is needed.
        expected: &'static str,
    },
    /// A word of an image's configuration that has no meaning.
    #[error("the image '{image}' cannot have this: {message}")]
    Config {
        /// Its name.
        image: String,
        /// What is wrong.
        message: String,
    },
}

impl LowerError {
    /// What to do, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::BadName(_) => {
                "letters, digits and +-._?= may be in it, at most 211 of them, and it starts with no dot"
            }
            Self::WeakHash(_) => "use sha256 or sha512",
            Self::UnknownPath(_) => {
                "nothing is there before a build: name files by paths (./file), and images by `image \"name\"`"
            }
            Self::NoImage { .. } => {
                "give the derivation `image = image \"debian:12\";`, or a builder such as \"${busybox}/bin/sh\""
            }
            Self::UnknownSystem { .. } => "use builtins.currentSystem, such as x86_64-linux",
            Self::Mismatch { .. } => {
                "if what is there now is what you want, write its hash into the build file"
            }
            _ => return None,
        })
    }
}
