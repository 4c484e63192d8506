//! What an editor asks while a Nix file is written: the names that a place sees, attributes of sets, functions and their
//! arguments, and what they mean. Works on files that cannot be parsed. Evaluates nothing and asks the host for nothing.

mod scope;
pub mod words;

use lapstrake_sdk::types::{Completion, CompletionKind, Hover, Position, Request, TextEdit};

use crate::builtins::GLOBAL;
use scope::{Binding, Syntax};
use words::Known;

/// Characters of a binding that a hover shows.
const MOST_SHOWN: usize = 400;

/// What could stand at a position of the build file.
pub fn completions(request: &Request, file: u32, at: Position) -> Vec<Completion> {
    let Some((text, index, offset)) = request.main_text_at(file, at) else {
        return Vec::new();
    };
    let Some(syntax) = Syntax::of(text) else {
        return Vec::new();
    };
    let word = word_before(text, offset);
    if syntax.is_text(offset) {
        return Vec::new();
    }
    let start = offset - word.len();
    let (path, typed) = match word.rsplit_once('.') {
        Some((path, typed)) => (path.split('.').collect(), typed),
        None => (Vec::new(), word),
    };
    let mut list = List {
        typed,
        found: Vec::new(),
    };
    match path.as_slice() {
        [] => plain(&mut list, &syntax, text, start),
        ["builtins"] => list.builtins(|_| true),
        path => {
            for binding in syntax.set(path, start).iter().flat_map(scope::entries) {
                list.binding(&binding);
            }
        }
    }
    let range = index.range(0, offset - typed.len()..offset);
    let found = list.found.into_iter().map(|(completion, text)| Completion {
        edit: Some(TextEdit { range, text }),
        ..completion
    });
    found.collect()
}

/// What is to be said about a position of the build file.
pub fn hover(request: &Request, file: u32, at: Position) -> Option<Hover> {
    let (text, index, offset) = request.main_text_at(file, at)?;
    let rest = &text[offset..];
    let end = offset + rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
    let syntax = Syntax::of(text)?;
    let word = word_before(text, end);
    if word.is_empty() || syntax.is_text(end) {
        return None;
    }
    let start = end - word.len();
    let (path, name) = match word.rsplit_once('.') {
        Some((path, name)) => (path.split('.').collect(), name),
        None => (Vec::new(), word),
    };
    let bound = |list: Vec<Binding>| list.into_iter().find(|binding| binding.name == name);
    let said = match path.as_slice() {
        [] => match bound(syntax.names(start)) {
            Some(binding) => shown(&binding),
            None => attribute(&syntax, text, start, name).or_else(|| global(name))?,
        },
        ["builtins"] => words::builtin(name)?.markdown(),
        path => shown(&bound(scope::entries(&syntax.set(path, start)?))?),
    };
    Some(Hover {
        text: said,
        range: Some(index.range(0, end - name.len()..end)),
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '\'' | '-')
}

/// The path of names that ends at a byte.
fn word_before(text: &str, offset: usize) -> &str {
    let before = &text[..offset];
    let rest = before.trim_end_matches(|c| is_of_name(c) || c == '.');
    let word = &before[rest.len()..];
    // What begins with a digit or a sign is a number.
    word.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '\'' | '.'))
}

/// What may come at a place, and the text to write.
struct List<'a> {
    typed: &'a str,
    found: Vec<(Completion, String)>,
}

impl List<'_> {
    fn add(&mut self, name: &str, kind: CompletionKind, detail: &str, documentation: &str) {
        let is_new = self.found.iter().all(|(known, _)| known.label != name);
        if is_new && name.to_lowercase().starts_with(&self.typed.to_lowercase()) {
            let completion = Completion {
                label: name.to_owned(),
                kind,
                detail: detail.to_owned(),
                documentation: documentation.to_owned(),
                edit: None,
            };
            self.found.push((completion, name.to_owned()));
        }
    }

    fn binding(&mut self, binding: &Binding) {
        let detail = one_line(&binding.node.to_string());
        self.add(
            &binding.name,
            CompletionKind::Variable,
            &detail,
            &comment(binding),
        );
    }

    fn builtins(&mut self, wanted: impl Fn(&Known) -> bool) {
        for known in words::BUILDS
            .iter()
            .chain(words::LANGUAGE)
            .filter(|known| wanted(known))
        {
            self.add(known.name, CompletionKind::Value, &known.signature(), known.text);
        }
    }
}

