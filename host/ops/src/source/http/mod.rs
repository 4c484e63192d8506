//! Files by HTTP: what an address holds now, and a layer with the file.
//!
//! What a server said of a file is kept beside the digest of its content, so that an unchanged file costs one HEAD
//! request, and a file with a known checksum that is in the store none. Content is kept in layers, once for a name,
//! mode and owner; another name is a copy.
//! Knows nothing of the graph but the op's fields.

mod client;
mod error;
mod keep;
mod name;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use lapstrake_llb::{Digest, Hasher, HttpSource};
use lapstrake_store::{Store, Tree};

pub use self::error::HttpError;

use self::client::{Client, Head, Request};
use self::keep::{Kept, Look, Said};
use super::progress::Progress;
use super::remote::{Reach, is_confidential, kept_back, redact};
use crate::error::{Error, Result};

/// Secret with the whole Authorization header for a host. BuildKit's name.
const HEADER_SECRET: &str = "HTTP_AUTH_HEADER_";
/// Secret with a bearer token for a host. BuildKit's name.
const TOKEN_SECRET: &str = "HTTP_AUTH_TOKEN_";
/// Permission bits of a file for which the op names none. BuildKit's.
const DEFAULT_MODE: u32 = 0o600;
/// The headers that a graph may set, as BuildKit has it: others could make a server do what its caller may not.
const HEADERS: [&str; 2] = ["accept", "user-agent"];

/// Downloads files. What an address held is remembered as long as it lives: make one for a build.
pub struct Downloads {
    store: Store,
    reach: Reach,
    client: OnceLock<Client>,
    starting: Mutex<()>,
    found: Mutex<HashMap<Digest, Arc<Slot>>>,
}

/// An address that may still be being asked: who wants it meanwhile waits.
type Slot = Mutex<Option<Said>>;

/// A file, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Digest of its content.
    pub digest: Digest,
    /// Its name in the tree.
    pub filename: String,
    /// When it was changed last, seconds since 1970, where the server says so. None also where no server was asked.
    pub modified: Option<i64>,
}

