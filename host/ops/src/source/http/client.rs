//! Requests by HTTP: what a server says of a file, and its bytes, tried again and gone on with where that helps.
//! Knows nothing of the store and of what the bytes are for.

use std::future::Future;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Proxy, Response, StatusCode, Url};

use super::HttpError;
use crate::error::{Error, Result};
use crate::source::progress::Progress;
use crate::source::remote::{Proxies, RemoteOptions, redact};
use crate::source::runtime::{Cancelled, Runtime};

/// Most addresses that a server may lead to.
pub(super) const MAX_REDIRECTS: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest silence of a server.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("lapstrake/", env!("CARGO_PKG_VERSION"));
/// Pauses before the second, third … attempt.
const PAUSES: &[Duration] = &[
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(1500),
];

/// A file that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Request {
    url: Url,
    /// As it may be shown.
    pub(super) shown: String,
    headers: HeaderMap,
}

impl Request {
    /// Makes a request. `authorization` goes to the host of the address only.
    pub(super) fn new(
        url: &str,
        headers: &[(String, String)],
        authorization: Option<&str>,
    ) -> Result<Self, HttpError> {
        let shown = redact(url);
        let bad = |source| HttpError::BadRequest {
            url: shown.clone(),
            source,
        };
        let parsed = Url::parse(url).map_err(|source| bad(Box::new(source)))?;
        let mut map = HeaderMap::new();
        map.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        map.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|source| bad(Box::new(source)))?;
            let value = HeaderValue::try_from(value).map_err(|source| bad(Box::new(source)))?;
            map.insert(name, value);
        }
        if let Some(text) = authorization {
            let mut value = HeaderValue::try_from(text).map_err(|source| bad(Box::new(source)))?;
            value.set_sensitive(true);
            map.insert(header::AUTHORIZATION, value);
        }
        Ok(Self {
            url: parsed,
            shown,
            headers: map,
        })
    }

    /// Says what is known of the file, so that the server need not send it again.
    pub(super) fn unless(&mut self, etag: Option<&str>, modified: Option<&str>) {
        for (name, value) in [
            (header::IF_NONE_MATCH, etag),
            (header::IF_MODIFIED_SINCE, modified),
        ] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                self.headers.insert(name, value);
            }
        }
    }
}

/// What a server says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether it is what the request named already.
    pub(super) unchanged: bool,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
    pub(super) disposition: Option<String>,
    pub(super) length: Option<u64>,
}

impl Head {
    fn of(response: &Response) -> Self {
        let text = |name| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            unchanged: response.status() == StatusCode::NOT_MODIFIED,
            etag: text(header::ETAG),
            modified: text(header::LAST_MODIFIED),
            disposition: text(header::CONTENT_DISPOSITION),
            // Of an answer without a body this is that of the body there would be.
            length: text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
        }
    }

    /// What says that a later answer is about the same bytes; weak tags do not.
    fn validator(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong.or(self.modified.as_deref())
    }
}

/// Where the bytes go.
pub(super) trait Sink {
    /// The bytes begin; if some had come before, they do not count.
    fn begin(&mut self, head: &Head) -> Result<()>;
    /// Some more of them.
    fn write(&mut self, data: &[u8]) -> Result<()>;
}

/// Asks servers.
pub(super) struct Client {
    runtime: Runtime,
    client: reqwest::Client,
    largest: u64,
}

