//! What frontends say, in the protocol's words: diagnostics of one or more files, completions, hovers.
//! Knows nothing of when they are sent.

use std::collections::BTreeMap;
use std::path::Path;

use lapstrake_frontend as frontend;
use lapstrake_llb::{Diagnostic as Finding, Report, Severity, SourceRange};
use lsp_types::{
    CodeDescription, CompletionItem, CompletionItemKind, CompletionTextEdit, Diagnostic,
    DiagnosticRelatedInformation, DiagnosticSeverity, Documentation, Hover, HoverContents, Location,
    MarkupContent, MarkupKind, NumberOrString, Position, Range, TextEdit, Url,
};

use super::documents::{Document, Documents, canonical};
use super::text::{Encoding, Text};
use crate::error::{self, Error, chain};

/// What a client can show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Abilities {
    /// Columns.
    pub encoding: Encoding,
    /// Other places beside a diagnostic's.
    pub related: bool,
    /// Markdown in hovers.
    pub hover_markdown: bool,
    /// Markdown in completions.
    pub completion_markdown: bool,
    /// Symbols in symbols.
    pub nested_symbols: bool,
}

/// Diagnostics by the document that they are shown in.
pub type ByDocument = BTreeMap<Url, Vec<Diagnostic>>;

/// What the parts of a finding are about.
struct File {
    uri: Url,
    text: Text,
}

/// Converts what was found in a document.
pub fn findings(
    report: &Report,
    (uri, document): (&Url, &Document),
    documents: &Documents,
    abilities: Abilities,
) -> ByDocument {
    let files: Vec<Option<File>> = report
        .sources
        .iter()
        .map(|source| file(source, (uri, document), documents, abilities.encoding))
        .collect();
    let file = |range: &SourceRange| files.get(range.file as usize)?.as_ref();
    let mut out = ByDocument::new();
    for item in &report.items {
        let (at, range) = match item.ranges.first() {
            Some(first) => match file(first) {
                Some(file) => (file.uri.clone(), file.text.range(*first)),
                None => (uri.clone(), fallback(&document.text)),
            },
            None => (uri.clone(), fallback(&document.text)),
        };
        let other = item.ranges.iter().skip(1).map(|range| ("also here", range));
        let related = item
            .related
            .iter()
            .map(|related| (related.message.as_str(), &related.range));
        let related = other.chain(related).filter_map(|(message, range)| {
            let file = file(range)?;
            Some(DiagnosticRelatedInformation {
                location: Location::new(file.uri.clone(), file.text.range(*range)),
                message: message.to_owned(),
            })
        });
        let related: Vec<_> = related.collect();
        let diagnostic = Diagnostic {
            related_information: (abilities.related && !related.is_empty()).then_some(related),
            ..finding(item, range)
        };
        out.entry(at).or_default().push(diagnostic);
    }
    out
}

/// The file of a report's source. None: there is no such file that an editor could show.
fn file(
    source: &lapstrake_llb::SourceFile,
    (uri, document): (&Url, &Document),
    documents: &Documents,
    encoding: Encoding,
) -> Option<File> {
    let path = document
        .context()
        .map(|folder| canonical(&folder.join(&source.name)));
    let of = |uri: &Url| File {
        uri: uri.clone(),
        text: Text::new(source.text.as_str(), encoding),
    };
    if **document.text.text() == *source.text {
        return Some(of(uri));
    }
    let path = path?;
    if let Some((uri, _)) = documents.at(&path) {
        return Some(of(uri));
    }
    let is_file = path.is_file() && Path::new(&source.name).is_relative();
    let uri = is_file.then(|| Url::from_file_path(&path).ok()).flatten()?;
    Some(of(&uri))
}

