//! From the parser's events to nodes: aliases, merge keys, keys that are there twice, limits.
//! Knows nothing of what a file may say.

use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::{Document, Entry, Node, Value};
use crate::findings::{Findings, Span};

/// How deep lists and mappings may be in each other.
const MAX_DEPTH: usize = 64;
/// How many nodes a document may have, aliases expanded.
const MAX_NODES: usize = 100_000;

/// Reads the first document of a text. What cannot be read ends the reading; what came before is still there.
pub fn load(text: &str, findings: &mut Findings) -> Document {
    let mut loader = Loader {
        offsets: offsets(text),
        text,
        findings,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        nodes: 0,
    };
    let is_cut = loader.run().is_err();
    while !loader.open.is_empty() {
        loader.close(None);
    }
    Document {
        root: loader.root,
        is_cut,
    }
}

/// The byte of every character, and the end: the parser counts characters.
fn offsets(text: &str) -> Vec<usize> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect()
}

/// A list or mapping that is not yet at its end.
struct Open {
    start: usize,
    anchor: usize,
    is_map: bool,
    /// Of a list.
    items: Vec<Rc<Node>>,
    /// Of a mapping.
    entries: Vec<Entry>,
    /// Places of the entries by their keys.
    index: BTreeMap<String, usize>,
    /// The key that waits for its value; the inner none: one that cannot be a key.
    key: Option<Option<(String, Span, bool)>>,
    /// The end of the last node in it.
    end: usize,
}

impl Open {
    fn push(&mut self, entry: Entry) {
        self.index.insert(entry.key.clone(), self.entries.len());
        self.entries.push(entry);
    }
}

/// Reading ends: the reason is among the findings.
struct Stop;

struct Loader<'a> {
    offsets: Vec<usize>,
    text: &'a str,
    findings: &'a mut Findings,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    nodes: usize,
}

