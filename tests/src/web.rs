//! A small HTTP server with pages that a test changes, and with git repositories behind git's own CGI program. It remembers
//! what it was asked. Only what the tests need of HTTP/1.1.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What a path answers.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Status; 0: 200.
    pub status: u16,
    /// The content.
    pub body: Vec<u8>,
    /// Headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The Authorization header that a request needs.
    pub authorization: Option<String>,
    /// How many answers break off after half of their body.
    pub broken: usize,
    /// How many requests are answered with 503 first.
    pub busy: usize,
}

impl Page {
    /// A page with this content.
    pub fn of(body: impl AsRef<[u8]>) -> Self {
        Self {
            body: body.as_ref().to_vec(),
            ..Self::default()
        }
    }

    /// The same with a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn find(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path with the query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<BTreeMap<String, Page>>,
    seen: Mutex<Vec<Seen>>,
    /// The folder with the repositories, and the Authorization header that they need.
    git: Mutex<Option<(PathBuf, Option<String>)>>,
    /// Whether git's protocol is the first one, in which a server gives only what it lists.
    old: std::sync::atomic::AtomicBool,
}

/// The server. Its threads end with the process.
pub struct Web {
    /// `127.0.0.1:PORT`.
    pub host: String,
    shared: Arc<Shared>,
}

impl Default for Web {
    fn default() -> Self {
        Self::new()
    }
}

impl Web {
    /// Starts a server without pages.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || {
                    // A client that goes away is none of the server's business.
                    let _ = serve(stream, &shared);
                });
            }
        });
        Self { host, shared }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.host)
    }

    /// Makes or changes a page.
    pub fn put(&self, path: &str, page: Page) -> &Self {
        self.shared.pages.lock().unwrap().insert(format!("/{path}"), page);
        self
    }

    /// Makes a page for a request line with a whole address, as proxies get them.
    pub fn put_whole(&self, url: &str, page: Page) -> &Self {
        self.shared.pages.lock().unwrap().insert(url.to_owned(), page);
        self
    }

    /// Serves the repositories in a folder below `/git/`.
    pub fn serve_git(&self, folder: &Path, authorization: Option<&str>) -> &Self {
        let value = (folder.to_owned(), authorization.map(str::to_owned));
        *self.shared.git.lock().unwrap() = Some(value);
        self
    }

    /// Speaks git's first protocol from now on.
    pub fn speak_old_git(&self) {
        self.shared.old.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Takes the requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// Methods and paths of the requests since the last call.
    pub fn take_lines(&self) -> Vec<String> {
        let line = |seen: Seen| format!("{} {}", seen.method, seen.path);
        self.take_seen().into_iter().map(line).collect()
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (method, path) = (
            words.next().unwrap_or_default().to_owned(),
            words.next().unwrap_or_default().to_owned(),
        );
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let body = read_body(&mut reader, &headers)?;
        if shared.old.load(std::sync::atomic::Ordering::SeqCst) {
            headers.remove("git-protocol");
        }
        let seen = Seen {
            method,
            path,
            headers,
        };
        shared.seen.lock().unwrap().push(seen.clone());
        let git = shared.git.lock().unwrap().clone();
        if let (Some((folder, authorization)), true) = (git, seen.path.starts_with("/git/")) {
            if authorization.is_some() && seen.headers.get("authorization") != authorization.as_ref() {
                respond(
                    &mut writer,
                    401,
                    &[("WWW-Authenticate", "Basic realm=\"test\"")],
                    Some(b""),
                    0,
                )?;
            } else {
                git_backend(&mut writer, &folder, &seen, &body)?;
            }
            continue;
        }
        if !page(&mut writer, shared, &seen)? {
            return Ok(());
        }
    }
}

fn read_body(reader: &mut impl BufRead, headers: &BTreeMap<String, String>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if headers
        .get("transfer-encoding")
        .is_some_and(|value| value == "chunked")
    {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            reader.by_ref().take(size).read_to_end(&mut body)?;
            reader.read_line(&mut line)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok());
    reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
    Ok(body)
}

/// False: the connection is to be closed.
fn page(writer: &mut TcpStream, shared: &Shared, seen: &Seen) -> std::io::Result<bool> {
    let path = seen.path.split('?').next().unwrap_or_default().to_owned();
    let page = {
        let mut pages = shared.pages.lock().unwrap();
        let Some(page) = pages.get_mut(&path) else {
            drop(pages);
            respond(writer, 404, &[], Some(b"nothing here"), 0)?;
            return Ok(true);
        };
        let before = page.clone();
        if page.busy > 0 {
            page.busy -= 1;
        } else if seen.method == "GET" {
            page.broken = page.broken.saturating_sub(1);
        }
        before
    };
    if page.busy > 0 {
        respond(writer, 503, &[], Some(b""), 0)?;
        return Ok(true);
    }
    if page.authorization.is_some() && seen.headers.get("authorization") != page.authorization.as_ref() {
        respond(writer, 401, &[], Some(b"no"), 0)?;
        return Ok(true);
    }
    let mut headers: Vec<(&str, &str)> = page
        .headers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let header = |name: &str| seen.headers.get(name).map(String::as_str);
    let same_tag = page.find("etag").is_some() && header("if-none-match") == page.find("etag");
    let same_time = header("if-none-match").is_none()
        && page.find("last-modified").is_some()
        && header("if-modified-since") == page.find("last-modified");
    if same_tag || same_time {
        respond(writer, 304, &headers, None, 0)?;
        return Ok(true);
    }
    let mut status = if page.status == 0 { 200 } else { page.status };
    let mut body = page.body.as_slice();
    let range;
    let wanted =
        header("range").and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    if let Some(from) = wanted.filter(|from: &usize| *from < body.len())
        && header("if-range").is_none_or(|tag| Some(tag) == page.find("etag"))
    {
        range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        headers.push(("Content-Range", &range));
        body = &body[from..];
        status = 206;
    }
    if seen.method == "HEAD" {
        let length = body.len().to_string();
        headers.push(("Content-Length", &length));
        respond(writer, status, &headers, None, 0)?;
        return Ok(true);
    }
    let missing = if page.broken > 0 { body.len() / 2 } else { 0 };
    respond(writer, status, &headers, Some(body), missing)?;
    Ok(missing == 0)
}

/// Writes an answer, without the last `missing` bytes of its body.
fn respond(
    writer: &mut TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
    missing: usize,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Status\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    writer.write_all(text.as_bytes())?;
    let body = body.unwrap_or_default();
    writer.write_all(&body[..body.len() - missing])?;
    writer.flush()
}

/// Answers with `git http-backend` (RFC 3875).
fn git_backend(writer: &mut TcpStream, folder: &Path, seen: &Seen, body: &[u8]) -> std::io::Result<()> {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &seen.method)
        .env("PATH_INFO", path.strip_prefix("/git").unwrap_or(path))
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(body);
    }
    let output = child.wait_with_output()?.stdout;
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut status = 200;
    let mut headers = Vec::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        match name {
            "Status" => status = value[..3].parse().unwrap_or(500),
            _ => headers.push((name, value)),
        }
    }
    respond(writer, status, &headers, output.get(end + 4..), 0)
}
