//! The beginning: what the client can do and wants, and what the server offers. Knows nothing of documents.

use std::path::PathBuf;

use lsp_server::Connection;
use lsp_types::{
    CompletionOptions, HoverProviderCapability, InitializeParams, InitializeResult, MarkupKind, OneOf,
    PositionEncodingKind, SaveOptions, ServerCapabilities, ServerInfo, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions,
};

use super::convert::Abilities;
use super::settings::Settings;
use super::text::Encoding;

/// Characters behind which something may be completed.
const TRIGGERS: [&str; 10] = ["$", "{", "=", "-", ",", ":", ".", "/", "@", " "];

/// Who is served.
pub struct Client {
    /// What it can show.
    pub abilities: Abilities,
    /// Folders of its workspace.
    pub folders: Vec<PathBuf>,
    /// Why its wishes were not taken in.
    pub complaint: Option<String>,
}

/// Shakes hands. None: the client went away.
pub fn begin(connection: &Connection, settings: &mut Settings) -> Option<Client> {
    let (id, params) = connection.initialize_start().ok()?;
    let params: InitializeParams = serde_json::from_value(params).unwrap_or_default();
    let abilities = abilities(&params);
    let folders = folders(&params);
    let wishes = params.initialization_options.unwrap_or_default();
    let taken = settings.wish(wishes, folders.first().map(PathBuf::as_path));
    let result = InitializeResult {
        capabilities: capabilities(abilities.encoding),
        server_info: Some(ServerInfo {
            name: "lapstrake".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    };
    let result = serde_json::to_value(result).ok()?;
    connection.initialize_finish(id, result).ok()?;
    Some(Client {
        abilities,
        folders,
        complaint: taken
            .err()
            .map(|problem| format!("the initializationOptions are not used: {problem}")),
    })
}

#[allow(deprecated, reason = "clients of before workspace folders have a root only")]
fn folders(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.iter().flatten();
    let mut folders: Vec<PathBuf> = folders
        .filter_map(|folder| folder.uri.to_file_path().ok())
        .collect();
    if folders.is_empty() {
        folders.extend(params.root_uri.as_ref().and_then(|uri| uri.to_file_path().ok()));
    }
    folders
}

fn abilities(params: &InitializeParams) -> Abilities {
    let general = params.capabilities.general.as_ref();
    let offered = general.and_then(|general| general.position_encodings.as_deref());
    let document = params.capabilities.text_document.as_ref();
    let has_markdown =
        |kinds: Option<&Vec<MarkupKind>>| kinds.is_some_and(|kinds| kinds.contains(&MarkupKind::Markdown));
    let hover = document.and_then(|document| document.hover.as_ref()?.content_format.as_ref());
    let completion = document.and_then(|document| {
        let item = document.completion.as_ref()?.completion_item.as_ref()?;
        item.documentation_format.as_ref()
    });
    let diagnostics = document.and_then(|document| document.publish_diagnostics.as_ref());
    let symbols = document.and_then(|document| document.document_symbol.as_ref());
    Abilities {
        encoding: encoding(offered.unwrap_or_default()),
        related: diagnostics.and_then(|known| known.related_information) == Some(true),
        hover_markdown: has_markdown(hover),
        completion_markdown: has_markdown(completion),
        nested_symbols: symbols.and_then(|known| known.hierarchical_document_symbol_support) == Some(true),
    }
}

/// Bytes where the client knows them, as frontends count them; else what it likes best.
fn encoding(offered: &[PositionEncodingKind]) -> Encoding {
    let known = |kind: &PositionEncodingKind| match kind.as_str() {
        "utf-8" => Some(Encoding::Utf8),
        "utf-16" => Some(Encoding::Utf16),
        "utf-32" => Some(Encoding::Utf32),
        _ => None,
    };
    if offered.contains(&PositionEncodingKind::UTF8) {
        return Encoding::Utf8;
    }
    offered.iter().find_map(known).unwrap_or_default()
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(match encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions {
                include_text: Some(false),
            })),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(TRIGGERS.map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        document_symbol_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_agreed_on() {
        let kind = |text: &'static str| PositionEncodingKind::new(text);
        assert_eq!(encoding(&[]), Encoding::Utf16);
        assert_eq!(encoding(&[kind("utf-16"), kind("utf-8")]), Encoding::Utf8);
        assert_eq!(encoding(&[kind("utf-32"), kind("utf-16")]), Encoding::Utf32);
        assert_eq!(encoding(&[kind("utf-7")]), Encoding::Utf16);
    }
}
