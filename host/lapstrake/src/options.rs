//! What a build is asked to do, with words turned into types. Made by the command line; a daemon would make the same.
//! Reads nothing but the environment variables that the words name.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use lapstrake_llb::Platform;

use crate::git_address;
use crate::spec::{Output, Secret, SpecError, Ssh};
use crate::trust::FrontendPolicy;

/// Where the files of a build are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// In a directory.
    Directory(PathBuf),
    /// Nowhere: the build file came on standard input.
    Empty,
    /// On standard input: an archive, or else the build file and no files.
    Stdin,
    /// In a directory that the archive on standard input was unpacked into. Its links are a stranger's: they are
    /// followed inside of it only, and the build file's path starts at it.
    Unpacked(PathBuf),
    /// In a git repository.
    Git(String),
    /// By HTTP: an archive, or else the build file and no other files.
    Http(String),
}

/// Where the build file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildFile {
    /// At the default place in the context.
    Default,
    /// In this file.
    Path(PathBuf),
    /// On standard input.
    Stdin,
    /// Read from standard input already.
    Given(Vec<u8>),
    /// By HTTP.
    Url(String),
}

/// Where a named context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedSource {
    /// In a directory.
    Directory(PathBuf),
    /// In an image of a registry.
    Image(String),
    /// In an image of an OCI image layout.
    OciLayout {
        /// The layout's directory.
        path: PathBuf,
        /// Its tag.
        tag: Option<String>,
        /// Its digest.
        digest: Option<String>,
    },
    /// In a git repository.
    Git(String),
    /// By HTTP.
    Http(String),
    /// In another target of the same build file.
    Target(String),
}

/// Limits of a frontend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrontendLimits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Wasm instructions, about.
    pub fuel: Option<u64>,
    /// Wall-clock time.
    pub timeout: Option<Duration>,
    /// Bytes of one answer.
    pub output: Option<usize>,
}

/// What a lock file is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LockUse {
    /// What is in it is as it was; what is not is looked for.
    #[default]
    Pins,
    /// It MUST be there, and everything in it.
    Required,
    /// Nothing: it is written.
    Ignored,
}

/// What a frontend is asked for, and all that its answer depends on.
#[derive(Debug, Clone)]
pub struct CompileOptions {
    /// Where the files are.
    pub context: Context,
    /// Where the build file is.
    pub file: BuildFile,
    /// Stage or target.
    pub target: Option<String>,
    /// Build arguments.
    pub build_args: Vec<(String, String)>,
    /// Named contexts.
    pub named_contexts: Vec<(String, NamedSource)>,
    /// Labels of the image.
    pub labels: Vec<(String, String)>,
    /// Platforms; empty: this machine's.
    pub platforms: Vec<Platform>,
    /// All else, in BuildKit's words for frontend options.
    pub frontend_options: Vec<(String, String)>,
    /// Nobody is asked over the network; what is not in the store is missing.
    pub offline: bool,
    /// Frontend instead of the syntax line's.
    pub frontend: Option<String>,
    /// What the lock file beside the build file is for.
    pub lock: LockUse,
    /// Which frontends may run; none: as the engine's options say.
    pub frontend_policy: Option<FrontendPolicy>,
    /// Limits of the frontend.
    pub limits: FrontendLimits,
}

/// A whole build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// What the frontend is asked for.
    pub compile: CompileOptions,
    /// Names of the image.
    pub tags: Vec<String>,
    /// Annotations of the manifests.
    pub annotations: Vec<(String, String)>,
    /// What to write.
    pub outputs: Vec<Output>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// SSH agents, with the socket or the keys of each.
    pub ssh: Vec<Ssh>,
    /// What the build may do beside the usual.
    pub entitlements: BTreeSet<Entitlement>,
    /// Steps that run at once.
    pub jobs: usize,
    /// Time that a step may take.
    pub step_timeout: Option<Duration>,
}

impl BuildOptions {
    /// Options of a build that writes nothing: for whoever only compiles.
    pub fn compile_only(compile: CompileOptions) -> Self {
        Self {
            compile,
            tags: Vec::new(),
            annotations: Vec::new(),
            outputs: Vec::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            entitlements: BTreeSet::new(),
            jobs: 1,
            step_timeout: None,
        }
    }
}

