//! What the server sends: diagnostics, answers to requests, messages. Knows nothing of what comes in.

use std::collections::BTreeSet;

use lsp_server::{ErrorCode, Message, Notification, RequestId, Response};
use lsp_types::notification as note;
use lsp_types::{LogMessageParams, MessageType, PublishDiagnosticsParams, Url};
use serde_json::Value;

use super::{Pending, Server, Ticket};
use crate::lsp::convert::{self, Abilities, ByDocument};
use crate::lsp::jobs::{Answer, Done, Failure, Question};
use crate::lsp::symbols;

impl Server {
    pub(super) fn done(&mut self, done: Done<Ticket>) {
        match done.ticket {
            // Else of another text, or of one whose context has changed since: another check is due.
            Ticket::Check { uri, cancel } if !cancel.is_cancelled() => self.checked(&uri, done.answer),
            Ticket::Check { .. } => {}
            Ticket::Request(id) => {
                // One that was cancelled is answered already.
                if let Some(pending) = self.pending.remove(&id) {
                    self.answered(id, &pending, done.answer);
                }
            }
        }
    }

    fn checked(&mut self, uri: &Url, answer: Result<Answer, Failure>) {
        let Some(document) = self.documents.get_mut(uri) else {
            return;
        };
        let found = match answer {
            Err(Failure::Cancelled) => return,
            Err(Failure::Failed(error)) => {
                let diagnostic = convert::failure(&error, document);
                ByDocument::from([(uri.clone(), vec![diagnostic])])
            }
            Err(failure) => {
                let message = failure.message().unwrap_or_default();
                let diagnostic = convert::whole(message, None, document);
                ByDocument::from([(uri.clone(), vec![diagnostic])])
            }
            Ok(Answer::Checked(mut checked)) => {
                document.reads = std::mem::take(&mut checked.reads);
                self.tell_unknown(checked.unknown_images);
                match self.documents.get(uri) {
                    Some(document) => {
                        let whole = (uri, document);
                        convert::findings(&checked.report, whole, &self.documents, self.abilities)
                    }
                    None => ByDocument::new(),
                }
            }
            Ok(_) => ByDocument::new(),
        };
        if let Some(document) = self.documents.get_mut(uri) {
            document.checked();
        }
        self.show(uri, found);
    }

    fn tell_unknown(&mut self, images: BTreeSet<String>) {
        for image in images {
            if self.unknown_images.insert(image.clone()) {
                let message = format!(
                    "nothing is known here of the image {image}: until a build has asked for it, checks take its \
                     configuration for an empty one (--online asks its registry)"
                );
                self.log(MessageType::INFO, message);
            }
        }
    }

    /// Shows the diagnostics of a build file, in its document and in others, instead of those before.
    pub(super) fn show(&mut self, uri: &Url, found: ByDocument) {
        let before = self.shown.insert(uri.clone(), found).unwrap_or_default();
        let now = self.shown.get(uri).into_iter().flat_map(ByDocument::keys);
        let mut changed: BTreeSet<Url> = before.into_keys().chain(now.cloned()).collect();
        // What others say of this document is theirs to change.
        let others = |(main, found): (&Url, &ByDocument)| main != uri && found.contains_key(uri);
        if !self.shown.iter().any(others) {
            changed.insert(uri.clone());
        }
        if self.documents.get(uri).is_none() {
            self.shown.remove(uri);
        }
        for target in changed {
            let of = |found: &ByDocument| found.get(&target).cloned().unwrap_or_default();
            let params = PublishDiagnosticsParams {
                diagnostics: self.shown.values().flat_map(of).collect(),
                version: self.documents.get(&target).map(|document| document.version),
                uri: target,
            };
            self.notify::<note::PublishDiagnostics>(params);
        }
    }

    fn answered(&mut self, id: RequestId, pending: &Pending, answer: Result<Answer, Failure>) {
        let document = self.documents.get_mut(&pending.uri);
        let document = document.filter(|document| document.generation == pending.generation);
        let Some(document) = document else {
            return self.refuse(id, ErrorCode::ContentModified, "the document has changed");
        };
        let value = match answer {
            Ok(Answer::Structure(structure)) => {
                document.symbols = symbols::symbols(&structure, &document.text);
                symbols_value(&document.symbols, &pending.uri, self.abilities)
            }
            Ok(Answer::Completions(found)) => {
                let items = convert::completions(found, &document.text, pending.position, self.abilities);
                serde_json::to_value(items)
            }
            Ok(Answer::Hover(Some(found))) => {
                serde_json::to_value(convert::hover(found, &document.text, self.abilities))
            }
            Ok(_) => Ok(Value::Null),
            Err(Failure::Cancelled) => {
                return self.refuse(id, ErrorCode::RequestCanceled, "cancelled");
            }
            // What is wrong stands among the diagnostics. An outline stays as it was.
            Err(failure) => {
                let last = symbols_value(&document.symbols, &pending.uri, self.abilities);
                if let Some(message) = failure.message() {
                    self.log(MessageType::LOG, message);
                }
                match pending.question {
                    Question::Structure => last,
                    _ => Ok(Value::Null),
                }
            }
        };
        match value {
            Ok(value) => self.send(Response::new_ok(id, value)),
            Err(error) => self.refuse(id, ErrorCode::InternalError, &error.to_string()),
        }
    }

    pub(super) fn refuse(&self, id: RequestId, code: ErrorCode, message: &str) {
        self.send(Response::new_err(id, code as i32, message.to_owned()));
    }

    pub(super) fn log(&self, typ: MessageType, message: String) {
        self.notify::<note::LogMessage>(LogMessageParams { typ, message });
    }

    fn notify<N: note::Notification>(&self, params: N::Params) {
        self.send(Notification::new(N::METHOD.to_owned(), params));
    }

    /// Sends; a client that is gone is noticed by the loop.
    pub(super) fn send(&self, message: impl Into<Message>) {
        let _ = self.connection.sender.send(message.into());
    }
}

fn symbols_value(
    found: &[lsp_types::DocumentSymbol],
    uri: &Url,
    abilities: Abilities,
) -> serde_json::Result<Value> {
    match abilities.nested_symbols {
        true => serde_json::to_value(found),
        false => serde_json::to_value(symbols::flat(found, uri)),
    }
}
