//! The small types of a file: texts, words of a list, pairs, command lines, checksums.
//! Knows nothing of which keys have them.

use std::ops::Deref;
use std::rc::Rc;

use super::read::{Reader, Shape, Version};
use super::types::{Manager, Sharing};
use crate::findings::{Span, did_you_mean};
use crate::json::Json;
use crate::yaml::{Node, Value};

/// A text and its place. A number or truth value is the text that it is written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text; never empty.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

fn type_of(name: &str) -> Json {
    Json::object([("type", Json::text(name))])
}

/// What is a text, or is written without quotes and read as one.
fn scalar() -> Json {
    Json::object([("type", Json::texts(["string", "number", "boolean"]))])
}

/// A text that may be empty.
fn any_text(node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    match &node.value {
        Value::Scalar { text, .. } if text.contains('\0') => {
            let message = "a text cannot have a NUL character in it";
            reader.findings.error("InvalidText", &node.span, message);
            None
        }
        Value::Scalar { text, .. } => Some(text.clone()),
        _ => {
            reader.expected(node, "a text");
            None
        }
    }
}

impl Shape for Text {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = any_text(node, reader)?;
        if text.trim().is_empty() {
            reader
                .findings
                .error("EmptyText", &node.span, "the text is empty");
            return None;
        }
        Some(Self {
            text,
            span: node.span.clone(),
        })
    }

    fn schema(_: Version) -> Json {
        scalar()
    }
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth(pub bool);

impl Shape for Truth {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        let value = match &node.value {
            Value::Scalar { text, quoted: false } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            reader
                .findings
                .error("WrongType", &node.span, "this is not `true` or `false`");
        }
        value.map(Self)
    }

    fn schema(_: Version) -> Json {
        type_of("boolean")
    }
}

/// One of a few words.
pub trait Words: Copy + 'static {
    /// The words and what they stand for.
    const WORDS: &'static [(&'static str, Self)];
}

impl Words for Manager {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("apt", Manager::Apt),
        ("apk", Manager::Apk),
        ("dnf", Manager::Dnf),
    ];
}

impl Words for Sharing {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("shared", Sharing::Shared),
        ("private", Sharing::Private),
        ("locked", Sharing::Locked),
    ];
}

impl Words for Version {
    const WORDS: &'static [(&'static str, Self)] =
        &[("v1alpha1", Version::V1alpha1), ("v1beta1", Version::V1beta1)];
}

/// Finds a word; none: it is another one, and a finding says so.
pub fn word<W: Words>(text: &str, span: &Span, reader: &mut Reader<'_>) -> Option<W> {
    if let Some((_, value)) = W::WORDS.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let words = || W::WORDS.iter().map(|(word, _)| *word);
    let all: Vec<&str> = words().collect();
    let help = did_you_mean(text, words()).unwrap_or_else(|| format!("write one of {}", all.join(", ")));
    let message = format!("`{text}` is none of the words that are possible here");
    reader.findings.error("UnknownWord", span, message).help(help);
    None
}

/// A word of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<W>(pub W);

impl<W: Words> Shape for Choice<W> {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = any_text(node, reader)?;
        word(&text, &node.span, reader).map(Self)
    }

    fn schema(_: Version) -> Json {
        Json::object([("enum", Json::texts(W::WORDS.iter().map(|(word, _)| *word)))])
    }
}

/// Names and values, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Name, its place, value, its place.
    pub pairs: Vec<(Text, Text)>,
}

impl Shape for Pairs {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            reader.expected(node, "a mapping");
            return None;
        };
        let mut pairs = Vec::new();
        for entry in entries {
            let span = entry.key_span.clone();
            if entry.key.is_empty() || entry.key.contains(['=', '\0', '\n']) {
                let message = format!("`{}` cannot be a name", entry.key.escape_debug());
                reader.findings.error("InvalidName", &span, message);
                continue;
            }
            if entry.value.value == Value::Null {
                let message = format!("`{}` has no value", entry.key);
                reader
                    .findings
                    .error("MissingValue", &span, message)
                    .help("an empty value is `\"\"`");
                continue;
            }
            let Some(text) = any_text(&entry.value, reader) else {
                continue;
            };
            let value = Text {
                text,
                span: entry.value.span.clone(),
            };
            let text = entry.key.clone();
            pairs.push((Text { text, span }, value));
        }
        Some(Self { pairs })
    }

    fn schema(_: Version) -> Json {
        type_of("object").with("additionalProperties", scalar())
    }
}

/// A command line: words, or one text for the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The words.
    Words(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

impl Shape for Command {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::List(items) => {
                let words = items.iter().filter_map(|item| any_text(item, reader));
                Some(Command::Words(words.collect()))
            }
            Value::Scalar { .. } => Text::read(node, reader).map(|text| Command::Shell(text.text)),
            _ => {
                reader.expected(node, "a list or a text for the shell");
                None
            }
        }
    }

    fn schema(_: Version) -> Json {
        let words = type_of("array").with("items", scalar());
        Json::object([("oneOf", Json::List(vec![words, type_of("string")]))])
    }
}

/// A SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256(String);

impl Sha256 {
    /// As a digest of the graph.
    pub fn digest(&self) -> String {
        format!("sha256:{}", self.0)
    }
}

impl Shape for Sha256 {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = any_text(node, reader)?;
        let hex = text.strip_prefix("sha256:").unwrap_or(&text);
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(Self(hex.to_ascii_lowercase()));
        }
        let message = match hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => format!("a SHA-256 has 64 hexadecimal digits, not {}", hex.len()),
            false => "a SHA-256 has 64 hexadecimal digits and nothing else".to_owned(),
        };
        reader
            .findings
            .error("InvalidChecksum", &node.span, message)
            .help("`sha256sum FILE` prints it");
        None
    }

    fn schema(_: Version) -> Json {
        type_of("string").with("pattern", Json::text("^(sha256:)?[0-9a-fA-F]{64}$"))
    }
}

/// The form of the file, which was found out before its keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion;

impl Shape for ApiVersion {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        any_text(node, reader).map(|_| Self)
    }

    fn schema(version: Version) -> Json {
        Json::object([("const", Json::text(version.name()))])
    }
}
