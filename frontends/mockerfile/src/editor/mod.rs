//! What an editor asks while a Mockerfile is written: the keys and values that the file's JSON Schema has at a place, the
//! names of the file's images, and what they mean. Works on files that cannot be read. Asks the host for nothing.

mod path;

use lapstrake_sdk::types::{Completion, CompletionKind, Hover, Position, Request, TextEdit};

use crate::findings::Findings;
use crate::json::Json;
use crate::model::{self, Mockerfile, Version};
use path::{Place, Step};

/// What could stand at a position of the build file.
pub fn completions(request: &Request, file: u32, at: Position) -> Vec<Completion> {
    let Some((text, index, offset)) = request.main_text_at(file, at) else {
        return Vec::new();
    };
    let Some(place) = path::find(text, offset) else {
        return Vec::new();
    };
    let known = model::read(request, &mut Findings::new(text));
    let found = match &place.key {
        None => keys(&place, known.version),
        Some(key) => values(&place, key, &known),
    };
    let typed = text[place.part.clone()].to_lowercase();
    let range = index.range(0, place.part.clone());
    let list = found
        .into_iter()
        .filter(|(_, text)| text.to_lowercase().starts_with(&typed));
    list.map(|(completion, text)| Completion {
        edit: Some(TextEdit { range, text }),
        ..completion
    })
    .collect()
}

/// What is to be said about a position of the build file.
pub fn hover(request: &Request, file: u32, at: Position) -> Option<Hover> {
    let (text, index, offset) = request.main_text_at(file, at)?;
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let rest = &text[offset..];
    let end = offset + rest.find(|c: char| !belongs(c)).unwrap_or(rest.len());
    let place = path::find(text, end)?;
    let word = &text[place.part.clone()];
    let known = model::read(request, &mut Findings::new(text));
    let said = match &place.key {
        None => {
            let schema = property(&schema_at(&place.path, known.version)?, word)?;
            let text = description(&schema)?;
            format!("`{word}`{}: {text}", of_choices(&schema))
        }
        Some(key) if is_image_name(&place.path, key) => image(&known, word)?,
        Some(_) => return None,
    };
    Some(Hover {
        text: said,
        range: Some(index.range(0, place.part)),
    })
}

/// The schema of what a path leads to.
fn schema_at(path: &[Step], version: Version) -> Option<Json> {
    let mut schema = model::schema(version);
    for step in path {
        schema = match step {
            Step::Key(key) => property(&schema, key)?,
            Step::Item => find(&schema, &|schema| field(schema, "items").cloned())?,
        };
    }
    Some(schema)
}

/// What a schema says, or the first of its alternatives that says something.
fn find(schema: &Json, ask: &dyn Fn(&Json) -> Option<Json>) -> Option<Json> {
    if let Some(found) = ask(schema) {
        return Some(found);
    }
    let Some(Json::List(alternatives)) = field(schema, "oneOf") else {
        return None;
    };
    alternatives.iter().find_map(|schema| find(schema, ask))
}

fn property(schema: &Json, key: &str) -> Option<Json> {
    find(schema, &|schema| {
        field(field(schema, "properties")?, key).cloned()
    })
}

fn field<'a>(json: &'a Json, key: &str) -> Option<&'a Json> {
    match json {
        Json::Object(fields) => fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value),
        _ => None,
    }
}

fn description(schema: &Json) -> Option<&str> {
    match field(schema, "description")? {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

/// The words that a schema allows.
fn choices(schema: &Json) -> Vec<String> {
    let text = |json: &Json| match json {
        Json::Text(text) => Some(text.clone()),
        _ => None,
    };
    match (field(schema, "enum"), field(schema, "type")) {
        (Some(Json::List(list)), _) => list.iter().filter_map(text).collect(),
        (_, Some(Json::Text(kind))) if kind == "boolean" => vec!["true".to_owned(), "false".to_owned()],
        _ => Vec::new(),
    }
}

fn of_choices(schema: &Json) -> String {
    let list = choices(schema);
    match list.is_empty() {
        true => String::new(),
        false => format!(" ({})", list.join(", ")),
    }
}

/// Whether a value goes on in the lines after its key.
fn is_block(schema: &Json) -> bool {
    let of = |schema: &Json| match field(schema, "type") {
        Some(Json::Text(kind)) => kind == "object" || kind == "array",
        _ => false,
    };
    of(schema)
        || matches!(field(schema, "oneOf"), Some(Json::List(list)) if !list.is_empty() && list.iter().all(of))
}

fn completion(label: &str, kind: CompletionKind, detail: String, documentation: &str) -> Completion {
    Completion {
        label: label.to_owned(),
        kind,
        detail,
        documentation: documentation.to_owned(),
        edit: None,
    }
}

/// The keys of the mapping that are not there yet, and the texts to write.
fn keys(place: &Place, version: Version) -> Vec<(Completion, String)> {
    let properties = schema_at(&place.path, version)
        .and_then(|schema| find(&schema, &|schema| field(schema, "properties").cloned()));
    let Some(Json::Object(fields)) = properties else {
        return Vec::new();
    };
    let is_new = |key: &String| !place.siblings.contains(key);
    let fields = fields.into_iter().filter(|(key, _)| is_new(key));
    fields
        .map(|(key, schema)| {
            let about = description(&schema).unwrap_or_default();
            let text = match is_block(&schema) {
                true => format!("{key}:"),
                false => format!("{key}: "),
            };
            let detail = choices(&schema).join(" | ");
            (completion(&key, CompletionKind::Keyword, detail, about), text)
        })
        .collect()
}

/// Whether the value of a key is an image of the file.
fn is_image_name(path: &[Step], key: &str) -> bool {
    let in_copy = path.contains(&Step::Key("copy".to_owned()));
    key == "parent" || (key == "from" && in_copy)
}

fn values(place: &Place, key: &str, known: &Mockerfile) -> Vec<(Completion, String)> {
    if place.path.is_empty() && key == "apiVersion" {
        let versions = [Version::V1beta1, Version::V1alpha1].map(Version::name);
        return versions.map(|name| value(name, CompletionKind::Value)).to_vec();
    }
    if is_image_name(&place.path, key) {
        let mut found: Vec<(Completion, String)> = Vec::new();
        for image in &known.images {
            let Some(name) = &image.name else { continue };
            let about = image.description.as_ref().map_or("", |text| text.text.as_str());
            let from = image.from.as_ref().map(|from| format!("from {}", from.text));
            let detail = from.unwrap_or_default();
            found.push((
                completion(name, CompletionKind::Target, detail, about),
                name.text.clone(),
            ));
        }
        return found;
    }
    let schema = schema_at(&place.path, known.version).and_then(|schema| property(&schema, key));
    let words = schema.map(|schema| choices(&schema)).unwrap_or_default();
    words
        .iter()
        .map(|word| value(word, CompletionKind::Value))
        .collect()
}

fn value(word: &str, kind: CompletionKind) -> (Completion, String) {
    (completion(word, kind, String::new(), ""), word.to_owned())
}

/// What an image of the file is.
fn image(known: &Mockerfile, name: &str) -> Option<String> {
    let image = known.images.get(known.find(name)?)?;
    let mut text = format!("Image `{name}`");
    if let Some(from) = image.from.as_ref().or(image.parent.as_ref()) {
        text.push_str(&format!(", begins with `{}`", from.text));
    }
    if let Some(description) = &image.description {
        text.push_str(&format!(": {}", description.text));
    }
    Some(text)
}

#[cfg(test)]
mod tests;
