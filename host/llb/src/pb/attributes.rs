//! Source ops as identifier and attributes, in both directions (BuildKit's client/llb/source.go and solver/pb/attr.go).
//! Knows nothing of protobuf messages.

use std::collections::BTreeMap;

use crate::paths::clean;
use crate::{
    GitSource, HttpSource, ImageSource, LocalDiffer, LocalSource, OciLayoutSource, PbError, ResolveMode,
    SourceOp,
};

const RESOLVE_MODE: &str = "image.resolvemode";
const LAYER_LIMIT: &str = "image.layerlimit";
const IMAGE_CHECKSUM: &str = "image.checksum";
const LAYOUT_STORE: &str = "oci.store";
const LAYOUT_LAYER_LIMIT: &str = "oci.layerlimit";
const INCLUDE: &str = "local.includepattern";
const EXCLUDE: &str = "local.excludepatterns";
const FOLLOW: &str = "local.followpaths";
const KEY_HINT: &str = "local.sharedkeyhint";
const DIFFER: &str = "local.differ";
const FULL_URL: &str = "git.fullurl";
const KEEP_GIT_DIR: &str = "git.keepgitdir";
const GIT_CHECKSUM: &str = "git.checksum";
const GIT_TOKEN: &str = "git.authtokensecret";
const GIT_HEADER: &str = "git.authheadersecret";
const SKIP_SUBMODULES: &str = "git.skipsubmodules";
const SSH_SOCK: &str = "git.mountsshsock";
const KNOWN_HOSTS: &str = "git.knownsshhosts";
const HTTP_CHECKSUM: &str = "http.checksum";
const HTTP_FILENAME: &str = "http.filename";
const HTTP_PERM: &str = "http.perm";
const HTTP_UID: &str = "http.uid";
const HTTP_GID: &str = "http.gid";
const HTTP_AUTH: &str = "http.authheadersecret";
const HTTP_HEADER: &str = "http.header.";
/// What does not change the result: whose session brings the files, and how a record is classed.
const IGNORED: [&str; 4] = ["local.session", "local.unique", "oci.session", "image.recordtype"];

type Attributes = BTreeMap<String, String>;

/// Collects attributes that are there.
#[derive(Default)]
struct Writer(Attributes);

impl Writer {
    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn text(&mut self, key: &str, value: &Option<String>) {
        if let Some(value) = value
            && !value.is_empty()
        {
            self.set(key, value);
        }
    }

    fn number(&mut self, key: &str, value: Option<u32>) {
        if let Some(value) = value {
            self.set(key, value.to_string());
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            self.set(key, json_list(values));
        }
    }
}

/// Writes a list as Go's encoding/json does, which escapes what HTML could take for markup, and two line separators.
fn json_list(values: &[String]) -> String {
    let mut out = String::from("[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        for c in serde_json::Value::from(value.as_str()).to_string().chars() {
            match c {
                '<' => out.push_str("\\u003c"),
                '>' => out.push_str("\\u003e"),
                '&' => out.push_str("\\u0026"),
                '\u{2028}' => out.push_str("\\u2028"),
                '\u{2029}' => out.push_str("\\u2029"),
                other => out.push(other),
            }
        }
    }
    out.push(']');
    out
}

/// Writes a source as identifier and attributes.
pub(super) fn write(source: &SourceOp) -> (String, Attributes) {
    let mut attrs = Writer::default();
    let identifier = match source {
        SourceOp::Image(image) => {
            match image.mode {
                ResolveMode::Default => {}
                ResolveMode::PreferLocal => attrs.set(RESOLVE_MODE, "local"),
                ResolveMode::ForcePull => attrs.set(RESOLVE_MODE, "pull"),
            }
            attrs.number(LAYER_LIMIT, image.layer_limit);
            attrs.text(IMAGE_CHECKSUM, &image.checksum);
            format!("docker-image://{}", image.reference)
        }
        SourceOp::OciLayout(layout) => {
            if !layout.store.is_empty() {
                attrs.set(LAYOUT_STORE, &layout.store);
            }
            attrs.number(LAYOUT_LAYER_LIMIT, layout.layer_limit);
            format!("oci-layout://{}", layout.reference)
        }
        SourceOp::Local(local) => {
            attrs.list(INCLUDE, &local.include_patterns);
            attrs.list(EXCLUDE, &local.exclude_patterns);
            attrs.list(FOLLOW, &local.follow_paths);
            attrs.text(KEY_HINT, &local.shared_key_hint);
            if local.differ == LocalDiffer::None {
                attrs.set(DIFFER, "none");
            }
            format!("local://{}", local.name)
        }
        SourceOp::Git(git) => write_git(git, &mut attrs),
        SourceOp::Http(http) => write_http(http, &mut attrs),
    };
    (identifier, attrs.0)
}

