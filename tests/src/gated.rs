//! A registry over an OCI layout that counts what it is asked, and can hold its answers back until so many have asked:
//! what comes one after the other never gets there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

/// How long an answer is held back at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// A registry that answers until the process ends.
pub struct Gated {
    /// `127.0.0.1:PORT`.
    pub host: String,
    shared: Arc<Shared>,
}

struct Shared {
    layout: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Digest of the manifest by `name:tag`.
    tags: BTreeMap<String, String>,
    asked: Vec<String>,
    /// HEAD requests are answered when so many of them wait.
    together: usize,
    waiting: usize,
    open: bool,
}

impl Gated {
    /// Serves the blobs of a layout. There is no tag yet.
    pub fn start(layout: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            layout: layout.to_owned(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { host, shared }
    }

    /// Lets a tag name a manifest, by its descriptor.
    pub fn tag(&self, name: &str, manifest: &Value) -> &Self {
        let digest = manifest["digest"].as_str().unwrap().to_owned();
        self.shared
            .state
            .lock()
            .unwrap()
            .tags
            .insert(name.to_owned(), digest);
        self
    }

    /// From now on, HEAD requests are answered only when so many wait for their answers at the same time.
    pub fn hold(&self, together: usize) {
        let mut state = self.shared.state.lock().unwrap();
        (state.together, state.waiting, state.open) = (together, 0, false);
    }

    /// Whether as many as were to be waited for came.
    pub fn came_together(&self) -> bool {
        self.shared.state.lock().unwrap().open
    }

    /// Takes the list of what was asked since the last time, such as `HEAD /v2/a/manifests/1`, sorted.
    pub fn take_asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.shared.state.lock().unwrap().asked);
        asked.sort();
        asked
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let mut header = String::new();
            while reader.read_line(&mut header).is_ok_and(|count| count > 2) {
                header.clear();
            }
            let mut words = line.split_whitespace();
            let (Some(method), Some(path)) = (words.next(), words.next()) else {
                return;
            };
            if path != "/v2/" {
                self.state.lock().unwrap().asked.push(format!("{method} {path}"));
            }
            if method == "HEAD" {
                self.wait();
            }
            let (status, kind, digest, body) = self.answer(path);
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ndocker-content-digest: {digest}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let body: &[u8] = if method == "HEAD" { b"" } else { &body };
            if writer.write_all(&[head.as_bytes(), body].concat()).is_err() {
                return;
            }
        }
    }

    fn wait(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        if state.waiting >= state.together {
            state.open = true;
            self.changed.notify_all();
        }
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.open)
            .unwrap();
        let mut state = waited.0;
        state.waiting -= 1;
    }

    /// Status, media type, digest and body.
    fn answer(&self, path: &str) -> (u16, String, String, Vec<u8>) {
        let missing = (404, "application/json".to_owned(), String::new(), b"{}".to_vec());
        let blob = |digest: &str| {
            let hex = digest.strip_prefix("sha256:")?;
            std::fs::read(self.layout.join("blobs/sha256").join(hex)).ok()
        };
        let Some((name, reference)) = path
            .strip_prefix("/v2/")
            .and_then(|rest| rest.split_once("/manifests/"))
        else {
            let Some((_, digest)) = path.split_once("/blobs/") else {
                return (200, "application/json".to_owned(), String::new(), b"{}".to_vec());
            };
            let octets = "application/octet-stream".to_owned();
            return blob(digest).map_or(missing, |body| (200, octets, digest.to_owned(), body));
        };
        let tagged = self
            .state
            .lock()
            .unwrap()
            .tags
            .get(&format!("{name}:{reference}"))
            .cloned();
        let digest = tagged.unwrap_or_else(|| reference.to_owned());
        blob(&digest).map_or(missing, |body| {
            let kind: Value = serde_json::from_slice(&body).unwrap();
            (
                200,
                kind["mediaType"].as_str().unwrap_or_default().to_owned(),
                digest.clone(),
                body,
            )
        })
    }
}