/// What a build may do only when it is allowed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// Commands on the machine's network.
    NetworkHost,
    /// Commands without a sandbox.
    SecurityInsecure,
    /// CDI devices; none: all.
    Device(Option<String>),
}

/// Reads an `--allow`.
///
/// # Errors
/// An entitlement that is not known.
pub fn entitlement(text: &str) -> Result<Entitlement, SpecError> {
    match text {
        "network.host" => Ok(Entitlement::NetworkHost),
        "security.insecure" => Ok(Entitlement::SecurityInsecure),
        "device" => Ok(Entitlement::Device(None)),
        _ => match text.strip_prefix("device=").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Entitlement::Device(Some(name.to_owned()))),
            None => Err(SpecError(format!(
                "{text:?} is not an entitlement; it is network.host, security.insecure, device or device=NAME"
            ))),
        },
    }
}

/// Reads the context's word.
///
/// # Errors
/// An address of a repository that says what has no meaning.
pub fn context(text: &str) -> Result<Context, SpecError> {
    if text == "-" {
        return Ok(Context::Stdin);
    }
    Ok(match remote(text)? {
        Some(NamedSource::Git(address)) => Context::Git(address),
        Some(NamedSource::Http(address)) => Context::Http(address),
        _ => Context::Directory(text.into()),
    })
}

/// A source elsewhere. None: it is a path.
fn remote(text: &str) -> Result<Option<NamedSource>, SpecError> {
    if let Some(address) = git_address::normalise(text) {
        git_address::parse(&address).map_err(|problem| SpecError(format!("{text}: {problem}")))?;
        return Ok(Some(NamedSource::Git(address)));
    }
    let http = text.starts_with("http://") || text.starts_with("https://");
    Ok(http.then(|| NamedSource::Http(text.to_owned())))
}

/// Reads the word for the build file.
///
/// # Errors
/// Context and build file both on standard input.
pub fn build_file(text: Option<&str>, context: &Context) -> Result<BuildFile, SpecError> {
    match text {
        Some("-") if *context == Context::Stdin => Err(SpecError(
            "standard input is the context already; the build file is named by its path in it".to_owned(),
        )),
        Some("-") => Ok(BuildFile::Stdin),
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            Ok(BuildFile::Url(url.to_owned()))
        }
        Some(path) => Ok(BuildFile::Path(path.into())),
        None => Ok(BuildFile::Default),
    }
}

/// Reads a `--build-context`.
///
/// # Errors
/// Not `NAME=SOURCE`, or a source that this version cannot take.
pub fn named_context(text: &str) -> Result<(String, NamedSource), SpecError> {
    let (name, source) = crate::spec::pair(text).map_err(|_| {
        SpecError(format!(
            "{text:?} is not NAME=SOURCE, such as base=docker-image://debian:12"
        ))
    })?;
    // Image names are compared as the Dockerfile writes them: lower case.
    let name = name.to_ascii_lowercase();
    let missing = || SpecError(format!("the context {name} needs something after ="));
    let source = if let Some(reference) = source.strip_prefix("docker-image://") {
        NamedSource::Image(
            Some(reference)
                .filter(|text| !text.is_empty())
                .ok_or_else(missing)?
                .to_owned(),
        )
    } else if let Some(layout) = source.strip_prefix("oci-layout://") {
        oci_layout(layout).ok_or_else(missing)?
    } else if let Some(target) = source.strip_prefix("target:") {
        NamedSource::Target(
            Some(target)
                .filter(|text| !text.is_empty())
                .ok_or_else(missing)?
                .to_owned(),
        )
    } else if let Some(elsewhere) = remote(&source)? {
        elsewhere
    } else if source.is_empty() {
        return Err(missing());
    } else {
        NamedSource::Directory(source.strip_prefix("local:").unwrap_or(&source).into())
    };
    Ok((name, source))
}

