//! The documents that the editor has open: their texts, what is known of them, and when they are to be checked.
//! Knows nothing of frontends' answers but that they are for one generation of a text.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use lapstrake_solver::CancelToken;
use lsp_types::{DocumentSymbol, TextDocumentContentChangeEvent, Url};

use super::settings::Settings;
use super::text::{Encoding, Text};
use crate::engine::editor::{OpenFiles, Page};
use crate::options::{BuildFile, CompileOptions, Context};

/// How far the check of a document is.
#[derive(Debug)]
pub enum Check {
    /// The text, and what it was checked with, are as they were.
    Done,
    /// It is to be checked at this time.
    Due(Instant),
    /// It is being checked.
    Running(CancelToken),
}

/// An open document.
#[derive(Debug)]
pub struct Document {
    /// The text.
    pub text: Text,
    /// The editor's number of it.
    pub version: i32,
    /// Goes up with every change.
    pub generation: u64,
    /// Whether the editor takes it for a Dockerfile, whatever it is called.
    pub meant: bool,
    /// Files that the last check looked at.
    pub reads: BTreeSet<PathBuf>,
    /// Its last symbols that there were: while somebody types, a text may have none.
    pub symbols: Vec<DocumentSymbol>,
    path: Option<PathBuf>,
    options: Arc<CompileOptions>,
    check: Check,
}

impl Document {
    /// Where it is on disk; none: nowhere.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its context.
    pub fn context(&self) -> Option<&Path> {
        match &self.options.context {
            Context::Directory(path) => Some(path),
            _ => None,
        }
    }

    /// How far its check is.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// The only place that changes how far the check is. One that runs is ended.
    pub fn set_check(&mut self, check: Check) {
        if let Check::Running(cancel) = std::mem::replace(&mut self.check, check) {
            cancel.cancel();
        }
    }

    /// The check came to its end, unless another one has begun.
    pub fn checked(&mut self) {
        self.set_check(Check::Done);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Documents {
    list: HashMap<Url, Document>,
    generation: u64,
    encoding: Encoding,
    /// The workspace's folders.
    folders: Vec<PathBuf>,
}

/// The path that others find a file by: links are followed, even where the file is not there yet.
pub fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    match parent.zip(path.file_name()) {
        Some((parent, name)) => parent.join(name),
        None => path.to_owned(),
    }
}

impl Documents {
    /// No documents yet.
    pub fn new(encoding: Encoding, folders: Vec<PathBuf>) -> Self {
        Self {
            encoding,
            folders: folders.iter().map(|folder| canonical(folder)).collect(),
            ..Self::default()
        }
    }

    /// A document.
    pub fn get(&self, uri: &Url) -> Option<&Document> {
        self.list.get(uri)
    }

    /// A document.
    pub fn get_mut(&mut self, uri: &Url) -> Option<&mut Document> {
        self.list.get_mut(uri)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Url, &Document)> {
        self.list.iter()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Url, &mut Document)> {
        self.list.iter_mut()
    }

    /// The document that is open at a path.
    pub fn at(&self, path: &Path) -> Option<(&Url, &Document)> {
        self.list
            .iter()
            .find(|(_, document)| document.path() == Some(path))
    }

    /// Takes a document in.
    pub fn open(&mut self, uri: Url, language: &str, version: i32, text: &str, settings: &Settings) {
        let path = uri.to_file_path().ok().map(|path| canonical(&path));
        self.generation += 1;
        let document = Document {
            text: Text::new(text, self.encoding),
            version,
            generation: self.generation,
            meant: matches!(language, "dockerfile" | "containerfile"),
            reads: BTreeSet::new(),
            symbols: Vec::new(),
            options: Arc::new(self.options(path.as_deref(), settings)),
            path,
            check: Check::Done,
        };
        self.list.insert(uri, document);
    }

    /// What the frontend of a document is told.
    fn options(&self, path: Option<&Path>, settings: &Settings) -> CompileOptions {
        let own = |path: &Path| {
            let folders = self.folders.iter().filter(|folder| path.starts_with(folder));
            let nearest = folders.max_by_key(|folder| folder.as_os_str().len());
            nearest.cloned().or_else(|| Some(path.parent()?.to_owned()))
        };
        let folder = settings.context.as_deref().map(canonical);
        let folder = folder.or_else(|| match path {
            Some(path) => own(path),
            None => self.folders.first().cloned(),
        });
        CompileOptions {
            context: folder
                .filter(|folder| folder.is_dir())
                .map_or(Context::Empty, Context::Directory),
            file: path.map_or(BuildFile::Given(Vec::new()), |path| {
                BuildFile::Path(path.to_owned())
            }),
            ..settings.compile.clone()
        }
    }

    /// Changes a document's text.
    pub fn change(&mut self, uri: &Url, version: i32, changes: Vec<TextDocumentContentChangeEvent>) {
        self.generation += 1;
        let Some(document) = self.list.get_mut(uri) else {
            return;
        };
        for change in changes {
            document.text = document.text.changed(change.range, &change.text);
        }
        document.version = version;
        document.generation = self.generation;
    }

    /// Forgets a document; what was being done for it is ended.
    pub fn close(&mut self, uri: &Url) -> Option<Document> {
        let mut document = self.list.remove(uri)?;
        document.set_check(Check::Done);
        Some(document)
    }

    /// A document as its frontend is asked about it.
    pub fn page(&self, uri: &Url) -> Option<Page> {
        let document = self.list.get(uri)?;
        let open: OpenFiles = self
            .list
            .values()
            .filter_map(|other| Some((other.path.clone()?, Arc::clone(other.text.text()))))
            .collect();
        Some(Page {
            options: Arc::clone(&document.options),
            text: Arc::clone(document.text.text()),
            open: Arc::new(open),
        })
    }

    /// Has a document checked at a time, and with it all whose last check looked at its file.
    pub fn check_at(&mut self, uri: &Url, path: Option<&Path>, time: Instant) {
        for (other, document) in &mut self.list {
            if other == uri || path.is_some_and(|path| document.reads.contains(path)) {
                document.set_check(Check::Due(time));
            }
        }
    }

    /// When the next check is to be begun.
    pub fn next_check(&self) -> Option<Instant> {
        let due = |document: &Document| match document.check {
            Check::Due(time) => Some(time),
            Check::Done | Check::Running(_) => None,
        };
        self.list.values().filter_map(due).min()
    }
}
