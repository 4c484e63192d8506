//! The server's loop: one thread reads messages, keeps the documents and sends answers; frontends are asked on others.
//! What is late is dropped: a check of a text that has changed is ended, and a question about it is told so.

mod outgoing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select, unbounded};
use lapstrake_solver::CancelToken;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{self as note, Notification as _};
use lsp_types::request::{self as ask, Request as _};
use lsp_types::{
    CancelParams, CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, DocumentSymbolParams, HoverParams, MessageType,
    NumberOrString, Position, Url,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::convert::{Abilities, ByDocument};
use super::documents::{Check, Documents};
use super::handshake;
use super::jobs::{Done, Job, Lane, Question};
use super::settings::Settings;
use crate::engine::editor::Editor;

/// Time without a change after which a text is checked.
const QUIET: Duration = Duration::from_millis(150);

/// Who waits for an answer of a frontend.
enum Ticket {
    /// The diagnostics of a document.
    Check { uri: Url, cancel: CancelToken },
    /// A request.
    Request(RequestId),
}

/// A request that a frontend is being asked for.
struct Pending {
    uri: Url,
    generation: u64,
    position: Position,
    question: Question,
    cancel: CancelToken,
}

struct Server {
    connection: Connection,
    settings: Settings,
    abilities: Abilities,
    documents: Documents,
    pending: HashMap<RequestId, Pending>,
    /// The diagnostics of each build file, and where they are shown.
    shown: BTreeMap<Url, ByDocument>,
    /// Images that were told to be unknown.
    unknown_images: BTreeSet<String>,
    editor: Arc<Editor>,
    checks: Lane<Ticket>,
    answers: Lane<Ticket>,
    is_shut_down: bool,
}

/// Whether the loop goes on.
enum Next {
    Go,
    /// Whether it was shut down before.
    Exit(bool),
}

/// Serves one client until it says that this is the end, or goes away. Returns whether it ended as it should.
///
/// # Errors
/// No thread can be started.
pub fn serve(connection: Connection, editor: Editor, mut settings: Settings) -> std::io::Result<bool> {
    let Some(client) = handshake::begin(&connection, &mut settings) else {
        return Ok(false);
    };
    let (sender, done) = unbounded();
    let editor = Arc::new(editor);
    let lane = |name: &str, sender: Sender<_>| Lane::start(name, Arc::clone(&editor), sender);
    let (checks, answers) = (lane("checks", sender.clone())?, lane("answers", sender)?);
    let mut server = Server {
        documents: Documents::new(client.abilities.encoding, client.folders),
        connection,
        settings,
        abilities: client.abilities,
        pending: HashMap::new(),
        shown: BTreeMap::new(),
        unknown_images: BTreeSet::new(),
        editor,
        checks,
        answers,
        is_shut_down: false,
    };
    if let Some(message) = client.complaint {
        server.log(MessageType::WARNING, message);
    }
    let ended = server.run(&done);
    server.end_all();
    Ok(ended)
}

impl Server {
    fn run(&mut self, done: &Receiver<Done<Ticket>>) -> bool {
        loop {
            let timer = match self.documents.next_check() {
                Some(time) => at(time),
                None => never(),
            };
            let next = select! {
                recv(self.connection.receiver) -> message => match message {
                    Ok(message) => self.message(message),
                    Err(_) => Next::Exit(false),
                },
                recv(done) -> answer => {
                    if let Ok(answer) = answer {
                        self.done(answer);
                    }
                    Next::Go
                }
                recv(timer) -> _ => {
                    self.begin_checks();
                    Next::Go
                }
            };
            if let Next::Exit(well) = next {
                return well;
            }
        }
    }

    /// What runs is ended, so that nobody waits for it.
    fn end_all(&mut self) {
        for (_, document) in self.documents.iter_mut() {
            document.set_check(Check::Done);
        }
        for pending in self.pending.values() {
            pending.cancel.cancel();
        }
    }

    fn message(&mut self, message: Message) -> Next {
        match message {
            Message::Request(request) => self.request(request),
            Message::Notification(notification) => return self.notification(notification),
            // Nothing is asked of clients.
            Message::Response(_) => {}
        }
        Next::Go
    }

    fn request(&mut self, request: Request) {
        let id = request.id.clone();
        if self.is_shut_down {
            return self.refuse(id, ErrorCode::InvalidRequest, "the server was shut down");
        }
        match request.method.as_str() {
            ask::Shutdown::METHOD => {
                self.is_shut_down = true;
                self.end_all();
                self.send(Response::new_ok(id, Value::Null));
            }
            ask::DocumentSymbolRequest::METHOD => {
                let Some(params) = self.params::<DocumentSymbolParams>(&request) else {
                    return;
                };
                let uri = params.text_document.uri;
                self.ask(id, uri, Position::default(), |_| Question::Structure);
            }
            ask::Completion::METHOD => {
                let Some(params) = self.params::<CompletionParams>(&request) else {
                    return;
                };
                let place = params.text_document_position;
                self.ask(id, place.text_document.uri, place.position, Question::Completions);
            }
            ask::HoverRequest::METHOD => {
                let Some(params) = self.params::<HoverParams>(&request) else {
                    return;
                };
                let place = params.text_document_position_params;
                self.ask(id, place.text_document.uri, place.position, Question::Hover);
            }
            method => {
                let message = format!("this server knows no {method}");
                self.refuse(id, ErrorCode::MethodNotFound, &message);
            }
        }
    }

    /// The parameters of a request; none: they are wrong, and that was said.
    fn params<P: DeserializeOwned>(&self, request: &Request) -> Option<P> {
        match serde_json::from_value(request.params.clone()) {
            Ok(params) => Some(params),
            Err(error) => {
                self.refuse(request.id.clone(), ErrorCode::InvalidParams, &error.to_string());
                None
            }
        }
    }

    /// Asks a document's frontend for a request.
    fn ask(
        &mut self,
        id: RequestId,
        uri: Url,
        position: Position,
        question: impl FnOnce(lapstrake_llb::Position) -> Question,
    ) {
        let (Some(page), Some(document)) = (self.documents.page(&uri), self.documents.get(&uri)) else {
            let message = format!("{uri} is not open");
            return self.refuse(id, ErrorCode::InvalidParams, &message);
        };
        let text = &document.text;
        let at = text.source_position(text.offset(position));
        let (question, cancel) = (question(at), CancelToken::new());
        self.answers.ask(Job {
            ticket: Ticket::Request(id.clone()),
            page,
            meant: document.meant,
            question,
            cancel: cancel.clone(),
        });
        let pending = Pending {
            generation: document.generation,
            uri,
            position,
            question,
            cancel,
        };
        self.pending.insert(id, pending);
    }

    fn notification(&mut self, notification: Notification) -> Next {
        let Notification { method, params } = notification;
        match method.as_str() {
            note::Exit::METHOD => return Next::Exit(self.is_shut_down),
            note::Cancel::METHOD => self.taken(params, Self::cancel),
            note::DidOpenTextDocument::METHOD => self.taken(params, Self::opened),
            note::DidChangeTextDocument::METHOD => self.taken(params, Self::changed),
            note::DidSaveTextDocument::METHOD => self.taken(params, Self::saved),
            note::DidCloseTextDocument::METHOD => self.taken(params, Self::closed),
            // Others may be left unheard (the protocol says so).
            _ => {}
        }
        Next::Go
    }

    /// Hears a notification, if it is one.
    fn taken<P: DeserializeOwned>(&mut self, params: Value, hear: impl FnOnce(&mut Self, P)) {
        match serde_json::from_value(params) {
            Ok(params) => hear(self, params),
            Err(error) => self.log(
                MessageType::WARNING,
                format!("a notification is not understood: {error}"),
            ),
        }
    }

    fn cancel(&mut self, params: CancelParams) {
        let id = match params.id {
            NumberOrString::Number(number) => RequestId::from(number),
            NumberOrString::String(text) => RequestId::from(text),
        };
        if let Some(pending) = self.pending.remove(&id) {
            pending.cancel.cancel();
            self.refuse(id, ErrorCode::RequestCanceled, "cancelled");
        }
    }

    fn opened(&mut self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let uri = document.uri;
        self.documents.open(
            uri.clone(),
            &document.language_id,
            document.version,
            &document.text,
            &self.settings,
        );
        self.touched(&uri, Instant::now());
    }

    fn changed(&mut self, params: DidChangeTextDocumentParams) {
        let document = params.text_document;
        self.documents
            .change(&document.uri, document.version, params.content_changes);
        self.touched(&document.uri, Instant::now() + QUIET);
    }

    /// What is on disk may have changed with it: components, lock files, and files that were not open.
    fn saved(&mut self, params: DidSaveTextDocumentParams) {
        let now = Instant::now();
        let all: Vec<Url> = self.documents.iter().map(|(uri, _)| uri.clone()).collect();
        for uri in all {
            self.documents.check_at(&uri, None, now);
        }
        self.touched(&params.text_document.uri, now);
    }

    fn closed(&mut self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        let Some(document) = self.documents.close(&uri) else {
            return;
        };
        // A tag may have another frontend when the file is opened again.
        self.editor.forget();
        if let Some(path) = document.path() {
            // Who reads it gets what is on disk from now on.
            self.documents.check_at(&uri, Some(path), Instant::now());
        }
        self.show(&uri, ByDocument::new());
    }

    /// Has a document checked that has changed, and what depends on it.
    fn touched(&mut self, uri: &Url, time: Instant) {
        let path = self.documents.get(uri).and_then(|document| document.path());
        let path = path.map(ToOwned::to_owned);
        self.documents.check_at(uri, path.as_deref(), time);
    }

    fn begin_checks(&mut self) {
        let now = Instant::now();
        let due = |check: &Check| matches!(check, Check::Due(time) if *time <= now);
        let all: Vec<Url> = self
            .documents
            .iter()
            .filter(|(_, document)| due(document.check()))
            .map(|(uri, _)| uri.clone())
            .collect();
        for uri in all {
            let Some(page) = self.documents.page(&uri) else {
                continue;
            };
            let Some(document) = self.documents.get_mut(&uri) else {
                continue;
            };
            let cancel = CancelToken::new();
            self.checks.ask(Job {
                ticket: Ticket::Check {
                    uri,
                    cancel: cancel.clone(),
                },
                page,
                meant: document.meant,
                question: Question::Check,
                cancel: cancel.clone(),
            });
            document.set_check(Check::Running(cancel));
        }
    }
}