/// Completes a name without a path before it.
fn plain(list: &mut List<'_>, syntax: &Syntax, text: &str, start: usize) {
    if begins_attribute(text, start) {
        // `{ a }` is the beginning of a function to the parser, so what is typed is made an attribute.
        let rest = &text[start + list.typed.len()..];
        let patched = format!("{}_ = 0;{rest}", &text[..start]);
        let patched = (!rest.trim_start().starts_with(['=', '.'])).then(|| Syntax::of(&patched));
        let around = match patched {
            Some(syntax) => syntax.and_then(|syntax| syntax.around(start)),
            None => syntax.around(start),
        };
        if let Some((set, path)) = around {
            let there = scope::entries(&set);
            for (name, about) in attributes(&path) {
                if !there.iter().any(|binding| binding.name == *name) || list.typed == *name {
                    list.add(name, CompletionKind::Keyword, about, "");
                }
            }
        }
        list.add("inherit", CompletionKind::Keyword, "", "");
        return;
    }
    for binding in syntax.names(start) {
        list.binding(&binding);
    }
    let is_build = |known: &Known| words::BUILDS.iter().any(|build| build.name == known.name);
    list.builtins(|known| is_build(known) || GLOBAL.contains(&known.name));
    list.add(
        "builtins",
        CompletionKind::Variable,
        "the functions of the language",
        "",
    );
    for word in words::KEYWORDS {
        list.add(word, CompletionKind::Keyword, "", "");
    }
}

/// Whether a name at this byte is that of an attribute or a binding.
fn begins_attribute(text: &str, start: usize) -> bool {
    let before = text[..start].trim_end();
    // In `${…}` an expression is meant.
    let opens = before.ends_with('{') && !before.ends_with("${");
    opens || before.ends_with(';') || before.ends_with("let")
}

/// The attributes of a set at the end of a path from the function that it is for.
fn attributes(path: &[String]) -> &'static [(&'static str, &'static str)] {
    match path {
        [function] => words::arguments(function),
        [function, config] if function.starts_with("build") && config == "config" => words::CONFIG,
        _ => &[],
    }
}

/// What an attribute of the argument of a function means.
fn attribute(syntax: &Syntax, text: &str, start: usize, name: &str) -> Option<String> {
    if !begins_attribute(text, start) {
        return None;
    }
    let (_, path) = syntax.around(start)?;
    let (name, about) = attributes(&path).iter().find(|(known, _)| *known == name)?;
    Some(format!("`{name}`: {about}"))
}

fn global(name: &str) -> Option<String> {
    let plain = name.strip_prefix("__").unwrap_or(name);
    let known = words::builtin(plain)?;
    let is_global = words::BUILDS.iter().any(|build| build.name == name) || GLOBAL.contains(&name);
    (is_global || plain != name).then(|| known.markdown())
}

/// A binding as it is written, with the comment above it.
fn shown(binding: &Binding) -> String {
    let mut text = binding.node.to_string();
    if text.len() > MOST_SHOWN {
        let end = (0..=MOST_SHOWN).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push_str(" …");
    }
    let comment = comment(binding);
    let separator = if comment.is_empty() { "" } else { "\n" };
    format!("```nix\n{text}\n```{separator}{comment}")
}

fn one_line(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ").chars().take(80).collect()
}

/// The comment above a binding.
fn comment(binding: &Binding) -> String {
    let mut lines = Vec::new();
    let mut next = binding.node.prev_sibling_or_token();
    while let Some(token) = next.as_ref().and_then(|element| element.as_token()) {
        match token.kind() {
            rnix::SyntaxKind::TOKEN_COMMENT => {
                lines.push(token.text().trim_start_matches('#').trim().to_owned());
            }
            // A blank line ends it.
            rnix::SyntaxKind::TOKEN_WHITESPACE if token.text().matches('\n').count() < 2 => {}
            _ => break,
        }
        next = token.prev_sibling_or_token();
    }
    lines.reverse();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