impl Client {
    /// Starts a client.
    pub(super) fn start(options: &RemoteOptions) -> Result<Self> {
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(Error::NoSystemCertificates);
        }
        let failed = |source| HttpError::Setup { source };
        // An error says that another part of the process has chosen a provider before; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
            // Nor are those of the environment asked for.
            .no_proxy();
        for proxy in proxies(&options.proxies).map_err(|source| failed(Box::new(source)))? {
            builder = builder.proxy(proxy);
        }
        Ok(Self {
            runtime: Runtime::start().map_err(|source| failed(Box::new(source)))?,
            client: builder.build().map_err(|source| failed(Box::new(source)))?,
            largest: options.largest,
        })
    }

    fn wait<T>(&self, progress: &dyn Progress, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.runtime.wait(&|| progress.cancelled(), work) {
            Ok(result) => result,
            Err(Cancelled) => Err(Error::Cancelled),
        }
    }

    /// Asks what there is, without the bytes. Once.
    pub(super) fn head(&self, request: &Request, progress: &dyn Progress) -> Result<Head> {
        self.wait(progress, async {
            match self.send(request, Method::HEAD, None).await {
                Ok(response) => Ok(Head::of(&response)),
                Err(failure) => Err(failure.error.into()),
            }
        })
    }

    /// Downloads into `sink`, unless the server says that the file is unchanged. What may pass by itself is tried again.
    pub(super) fn get(
        &self,
        request: &Request,
        progress: &dyn Progress,
        sink: &mut dyn Sink,
    ) -> Result<Head> {
        let mut state = State::default();
        let result = self.wait(progress, async {
            let mut tried = 0;
            loop {
                let before = state.received;
                let failure = match self.attempt(request, progress, sink, &mut state).await {
                    Ok(head) => return Ok(head),
                    Err(Stop::Sink(error)) => return Err(error),
                    Err(Stop::Network(failure)) => failure,
                };
                if state.received > before {
                    // It moves: only a standstill uses up the attempts.
                    tried = 0;
                }
                let Some(pause) = PAUSES.get(tried).filter(|_| failure.again) else {
                    return Err(failure.error.into());
                };
                tokio::time::sleep(*pause).await;
                tried += 1;
            }
        });
        if state.received > 0 {
            progress.advance(&request.shown, state.received, state.total, true);
        }
        result
    }

    async fn attempt(
        &self,
        request: &Request,
        progress: &dyn Progress,
        sink: &mut dyn Sink,
        state: &mut State,
    ) -> Result<Head, Stop> {
        let rest = match (&state.head, state.received) {
            (Some(head), received @ 1..) => {
                head.validator().map(|validator| (received, validator.to_owned()))
            }
            _ => None,
        };
        let answer = self.send(request, Method::GET, rest.as_ref()).await;
        let mut response = answer.map_err(Stop::Network)?;
        let head = Head::of(&response);
        if head.unchanged {
            return Ok(head);
        }
        if response.status() != StatusCode::PARTIAL_CONTENT {
            state.received = 0;
            state.total = head.length;
            sink.begin(&head).map_err(Stop::Sink)?;
            state.head = Some(head);
        }
        let too_large = || HttpError::TooLarge {
            url: request.shown.clone(),
            limit: self.largest,
        };
        if state.total.is_some_and(|total| total > self.largest) {
            return Err(Stop::Network(Failure::lasting(too_large())));
        }
        loop {
            let chunk = response.chunk().await.map_err(|source| {
                Stop::Network(Failure {
                    again: true,
                    error: HttpError::Interrupted {
                        url: request.shown.clone(),
                        received: state.received,
                        source: Box::new(source.without_url()),
                    },
                })
            })?;
            let Some(chunk) = chunk else { break };
            state.received += chunk.len() as u64;
            if state.received > self.largest {
                return Err(Stop::Network(Failure::lasting(too_large())));
            }
            sink.write(&chunk).map_err(Stop::Sink)?;
            progress.advance(&request.shown, state.received, state.total, false);
        }
        Ok(state.head.clone().unwrap_or_default())
    }

    /// One request. `rest`: from which byte on, if the file is still the same.
    async fn send(
        &self,
        request: &Request,
        method: Method,
        rest: Option<&(u64, String)>,
    ) -> Result<Response, Failure> {
        let mut headers = request.headers.clone();
        if let Some((from, validator)) = rest {
            let range = HeaderValue::try_from(format!("bytes={from}-"));
            if let (Ok(range), Ok(validator)) = (range, HeaderValue::try_from(validator)) {
                headers.insert(header::RANGE, range);
                headers.insert(header::IF_RANGE, validator);
            }
        }
        let sent = self.client.request(method, request.url.clone()).headers(headers);
        let response = sent.send().await.map_err(|source| unreachable(request, source))?;
        let status = response.status();
        let url = request.shown.clone();
        let good = match status {
            StatusCode::PARTIAL_CONTENT => rest.is_some_and(|(from, _)| starts_at(&response, *from)),
            StatusCode::NOT_MODIFIED => true,
            _ => status.is_success(),
        };
        if good {
            return Ok(response);
        }
        let again = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        let status_text = status.to_string();
        let error = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                HttpError::Unauthorized {
                    url,
                    status: status_text,
                }
            }
            _ => HttpError::Status {
                url,
                status: status_text,
            },
        };
        Err(Failure { error, again })
    }
}

/// How far a download is.
#[derive(Default)]
struct State {
    head: Option<Head>,
    received: u64,
    total: Option<u64>,
}

/// Why an attempt ended.
enum Stop {
    Network(Failure),
    Sink(Error),
}

/// An error, and whether another attempt may do better.
struct Failure {
    error: HttpError,
    again: bool,
}

impl Failure {
    fn lasting(error: HttpError) -> Self {
        Self { error, again: false }
    }
}

fn unreachable(request: &Request, source: reqwest::Error) -> Failure {
    let url = request.shown.clone();
    if source.is_redirect() {
        return Failure::lasting(HttpError::Redirects { url });
    }
    if source.is_builder() {
        let source = Box::new(source.without_url());
        return Failure::lasting(HttpError::BadRequest { url, source });
    }
    Failure {
        error: HttpError::Unreachable {
            url,
            source: Box::new(source.without_url()),
        },
        again: true,
    }
}

/// Whether a partial answer begins where it was asked to (RFC 9110, section 14.4).
fn starts_at(response: &Response, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    let text = range.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = text
        .strip_prefix("bytes ")
        .and_then(|text| text.split('-').next());
    first.and_then(|first| first.parse().ok()) == Some(from)
}

fn proxies(options: &Proxies) -> reqwest::Result<Vec<Proxy>> {
    let except = || options.no.as_deref().and_then(reqwest::NoProxy::from_string);
    let mut list = Vec::new();
    if let Some(address) = &options.http {
        list.push(Proxy::http(address)?.no_proxy(except()));
    }
    if let Some(address) = &options.https {
        list.push(Proxy::https(address)?.no_proxy(except()));
    }
    if let Some(address) = &options.all {
        list.push(Proxy::all(address)?.no_proxy(except()));
    }
    Ok(list)
}