impl Downloads {
    /// Makes it; nothing is started before the first download.
    pub fn new(store: Store, reach: Reach) -> Self {
        Self {
            store,
            reach,
            client: OnceLock::new(),
            starting: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// What an address holds. With a checksum nobody is asked.
    ///
    /// # Errors
    /// The server cannot be reached, or does not give the file.
    pub fn find(&self, source: &HttpSource, progress: &dyn Progress) -> Result<Download> {
        if let Some(digest) = checksum(source) {
            return Ok(Download {
                digest,
                filename: name::choose(source.filename.as_deref(), None, &source.url),
                modified: None,
            });
        }
        let said = self.ask_once(source, progress)?;
        Ok(Download {
            digest: said.digest,
            filename: name::choose(
                source.filename.as_deref(),
                said.disposition.as_deref(),
                &source.url,
            ),
            modified: said.modified_seconds(),
        })
    }

    /// The file as a tree with nothing else in it.
    ///
    /// # Errors
    /// As [`Downloads::find`]; also another content than `download` says.
    pub fn tree(&self, source: &HttpSource, download: &Download, progress: &dyn Progress) -> Result<Tree> {
        let look = look(source, download);
        if let Some(layer) = keep::find(&self.store, &download.digest, &look, progress)? {
            return Ok(Tree { layers: vec![layer] });
        }
        // With a checksum it was not asked for yet; else somebody has removed it from the store since.
        let said = self.fetch(source, progress, None, Some(&look))?;
        if said.digest != download.digest {
            let url = redact(&source.url);
            return Err(match checksum(source) {
                Some(expected) => HttpError::Checksum {
                    url,
                    expected,
                    actual: said.digest,
                },
                None => HttpError::Changed {
                    url,
                    before: download.digest,
                    now: said.digest,
                },
            }
            .into());
        }
        match keep::find(&self.store, &download.digest, &look, progress)? {
            Some(layer) => Ok(Tree { layers: vec![layer] }),
            None => Err(Error::Offline {
                what: redact(&source.url),
            }),
        }
    }

    fn ask_once(&self, source: &HttpSource, progress: &dyn Progress) -> Result<Said> {
        let question = question(source);
        let slot = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.entry(question).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = &*slot {
            return Ok(said.clone());
        }
        let said = self.ask(source, &question, progress)?;
        Ok(slot.insert(said).clone())
    }

    fn ask(&self, source: &HttpSource, question: &Digest, progress: &dyn Progress) -> Result<Said> {
        let known = Said::recall(&self.store, question)?;
        if self.reach.offline {
            let what = redact(&source.url);
            return known.ok_or(Error::Offline { what });
        }
        if let Some(said) = &known
            && said.can_be_checked()
        {
            let mut request = self.request(source, progress)?;
            request.unless(said.etag.as_deref(), said.modified.as_deref());
            // Some servers know conditions only of one of the two methods: what HEAD does not settle, GET does.
            match self.client()?.head(&request, progress) {
                Ok(head) if said.is_still(&head) => return Ok(said.clone()),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                _ => {}
            }
        }
        self.fetch(source, progress, known.filter(Said::can_be_checked), None)
    }

    /// Downloads what is not `known` to be there, and keeps it.
    fn fetch(
        &self,
        source: &HttpSource,
        progress: &dyn Progress,
        known: Option<Said>,
        look: Option<&Look>,
    ) -> Result<Said> {
        let url = redact(&source.url);
        if self.reach.offline {
            return Err(Error::Offline { what: url });
        }
        let mut request = self.request(source, progress)?;
        if let Some(said) = &known {
            request.unless(said.etag.as_deref(), said.modified.as_deref());
        }
        let mut kept = Kept::new(&self.store, &url)?;
        let head = self.client()?.get(&request, progress, &mut kept)?;
        if let (true, Some(said)) = (head.unchanged, known) {
            return Ok(said);
        }
        if head.unchanged {
            // An answer to a question that was not asked.
            return Err(HttpError::Status {
                url,
                status: "304 Not Modified".to_owned(),
            }
            .into());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let said = Said::new(&head, kept.digest(), now.as_secs());
        if let Some(expected) = checksum(source)
            && expected != said.digest
        {
            let actual = said.digest;
            return Err(HttpError::Checksum {
                url,
                expected,
                actual,
            }
            .into());
        }
        let own = || named(source, &head, &said);
        kept.commit(&look.map_or_else(own, Look::clone), said.modified_seconds())?;
        said.remember(&self.store, &question(source))?;
        Ok(said)
    }

    fn request(&self, source: &HttpSource, progress: &dyn Progress) -> Result<Request> {
        let authorization = match self.authorization(source)? {
            Some((id, _)) if !is_confidential(&source.url) => {
                progress.log(&kept_back(&id, &source.url));
                None
            }
            found => found.map(|(_, header)| header),
        };
        Ok(Request::new(
            &source.url,
            &headers(source),
            authorization.as_deref(),
        )?)
    }

    /// The Authorization header for a source, after the secret that it is of: the one that it names, else one for the host
    /// with the port, else one for the host.
    fn authorization(&self, source: &HttpSource) -> Result<Option<(String, String)>> {
        if let Some(id) = &source.auth_header_secret {
            let value = self.secret(id)?;
            let value = value.ok_or_else(|| Error::NoSecret { id: id.clone() })?;
            return Ok(Some((id.clone(), value)));
        }
        for host in hosts(&source.url) {
            for (prefix, scheme) in [(HEADER_SECRET, ""), (TOKEN_SECRET, "Bearer ")] {
                let id = format!("{prefix}{host}");
                if let Some(value) = self.secret(&id)? {
                    return Ok(Some((id, format!("{scheme}{value}"))));
                }
            }
        }
        Ok(None)
    }

    fn secret(&self, id: &str) -> Result<Option<String>> {
        crate::secret::text(&*self.reach.secrets, id)
    }

    fn client(&self) -> Result<&Client> {
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::start(&self.reach.options)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Permission bits, user and group that a source asks for.
pub(crate) fn mode_and_owner(source: &HttpSource) -> (u32, u32, u32) {
    let mode = source.mode.unwrap_or(DEFAULT_MODE);
    (mode, source.uid.unwrap_or(0), source.gid.unwrap_or(0))
}

/// What the file looks like in the tree.
fn look(source: &HttpSource, download: &Download) -> Look {
    let (mode, uid, gid) = mode_and_owner(source);
    Look {
        filename: download.filename.clone(),
        mode,
        uid,
        gid,
        modified: download.modified,
    }
}

fn named(source: &HttpSource, head: &Head, said: &Said) -> Look {
    let filename = name::choose(
        source.filename.as_deref(),
        head.disposition.as_deref(),
        &source.url,
    );
    let download = Download {
        digest: said.digest,
        filename,
        modified: said.modified_seconds(),
    };
    look(source, &download)
}

fn checksum(source: &HttpSource) -> Option<Digest> {
    source.checksum.as_deref()?.parse().ok()
}

fn headers(source: &HttpSource) -> Vec<(String, String)> {
    let allowed = |name: &str| HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name));
    let kept = source.headers.iter().filter(|(name, _)| allowed(name));
    kept.cloned().collect()
}

/// The host of an address: with the port, where it has one of its own, and without.
fn hosts(url: &str) -> Vec<String> {
    let Ok(url) = reqwest::Url::parse(url) else {
        return Vec::new();
    };
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let with_port = url.port().map(|port| format!("{host}:{port}"));
    with_port.into_iter().chain([bare]).collect()
}

/// Identifies what a server is asked: equal questions have one answer in a build. The secret's name counts, not its value.
fn question(source: &HttpSource) -> Digest {
    let mut hasher = Hasher::new("lapstrake.http-question.1");
    hasher.field(source.url.as_bytes());
    hasher.field(
        source
            .auth_header_secret
            .as_deref()
            .unwrap_or_default()
            .as_bytes(),
    );
    for (name, value) in headers(source) {
        hasher.field(name.to_ascii_lowercase().as_bytes());
        hasher.field(value.as_bytes());
    }
    hasher.finish()
}
