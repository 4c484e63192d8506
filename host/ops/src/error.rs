//! What can go wrong in the worker. Longer than most files because it is a list.
//! Knows nothing of vertices, build files or exit codes.

use std::io;
use std::path::PathBuf;

use lapstrake_llb::{Digest, ParseDigestError};
use lapstrake_store::LayerId;
use lapstrake_store::tree::TreeError;

use crate::cdi::CdiError;
use crate::exec::{ExecError, Exit};
use crate::file::FileError;
use crate::source::credentials::CredentialOrigin;
use crate::source::git::GitError;
use crate::source::http::HttpError;
use crate::source::local::LocalError;
use crate::worker::NestedError;

/// What can go wrong in the worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody wants the result any more.
    #[error("cancelled")]
    Cancelled,

    // Ops.
    /// An op that this version does not have.
    #[error("{op} ops are not supported by this version")]
    Unsupported {
        /// Which kind.
        op: &'static str,
    },
    /// An op needs an entitlement that the build has not.
    #[error("the build is not allowed {entitlement}")]
    NotAllowed {
        /// Which one.
        entitlement: &'static str,
    },
    /// The build has no local directory of a name.
    #[error("the build has no local directory called {name:?}")]
    NoSuchContext {
        /// The name.
        name: String,
    },
    /// A tree cannot be read or copied.
    #[error("cannot read the input")]
    ReadTree(#[source] TreeError),
    /// A local directory cannot be read.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A file by HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A git repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A layer cannot be written.
    #[error("cannot write a layer")]
    WriteLayer(#[source] TreeError),
    /// A build op.
    #[error(transparent)]
    Nested(#[from] NestedError),
    /// File changes.
    #[error(transparent)]
    File(#[from] FileError),

    // Commands.
    /// A command has no tree as its root.
    #[error("the command has no root file system")]
    NoRoot,
    /// A container cannot be made or run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A command ended with a code that is not good.
    #[error("process {command:?} did not complete successfully: {}", ending(exit, *out_of_memory, *memory_limit))]
    Command {
        /// Program and arguments.
        command: String,
        /// How it ended.
        exit: Exit,
        /// Whether the kernel killed it because of its memory limit.
        out_of_memory: bool,
        /// The limit in bytes, if there is one.
        memory_limit: Option<u64>,
    },
    /// A device that is required is not there.
    #[error("there is no CDI device {name:?}")]
    NoDevice {
        /// Its name.
        name: String,
    },
    /// Devices cannot be looked up.
    #[error("cannot look up devices")]
    Devices(#[from] CdiError),
    /// A secret is not there.
    #[error("the build has no secret {id:?}")]
    NoSecret {
        /// Its id.
        id: String,
    },
    /// A secret or agent is there and cannot be used.
    #[error("cannot read the secret {id:?}")]
    ReadSecret {
        /// Its id.
        id: String,
        /// Why not.
        source: io::Error,
    },
    /// A secret is to be a variable, and is not UTF-8.
    #[error("the secret {id:?} is not text, so it cannot be an environment variable")]
    SecretNotText {
        /// Its id.
        id: String,
    },
    /// An SSH agent is not there.
    #[error("the build has no SSH agent {id:?}")]
    NoSshAgent {
        /// Its id.
        id: String,
    },
    /// The directory of a cache mount cannot be used.
    #[error("cannot use the cache directory {path:?}")]
    CacheMount {
        /// The directory or its lock.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    // References and documents.
    /// A text is no image reference.
    #[error("{reference:?} is not an image reference")]
    BadReference {
        /// The text.
        reference: String,
        /// Why not.
        source: oci_client::ParseError,
    },
    /// A digest is of another algorithm than SHA-256, or none.
    #[error("{image} names content in a way that is not supported")]
    UnsupportedDigest {
        /// Which image.
        image: String,
        /// The digest.
        source: ParseDigestError,
    },
    /// A manifest or index is not JSON of that form.
    #[error("the manifest of {image} cannot be read")]
    BadManifest {
        /// Which image.
        image: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// An image configuration is not JSON of that form.
    #[error("the configuration of {image} cannot be read")]
    BadConfig {
        /// Which image.
        image: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// An image configuration has a time that is none.
    #[error("the configuration of {image} has the time {text:?}")]
    BadTime {
        /// Which image.
        image: String,
        /// The text.
        text: String,
        /// Why it is no time.
        source: jiff::Error,
    },
    /// Configuration and manifest do not belong together.
    #[error("{image} has {layers} layers, and its configuration speaks of {diff_ids}")]
    LayerCount {
        /// Which image.
        image: String,
        /// Layers of the manifest.
        layers: usize,
        /// Layers of the configuration.
        diff_ids: usize,
    },
    /// Indexes name each other without end.
    #[error("{image} is an index of indexes, too many levels deep")]
    NestedIndex {
        /// Which image.
        image: String,
    },
    /// Docker's first manifest format.
    #[error("{image} is an image of schema version 1, which is no longer supported")]
    Schema1 {
        /// Which image.
        image: String,
    },
    /// A layer that registries do not give away.
    #[error("layer {digest} of {image} may not be distributed, so it is not in the registry")]
    ForeignLayer {
        /// Which image.
        image: String,
        /// The layer.
        digest: Digest,
    },
    /// Something else than a container image.
    #[error("{image} is not a container image: it has the media type {media_type:?}")]
    NotAnImage {
        /// Which one.
        image: String,
        /// Its media type, or that of its configuration or of a layer.
        media_type: String,
    },
    /// Something else than a WebAssembly component.
    #[error("{reference} is not a WebAssembly component in a registry: it is {found}")]
    NotAComponent {
        /// Which one.
        reference: String,
        /// What it is.
        found: String,
    },
    /// An index has no image for a platform.
    #[error("{image} has no image for {platform}, only for {}", list(available))]
    NoPlatform {
        /// Which image.
        image: String,
        /// The platform that was wanted.
        platform: String,
        /// The platforms that there are.
        available: Vec<String>,
    },
    /// A single image is for another platform.
    #[error("{image} is for {found}, not for {platform}")]
    WrongPlatform {
        /// Which image.
        image: String,
        /// The platform that was wanted.
        platform: String,
        /// The platform that it is for.
        found: String,
    },
    /// The digest that a build demands is not the one there is.
    #[error("{image} must have the digest {expected}, and has {actual}")]
    ChecksumMismatch {
        /// Which image.
        image: String,
        /// What the build says.
        expected: String,
        /// What it is.
        actual: Digest,
    },
    /// Content is not what its name says.
    #[error("digest mismatch: {digest} from {origin} has the content of {actual}")]
    DigestMismatch {
        /// What it is called.
        digest: Digest,
        /// What it is.
        actual: Digest,
        /// The registry or the file.
        origin: String,
    },
    /// Content is longer or shorter than its descriptor says.
    #[error("blob {digest} from {origin} has not the {expected} bytes that its descriptor says")]
    BlobSize {
        /// Which blob.
        digest: Digest,
        /// The registry or the file.
        origin: String,
        /// What the descriptor says.
        expected: u64,
    },
    /// A document is longer than any sensible one.
    #[error("{digest} from {origin} is longer than {limit} bytes")]
    TooLarge {
        /// Which one.
        digest: Digest,
        /// The registry or the file.
        origin: String,
        /// What is allowed.
        limit: u64,
    },

    // Registries.
    /// No answer at all.
    #[error("registry {host} cannot be reached for {what}")]
    Unreachable {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke again and again.
    #[error("registry {host} broke off while it sent {what}")]
    Interrupted {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// How.
        source: io::Error,
    },
    /// The registry, or its token service, does not take the credentials.
    #[error("registry {host} does not give {what} for {credentials}{}", tail(message))]
    Unauthorized {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// Where the credentials come from.
        credentials: Box<CredentialOrigin>,
        /// What the registry says.
        message: String,
    },
    /// The registry wants credentials, and there are none.
    #[error(
        "registry {host} does not give {what} without credentials (docker login {host}), or does not have it{}",
        tail(message)
    )]
    CredentialsNeeded {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What the registry says.
        message: String,
    },
    /// The registry does not have it.
    #[error("{what} is not found in registry {host}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// The registry.
        host: String,
    },
    /// Too many requests.
    #[error(
        "registry {host} limits the rate of requests, and does not give {what}{}",
        tail(message)
    )]
    RateLimited {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What the registry says.
        message: String,
    },
    /// An HTTP status that says no more.
    #[error("registry {host} answers {code} for {what}{}", tail(message))]
    RegistryStatus {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        code: u16,
        /// What the registry says.
        message: String,
    },
    /// An error of the distribution specification that has no variant of its own here.
    #[error("registry {host} does not give {what}{}", tail(message))]
    RegistryRefused {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What the registry says.
        message: String,
    },
    /// The registry sends something else than its own headers say.
    #[error("registry {host} sends something else than {what}")]
    WrongContent {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer outside of the distribution specification.
    #[error("registry {host} gives an answer for {what} that makes no sense")]
    RegistryProtocol {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread for connections could not be started.
    #[error("the thread for registry connections cannot be started")]
    StartRegistryThread {
        /// Why not.
        source: io::Error,
    },
    /// A client could not be made, most likely because of a certificate.
    #[error("connections to registry {host} cannot be set up")]
    ConnectionSetup {
        /// The registry.
        host: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This machine trusts nobody.
    #[error("this machine has no certificates of authorities, so no registry can be asked")]
    NoSystemCertificates,
    /// A certificate file cannot be read.
    #[error("cannot read the certificate file {path:?}")]
    ReadCertificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A certificate file has no certificate.
    #[error("the certificate file {path:?} has no PEM certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Something is needed from a registry or another server, and none may be asked.
    #[error("{what} is not in the store, and the build is offline")]
    Offline {
        /// What is needed.
        what: String,
    },

    // Credentials.
    /// The file cannot be read.
    #[error("cannot read the credentials in {path:?}")]
    ReadCredentialFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not JSON of that form.
    #[error("the credentials in {path:?} are not in Docker's format")]
    BadCredentialFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// One entry cannot be decoded.
    #[error("the credentials for {host} in {path:?} cannot be decoded")]
    BadCredential {
        /// The registry.
        host: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: docker_credential::CredentialRetrievalError,
    },
    /// A helper's name is a path.
    #[error("{name:?} in {config:?} is not the name of a credential helper")]
    CredentialHelperName {
        /// The name.
        name: String,
        /// The file that has it.
        config: PathBuf,
    },
    /// A helper cannot be started.
    #[error("cannot run {program}, which {config:?} names")]
    StartCredentialHelper {
        /// The program.
        program: String,
        /// The file that names it.
        config: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A helper gives no credentials.
    #[error("{program} gives no credentials for {server}: {message}")]
    CredentialHelper {
        /// The program.
        program: String,
        /// The registry, as the program knows it.
        server: String,
        /// What it says.
        message: String,
    },

    // OCI layouts.
    /// The build has no layout of a name.
    #[error("the build has no OCI layout called {name:?}")]
    NoSuchLayout {
        /// The name.
        name: String,
    },
    /// A layout cannot be opened.
    #[error("cannot open the OCI layout {path:?}")]
    OpenLayout {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A directory or file is no layout.
    #[error("{path:?} is not an OCI layout")]
    NotALayout {
        /// The directory or file.
        path: PathBuf,
    },
    /// An archive of a layout is compressed: nothing in it could be found without reading all.
    #[error("the OCI layout {path:?} is a compressed archive; decompress it first")]
    CompressedLayout {
        /// The archive.
        path: PathBuf,
    },
    /// A file of a layout cannot be read.
    #[error("cannot read {path:?}")]
    ReadLayout {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A symlink leads out of a layout.
    #[error("{path:?} leads out of its OCI layout")]
    LayoutEscape {
        /// The file.
        path: PathBuf,
    },
    /// A layout lacks something that it speaks of.
    #[error("blob {digest} is not in the OCI layout {path:?}")]
    MissingLayoutBlob {
        /// The blob.
        digest: Digest,
        /// The layout.
        path: PathBuf,
    },
    /// A layout has no image of a name.
    #[error("there is no image {image}, only {}", list(available))]
    NotInLayout {
        /// What was asked for.
        image: String,
        /// What there is.
        available: Vec<String>,
    },
    /// A layout has several images, and none was named.
    #[error("there is more than one image {image}: name one of {}", list(available))]
    AmbiguousInLayout {
        /// What was asked for.
        image: String,
        /// What there is.
        available: Vec<String>,
    },

    // Layers.
    /// Where layers come from cannot be written down: a path that is not UTF-8.
    #[error("the place of {image} cannot be noted in the store")]
    LayerOrigin {
        /// Which image.
        image: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A layer's files are not here, and nobody knows where they could come from.
    #[error("layer {layer} has no archive that could be fetched")]
    NoArchive {
        /// The layer.
        layer: LayerId,
    },
    /// A blob cannot be written into the store.
    #[error("cannot write blob {digest}")]
    WriteBlob {
        /// The blob.
        digest: Digest,
        /// Why not.
        source: io::Error,
    },
    /// The archive of a layer cannot be decompressed or read.
    #[error("cannot read layer archive {digest}")]
    ReadArchive {
        /// The archive.
        digest: Digest,
        /// Why not.
        source: io::Error,
    },
    /// The archive of a layer cannot be unpacked.
    #[error("cannot unpack layer archive {digest}")]
    Unpack {
        /// The archive.
        digest: Digest,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The archive is whole, but its content is not what the image's configuration says.
    #[error("layer archive {digest} unpacks to {actual}, and its image says {expected}")]
    DiffIdMismatch {
        /// The archive.
        digest: Digest,
        /// What the image says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A lock between processes cannot be had.
    #[error("cannot lock {path:?}")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The store.
    #[error(transparent)]
    Store(#[from] lapstrake_store::Error),
}

/// A result of the worker.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether it is about one registry's answer, so that another host may do better.
    pub(crate) fn is_of_registry(&self) -> bool {
        use Error::*;
        matches!(
            self,
            Unreachable { .. }
                | Interrupted { .. }
                | Unauthorized { .. }
                | CredentialsNeeded { .. }
                | NotFound { .. }
                | RateLimited { .. }
                | RegistryStatus { .. }
                | RegistryRefused { .. }
                | WrongContent { .. }
                | RegistryProtocol { .. }
                | DigestMismatch { .. }
                | BlobSize { .. }
        )
    }
}

fn ending(exit: &Exit, out_of_memory: bool, limit: Option<u64>) -> String {
    let memory = match (out_of_memory, limit) {
        (false, _) => String::new(),
        (true, None) => "; killed: out of memory".to_owned(),
        (true, Some(bytes)) => format!("; killed: out of memory (limit {})", size(bytes)),
    };
    match exit {
        Exit::Code(code) => format!("exit code: {code}{memory}"),
        Exit::Signal(signal) => format!("killed by signal {signal}{memory}"),
    }
}

/// Bytes in the largest unit that they are a whole number of.
fn size(bytes: u64) -> String {
    [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1u64 << shift))
        .map_or(format!("{bytes} bytes"), |(unit, shift)| {
            format!("{} {unit}", bytes >> shift)
        })
}

fn list(items: &[String]) -> String {
    match items {
        [] => "nothing".to_owned(),
        _ => items.join(", "),
    }
}

/// A message after a colon, nothing if there is none.
fn tail(message: &str) -> String {
    match message {
        "" => String::new(),
        _ => format!(": {message}"),
    }
}
