//! BuildKit's protobuf form of the graph (`pb.Definition`), in both directions, and the digests that follow from it.
//!
//! An op's bytes are those that BuildKit's own client makes: fields in the order of their numbers but the op itself last,
//! maps in the order of their keys. So a vertex's digest, the SHA-256 of these bytes, is BuildKit's. (Clients of
//! 2023 wrote the op itself in its place, and so had other digests for the same graph.) Knows nothing of gRPC, files or rules
//! (see [`validate`](crate::validate())).
//!
//! A definition survives the way there and back unchanged but for this:
//! - vertices with equal bytes become one;
//! - [`Metadata::resources`](crate::Metadata::resources) is left out, as this version of the messages has no field for it;
//! - `Some("")` becomes `None` in optional texts, and so do user and group 0 of an HTTP source and size 0 of a tmpfs;
//! - the name of a vertex is the description `llb.customname`, so a description with that key loses against the name;
//! - a read-only mount is never an output, and a git remote gets `https://` where it has no protocol;
//! - headers of an HTTP source are sorted, with lower-case names.
//!
//! From foreign definitions, what only hints at caching or sessions is left out (capabilities, content cache modes, result
//! ids, session and unique ids of local directories); what would change a result and has no place in the types is an error.

mod attributes;
mod decode;
mod decode_op;
mod encode;
mod encode_op;
mod message;

use crate::{Definition, Digest, Edge, PbError};

/// The description that holds the name of a vertex.
const CUSTOM_NAME: &str = "llb.customname";
/// An absent input, output, mode or time.
const ABSENT: i64 = -1;
/// The name of a build op's only input, and the default of its file name.
const DEFINITION_INPUT: &str = "buildkit.llb.definition";
/// The attribute with a build op's file name.
const DEFINITION_FILENAME: &str = "llbbuild.filename";

impl Definition {
    /// Digests every vertex: the SHA-256 of its marshalled `pb.Op`, which covers its inputs' digests.
    ///
    /// The graph MUST be valid; an edge to a vertex that is not an earlier one counts as one to nothing.
    pub fn digests(&self) -> Vec<Digest> {
        encode::ops(self).into_iter().map(|(digest, _)| digest).collect()
    }

    /// Marshals the graph as a `pb.Definition`, with an op at its end that names the roots and does nothing.
    pub fn to_pb(&self, roots: &[Edge]) -> Vec<u8> {
        encode::definition(self, roots)
    }

    /// Reads a marshalled `pb.Definition`, and the roots that its last op names.
    ///
    /// Checks only what it needs to read it: the result MUST be validated.
    pub fn from_pb(bytes: &[u8]) -> Result<(Self, Vec<Edge>), PbError> {
        decode::definition(bytes)
    }
}

#[cfg(test)]
mod buildkit_tests;
#[cfg(test)]
mod tests;