/// `DIRECTORY[:TAG][@DIGEST]`.
fn oci_layout(text: &str) -> Option<NamedSource> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.to_owned())),
        None => (text, None),
    };
    // A colon in a directory's name comes before a slash; the tag's comes after the last one.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match rest[last..].rfind(':') {
        Some(colon) => (&rest[..last + colon], Some(rest[last + colon + 1..].to_owned())),
        None => (rest, None),
    };
    let tag = tag.filter(|tag| !tag.is_empty());
    (!path.is_empty()).then(|| NamedSource::OciLayout {
        path: path.into(),
        tag,
        digest,
    })
}

/// Reads a `--build-arg`: without a value it is the environment's, and left out where there is none.
///
/// # Errors
/// No name.
pub fn build_arg(
    text: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<(String, String)>, SpecError> {
    match text.split_once('=') {
        Some(("", _)) => Err(SpecError(format!("the build argument {text:?} has no name"))),
        Some((name, value)) => Ok(Some((name.to_owned(), value.to_owned()))),
        None if text.is_empty() => Err(SpecError("a build argument needs a name".to_owned())),
        None => Ok(environment(text).map(|value| (text.to_owned(), value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_contexts() {
        let layout = |path: &str, tag: Option<&str>, digest: Option<&str>| NamedSource::OciLayout {
            path: path.into(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        };
        assert_eq!(
            named_context("Base=oci-layout://a/b:1").unwrap(),
            ("base".into(), layout("a/b", Some("1"), None))
        );
        assert_eq!(
            named_context("b=oci-layout://c:x/d").unwrap().1,
            layout("c:x/d", None, None)
        );
        assert_eq!(
            named_context("b=oci-layout://d@sha256:1").unwrap().1,
            layout("d", None, Some("sha256:1"))
        );
        assert_eq!(
            named_context("b=docker-image://x:1").unwrap().1,
            NamedSource::Image("x:1".into())
        );
        assert_eq!(
            named_context("b=../dir").unwrap().1,
            NamedSource::Directory("../dir".into())
        );
        assert!(named_context("b").is_err() && named_context("b=").is_err());
        assert_eq!(
            named_context("b=https://x/y.git#v1:dir").unwrap().1,
            NamedSource::Git("https://x/y.git#v1:dir".into())
        );
        assert_eq!(
            named_context("b=https://x/y.tar").unwrap().1,
            NamedSource::Http("https://x/y.tar".into())
        );
    }

    #[test]
    fn contexts() {
        assert_eq!(context("-"), Ok(Context::Stdin));
        let git = |text: &str| Ok(Context::Git(text.to_owned()));
        assert_eq!(
            context("https://example.com/x.git#main"),
            git("https://example.com/x.git#main")
        );
        assert_eq!(context("git@example.com:x"), git("git@example.com:x"));
        assert_eq!(
            context("github.com/a/b#main:dir"),
            git("https://github.com/a/b.git#main:dir")
        );
        let http = "http://example.com/x.tar.gz";
        assert_eq!(context(http), Ok(Context::Http(http.into())));
        assert!(context("https://example.com/x.git?what=1").is_err());
        assert_eq!(context("."), Ok(Context::Directory(".".into())));
    }

    #[test]
    fn build_files() {
        let file = |text| build_file(text, &Context::Stdin);
        assert!(file(Some("-")).unwrap_err().0.contains("context already"));
        assert_eq!(file(None), Ok(BuildFile::Default));
        assert_eq!(file(Some("a")), Ok(BuildFile::Path("a".into())));
        let elsewhere = Context::Git("https://h/x.git".into());
        assert_eq!(build_file(Some("-"), &elsewhere), Ok(BuildFile::Stdin));
        assert_eq!(
            build_file(Some("https://h/D"), &elsewhere),
            Ok(BuildFile::Url("https://h/D".into()))
        );
    }

    #[test]
    fn build_args() {
        let environment = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        assert_eq!(
            build_arg("A=b=c", environment),
            Ok(Some(("A".into(), "b=c".into())))
        );
        assert_eq!(
            build_arg("HOME", environment),
            Ok(Some(("HOME".into(), "/root".into())))
        );
        assert_eq!(build_arg("NONE", environment), Ok(None));
        assert!(build_arg("=x", environment).is_err());
    }
}