fn write_git(git: &GitSource, attrs: &mut Writer) -> String {
    let url = match split_remote(&git.remote) {
        Some(_) => git.remote.clone(),
        None => format!("https://{}", git.remote),
    };
    // Equal repositories have one identifier, whatever protocol reaches them.
    let (host, path) = split_remote(&url).unwrap_or((&url, ""));
    let mut identifier = host.to_owned();
    let path = clean(&format!("/{path}"));
    identifier.push_str(&path);
    if !git.git_ref.is_empty() || !git.subdir.is_empty() {
        identifier.push('#');
        identifier.push_str(&git.git_ref);
        if !git.subdir.is_empty() {
            identifier.push(':');
            identifier.push_str(&git.subdir);
        }
    }
    attrs.set(FULL_URL, url);
    if git.keep_git_dir {
        attrs.set(KEEP_GIT_DIR, "true");
    }
    if git.skip_submodules {
        attrs.set(SKIP_SUBMODULES, "true");
    }
    attrs.text(GIT_CHECKSUM, &git.checksum);
    attrs.text(GIT_TOKEN, &git.auth_token_secret);
    attrs.text(GIT_HEADER, &git.auth_header_secret);
    attrs.text(SSH_SOCK, &git.mount_ssh_sock);
    attrs.text(KNOWN_HOSTS, &git.known_hosts);
    format!("git://{identifier}")
}