fn finding(item: &Finding, range: Range) -> Diagnostic {
    let mut message = item.message.clone();
    if let Some(help) = &item.help {
        message.push_str("\nhelp: ");
        message.push_str(help);
    }
    let href = item.url.as_deref().and_then(|url| Url::parse(url).ok());
    let code = Some(item.code.clone()).filter(|code| !code.is_empty());
    Diagnostic {
        range,
        severity: Some(match item.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
            Severity::Info => DiagnosticSeverity::INFORMATION,
            Severity::Hint => DiagnosticSeverity::HINT,
        }),
        // A description without a code has no place to be shown at.
        code_description: code.as_ref().and(href).map(|href| CodeDescription { href }),
        code: code.map(NumberOrString::String),
        source: Some("lapstrake".to_owned()),
        message,
        ..Diagnostic::default()
    }
}

/// Where a finding without a place is shown: at the syntax line, else at the first line.
fn fallback(text: &Text) -> Range {
    match frontend::syntax::detect(text.text().as_bytes()) {
        Some(line) => text.range(line.range),
        None => text.first_line(),
    }
}

/// A failure that is about the frontend, or about all of a document.
pub fn failure(error: &Error, document: &Document) -> Diagnostic {
    let place = match error {
        Error::Resolve { place, .. } | Error::Component { place, .. } | Error::Trust { place, .. } => {
            place.as_deref().map(|(_, range)| *range)
        }
        Error::Frontend(failure) => failure.place.as_ref().map(|(_, range)| *range),
        _ => None,
    };
    let mut message = match error {
        Error::Frontend(failure) => chain(&failure.source),
        other => chain(other),
    };
    let help = error.hint().or_else(|| match error {
        Error::Frontend(failure) => error::frontend_help(&failure.source).map(str::to_owned),
        _ => None,
    });
    if let Some(help) = help {
        message.push_str("\nhelp: ");
        message.push_str(&help);
    }
    whole(message, place, document)
}

/// A message about a document as a whole.
pub fn whole(message: String, place: Option<SourceRange>, document: &Document) -> Diagnostic {
    Diagnostic {
        range: place.map_or_else(|| fallback(&document.text), |range| document.text.range(range)),
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some("lapstrake".to_owned()),
        message,
        ..Diagnostic::default()
    }
}

fn markup(value: String, markdown: bool) -> MarkupContent {
    let kind = match markdown {
        true => MarkupKind::Markdown,
        false => MarkupKind::PlainText,
    };
    MarkupContent { kind, value }
}

/// What could stand at a position.
pub fn completions(
    found: Vec<frontend::Completion>,
    text: &Text,
    at: Position,
    abilities: Abilities,
) -> Vec<CompletionItem> {
    use frontend::CompletionKind as Kind;
    let item = |(number, completion): (usize, frontend::Completion)| {
        let edit = match &completion.edit {
            Some(edit) => TextEdit::new(text.range(edit.range), edit.text.clone()),
            None => TextEdit::new(Range::new(at, at), completion.label.clone()),
        };
        let documentation = Some(completion.documentation).filter(|text| !text.is_empty());
        CompletionItem {
            kind: Some(match completion.kind {
                Kind::Keyword => CompletionItemKind::KEYWORD,
                Kind::Flag => CompletionItemKind::PROPERTY,
                Kind::Variable => CompletionItemKind::VARIABLE,
                Kind::Value => CompletionItemKind::VALUE,
                Kind::Target => CompletionItemKind::CLASS,
                Kind::File => CompletionItemKind::FILE,
                Kind::Image => CompletionItemKind::REFERENCE,
            }),
            detail: Some(completion.detail).filter(|text| !text.is_empty()),
            documentation: documentation
                .map(|text| Documentation::MarkupContent(markup(text, abilities.completion_markdown))),
            // What is typed is compared with what would be there.
            filter_text: Some(edit.new_text.clone()).filter(|text| *text != completion.label),
            text_edit: Some(CompletionTextEdit::Edit(edit)),
            // The frontend's order.
            sort_text: Some(format!("{number:05}")),
            label: completion.label,
            ..CompletionItem::default()
        }
    };
    found.into_iter().enumerate().map(item).collect()
}

/// What is known of a position.
pub fn hover(found: frontend::Hover, text: &Text, abilities: Abilities) -> Hover {
    Hover {
        contents: HoverContents::Markup(markup(found.text, abilities.hover_markdown)),
        range: found
            .range
            .filter(|range| range.file == 0)
            .map(|range| text.range(range)),
    }
}
