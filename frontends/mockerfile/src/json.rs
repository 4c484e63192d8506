//! JSON that is only written (RFC 8259). Knows nothing of what it says.

use std::fmt::{self, Write};

/// A value. Objects keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Makes a text.
    pub fn text(text: impl Into<String>) -> Self {
        Json::Text(text.into())
    }

    /// Makes a list of texts.
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Json::List(texts.into_iter().map(Json::text).collect())
    }

    /// Makes an object.
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        let fields = fields.into_iter();
        Json::Object(fields.map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Adds a field to an object.
    #[must_use]
    pub fn with(mut self, key: &str, value: Json) -> Self {
        if let Json::Object(fields) = &mut self {
            fields.push((key.to_owned(), value));
        }
        self
    }

    fn write(&self, out: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let line = |out: &mut fmt::Formatter<'_>, indent: usize| write!(out, "\n{:indent$}", "");
        match self {
            Json::Bool(value) => write!(out, "{value}"),
            Json::Number(value) => write!(out, "{value}"),
            Json::Text(text) => quoted(out, text),
            Json::List(items) if items.is_empty() => out.write_str("[]"),
            Json::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.write_char(if index == 0 { '[' } else { ',' })?;
                    line(out, indent + 2)?;
                    item.write(out, indent + 2)?;
                }
                line(out, indent)?;
                out.write_char(']')
            }
            Json::Object(fields) if fields.is_empty() => out.write_str("{}"),
            Json::Object(fields) => {
                for (index, (key, value)) in fields.iter().enumerate() {
                    out.write_char(if index == 0 { '{' } else { ',' })?;
                    line(out, indent + 2)?;
                    quoted(out, key)?;
                    out.write_str(": ")?;
                    value.write(out, indent + 2)?;
                }
                line(out, indent)?;
                out.write_char('}')
            }
        }
    }
}

impl fmt::Display for Json {
    /// Over several lines, two spaces a level.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(out, 0)
    }
}

fn quoted(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32)?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}