/// Splits a remote in host and path: a URL, or scp's `[user@]host:path`.
fn split_remote(remote: &str) -> Option<(&str, &str)> {
    let (authority, path) = match remote.split_once("://") {
        Some((_, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or(rest);
            rest.split_once('/').unwrap_or((rest, ""))
        }
        None => {
            let (authority, path) = remote.split_once(':')?;
            if authority.contains('/') {
                return None;
            }
            (authority, path)
        }
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then_some((host, path))
}

fn write_http(http: &HttpSource, attrs: &mut Writer) -> String {
    attrs.text(HTTP_CHECKSUM, &http.checksum);
    attrs.text(HTTP_FILENAME, &http.filename);
    if let Some(mode) = http.mode {
        attrs.set(HTTP_PERM, format!("0{mode:o}"));
    }
    attrs.number(HTTP_UID, http.uid.filter(|id| *id != 0));
    attrs.number(HTTP_GID, http.gid.filter(|id| *id != 0));
    attrs.text(HTTP_AUTH, &http.auth_header_secret);
    for (name, value) in &http.headers {
        attrs.set(&format!("{HTTP_HEADER}{}", name.to_ascii_lowercase()), value);
    }
    http.url.clone()
}

/// Takes attributes out of a map, until what is left is unknown.
struct Reader {
    index: usize,
    attrs: Attributes,
}

impl Reader {
    fn bad(&self, field: &'static str, value: impl Into<String>) -> PbError {
        PbError::BadValue {
            index: self.index,
            field,
            value: value.into(),
        }
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        self.attrs.remove(key).filter(|value| !value.is_empty())
    }

    /// Reads a number as Go's `ParseInt(v, 0, 64)` does: decimal, or octal behind a `0`.
    fn number(&mut self, key: &'static str) -> Result<Option<u32>, PbError> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        let octal = value
            .strip_prefix("0o")
            .or_else(|| value.strip_prefix('0'))
            .filter(|rest| !rest.is_empty());
        let number = match octal {
            Some(digits) => u32::from_str_radix(digits, 8),
            None => value.parse(),
        };
        number.map(Some).map_err(|_| self.bad(key, value))
    }

    fn list(&mut self, key: &'static str) -> Result<Vec<String>, PbError> {
        let Some(value) = self.text(key) else {
            return Ok(Vec::new());
        };
        serde_json::from_str(&value).map_err(|_| self.bad(key, value))
    }
}

/// Reads a source from identifier and attributes. `index` is that of the op, for errors.
pub(super) fn read(index: usize, identifier: &str, attrs: Attributes) -> Result<SourceOp, PbError> {
    let unknown = || PbError::Unsupported {
        index,
        what: "the source",
        value: identifier.chars().take(200).collect(),
    };
    let (scheme, rest) = identifier.split_once("://").ok_or_else(unknown)?;
    let mut attrs = Reader { index, attrs };
    let source = match scheme {
        "docker-image" => SourceOp::Image(ImageSource {
            reference: rest.to_owned(),
            mode: match attrs.text(RESOLVE_MODE).as_deref() {
                None | Some("default") => ResolveMode::Default,
                Some("local") => ResolveMode::PreferLocal,
                Some("pull") => ResolveMode::ForcePull,
                Some(other) => return Err(attrs.bad(RESOLVE_MODE, other)),
            },
            layer_limit: attrs.number(LAYER_LIMIT)?,
            checksum: attrs.text(IMAGE_CHECKSUM),
        }),
        "oci-layout" => SourceOp::OciLayout(OciLayoutSource {
            reference: rest.to_owned(),
            store: attrs.text(LAYOUT_STORE).unwrap_or_default(),
            layer_limit: attrs.number(LAYOUT_LAYER_LIMIT)?,
        }),
        "local" => SourceOp::Local(LocalSource {
            name: rest.to_owned(),
            include_patterns: attrs.list(INCLUDE)?,
            exclude_patterns: attrs.list(EXCLUDE)?,
            follow_paths: attrs.list(FOLLOW)?,
            shared_key_hint: attrs.text(KEY_HINT),
            differ: match attrs.text(DIFFER).as_deref() {
                None | Some("metadata") => LocalDiffer::Metadata,
                Some("none") => LocalDiffer::None,
                Some(other) => return Err(attrs.bad(DIFFER, other)),
            },
        }),
        "git" => SourceOp::Git(read_git(rest, &mut attrs)?),
        "http" | "https" => SourceOp::Http(read_http(identifier, &mut attrs)?),
        _ => return Err(unknown()),
    };
    match attrs
        .attrs
        .into_keys()
        .find(|key| !IGNORED.contains(&key.as_str()))
    {
        Some(value) => Err(PbError::Unsupported {
            index,
            what: "the source attribute",
            value,
        }),
        None => Ok(source),
    }
}

fn read_git(rest: &str, attrs: &mut Reader) -> Result<GitSource, PbError> {
    let (repository, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (git_ref, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    let remote = attrs
        .text(FULL_URL)
        .unwrap_or_else(|| match split_remote(repository) {
            // Old clients leave `git@host:path` as it is.
            Some(_) if repository.contains('@') => repository.to_owned(),
            _ => format!("https://{repository}"),
        });
    Ok(GitSource {
        remote,
        git_ref: git_ref.to_owned(),
        subdir: subdir.to_owned(),
        keep_git_dir: read_flag(attrs, KEEP_GIT_DIR)?,
        skip_submodules: read_flag(attrs, SKIP_SUBMODULES)?,
        checksum: attrs.text(GIT_CHECKSUM),
        auth_token_secret: attrs.text(GIT_TOKEN),
        auth_header_secret: attrs.text(GIT_HEADER),
        mount_ssh_sock: attrs.text(SSH_SOCK),
        known_hosts: attrs.text(KNOWN_HOSTS),
    })
}

fn read_flag(attrs: &mut Reader, key: &'static str) -> Result<bool, PbError> {
    match attrs.text(key).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(attrs.bad(key, other)),
    }
}

fn read_http(identifier: &str, attrs: &mut Reader) -> Result<HttpSource, PbError> {
    let mut source = HttpSource {
        url: identifier.to_owned(),
        checksum: attrs.text(HTTP_CHECKSUM),
        filename: attrs.text(HTTP_FILENAME),
        mode: attrs.number(HTTP_PERM)?,
        uid: attrs.number(HTTP_UID)?,
        gid: attrs.number(HTTP_GID)?,
        headers: Vec::new(),
        auth_header_secret: attrs.text(HTTP_AUTH),
    };
    let rest = std::mem::take(&mut attrs.attrs);
    for (key, value) in rest {
        match key.strip_prefix(HTTP_HEADER) {
            Some(name) => source.headers.push((name.to_owned(), value)),
            None => {
                attrs.attrs.insert(key, value);
            }
        }
    }
    Ok(source)
}