impl Loader<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let text = self.text;
        let mut parser = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, at) = event.map_err(|error| self.broken(&error))?;
            let span = self.span(at.start.index(), at.end.index());
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        self.findings
                            .error("SeveralDocuments", &span, "a second document begins here")
                            .help("a Mockerfile is one document: put all images into one `images` list");
                        return Ok(());
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    self.tag(tag.as_deref(), &span);
                    let span = self.quoted_span(span, style);
                    let quoted = style != ScalarStyle::Plain;
                    let is_null = !quoted && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                    let value = match is_null {
                        true => Value::Null,
                        false => Value::Scalar {
                            text: value.into_owned(),
                            quoted,
                        },
                    };
                    self.add(anchor, span, value)?;
                }
                Event::SequenceStart(anchor, tag) => self.begin(anchor, tag.as_deref(), span, false)?,
                Event::MappingStart(anchor, tag) => self.begin(anchor, tag.as_deref(), span, true)?,
                Event::SequenceEnd | Event::MappingEnd => self.close(Some(span)),
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    /// Bytes of characters, without line breaks and spaces at the end.
    fn span(&self, start: usize, end: usize) -> Span {
        let byte = |index: usize| self.offsets.get(index).copied().unwrap_or(self.text.len());
        let (start, end) = (byte(start), byte(end));
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end().len()
    }

    /// Leaves a comment out that comes after the quotes.
    fn quoted_span(&self, span: Span, style: ScalarStyle) -> Span {
        let quote = match style {
            ScalarStyle::SingleQuoted => '\'',
            ScalarStyle::DoubleQuoted => '"',
            _ => return span,
        };
        let text = self.text.get(span.clone()).unwrap_or_default();
        let mut chars = text
            .char_indices()
            .skip_while(|(_, c)| *c != quote)
            .skip(1)
            .peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quote == '"' => {
                    chars.next();
                }
                '\'' if quote == c && chars.next_if(|(_, next)| *next == quote).is_some() => {}
                c if c == quote => return span.start..span.start + at + 1,
                _ => {}
            }
        }
        span
    }

    fn broken(&mut self, error: &ScanError) -> Stop {
        let at = error.marker().index();
        let byte = self.offsets.get(at).copied().unwrap_or(self.text.len());
        let rest = self.text.get(byte..).unwrap_or_default();
        let width = match rest.chars().next() {
            Some(c) if !c.is_whitespace() => c.len_utf8(),
            _ => 0,
        };
        let help = error
            .info()
            .contains("tab")
            .then(|| "YAML is indented with spaces, never with tabs".to_owned());
        self.findings
            .error(
                "InvalidYaml",
                &(byte..byte + width),
                format!("this is not YAML: {}", error.info()),
            )
            .maybe_help(help);
        Stop
    }

    fn tag(&mut self, tag: Option<&Tag>, span: &Span) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.findings
                .error("UnknownTag", span, format!("the tag `{tag}` means nothing here"))
                .help("remove it");
        }
    }

    fn begin(&mut self, anchor: usize, tag: Option<&Tag>, span: Span, is_map: bool) -> Result<(), Stop> {
        self.tag(tag, &span);
        self.check_depth(1, &span)?;
        self.open.push(Open {
            start: span.start,
            anchor,
            is_map,
            items: Vec::new(),
            entries: Vec::new(),
            index: BTreeMap::new(),
            key: None,
            end: span.end,
        });
        Ok(())
    }

    fn check_depth(&mut self, more: usize, span: &Span) -> Result<(), Stop> {
        if self.open.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        let message = format!("lists and mappings are in each other more than {MAX_DEPTH} deep");
        self.findings.error("TooDeep", span, message);
        Err(Stop)
    }

    /// Ends the innermost list or mapping.
    fn close(&mut self, end: Option<Span>) {
        let Some(open) = self.open.pop() else { return };
        let end = end
            .filter(|span| !span.is_empty())
            .map_or(open.end, |span| span.end);
        let value = match open.is_map {
            true => Value::Map(open.entries),
            false => Value::List(open.items),
        };
        // Where there are too many values, that was said, and the reading ended.
        let _ = self.add(open.anchor, open.start..end.max(open.start), value);
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            self.findings.error(
                "RecursiveAlias",
                &span,
                "this alias is inside of what it stands for",
            );
            return Err(Stop);
        };
        self.count(node.weight, &span)?;
        self.check_depth(node.depth, &span)?;
        self.place(node, span);
        Ok(())
    }

    fn count(&mut self, weight: usize, span: &Span) -> Result<(), Stop> {
        let before = self.nodes;
        self.nodes = before.saturating_add(weight);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        if before > MAX_NODES {
            // Said already; what is open is being closed.
            return Err(Stop);
        }
        let message = format!("the file has more than {MAX_NODES} values, aliases expanded");
        self.findings.error("TooManyValues", span, message);
        Err(Stop)
    }

    fn add(&mut self, anchor: usize, span: Span, value: Value) -> Result<(), Stop> {
        self.count(1, &span)?;
        let node = Rc::new(Node::new(span.clone(), value));
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node, span);
        Ok(())
    }

    /// Puts a node where the next one belongs. `at` is where it is named, which is its alias's place for an alias.
    fn place(&mut self, node: Rc<Node>, at: Span) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        open.end = open.end.max(at.end);
        if !open.is_map {
            open.items.push(node);
            return;
        }
        match open.key.take() {
            None => {
                open.key = Some(match &node.value {
                    Value::Scalar { text, quoted } => Some((text.clone(), at, *quoted)),
                    _ => {
                        self.findings.error(
                            "InvalidKey",
                            &at,
                            format!("a key is a text, not {}", node.kind()),
                        );
                        None
                    }
                });
            }
            Some(None) => {}
            Some(Some((key, key_span, quoted))) if key == "<<" && !quoted => {
                self.merge(&node, &key_span);
            }
            Some(Some((key, key_span, _))) => self.entry(key, key_span, node),
        }
    }

    fn entry(&mut self, key: String, key_span: Span, value: Rc<Node>) {
        let Some(open) = self.open.last_mut() else { return };
        let known = open.index.get(&key).and_then(|at| open.entries.get_mut(*at));
        match known {
            // What is merged into a mapping gives way to what the mapping says itself.
            Some(entry) if !is_inside(&entry.key_span, open.start, open.end) => {
                (entry.key_span, entry.value) = (key_span, value);
            }
            Some(entry) => {
                let first = entry.key_span.clone();
                self.findings
                    .error("DuplicateKey", &key_span, format!("`{key}` is there twice"))
                    .related(&first, "first here");
            }
            None => open.push(Entry { key, key_span, value }),
        }
    }

    /// `<<: *anchor`: the entries of a mapping, or of a list of them, that are not there yet.
    fn merge(&mut self, node: &Node, key_span: &Span) {
        let maps: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().map(|item| &**item).collect(),
            _ => vec![node],
        };
        for map in maps {
            let Value::Map(entries) = &map.value else {
                self.findings
                    .error(
                        "InvalidMerge",
                        key_span,
                        format!("`<<` takes mappings, not {}", map.kind()),
                    )
                    .help("name a mapping: `<<: *anchor`");
                continue;
            };
            let Some(open) = self.open.last_mut() else { return };
            for entry in entries {
                if !open.index.contains_key(&entry.key) {
                    open.push(entry.clone());
                }
            }
        }
    }
}

fn is_inside(span: &Span, start: usize, end: usize) -> bool {
    start <= span.start && span.end <= end
}
