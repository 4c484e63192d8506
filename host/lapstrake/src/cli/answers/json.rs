//! Answers for programs, in the shapes of BuildKit's `result.json`. What BuildKit has no name for stands beside.

use lapstrake_frontend::{FrontendInfo, Outline, TargetInfo};
use lapstrake_llb::{SourceFile, SourceRange};
use serde_json::{Map, Value, json};

use super::{base64, location};

/// The stages that can be built: `frontend.targets`.
pub fn targets(targets: &[TargetInfo], sources: &[SourceFile]) -> Value {
    let target = |target: &TargetInfo| {
        let mut value = Map::new();
        put(&mut value, "name", &target.name);
        if target.is_default {
            value.insert("default".to_owned(), json!(true));
        }
        put(&mut value, "description", &target.description);
        put(&mut value, "base", &target.base);
        place(&mut value, target.range);
        Value::Object(value)
    };
    json!({ "targets": targets.iter().map(target).collect::<Vec<_>>(), "sources": texts(sources) })
}

/// What a target takes: `frontend.outline`. Empty parts are left out.
pub fn outline(outline: &Outline) -> Value {
    let mut value = Map::new();
    put(&mut value, "name", &outline.target.name);
    put(&mut value, "description", &outline.target.description);
    let args = outline.args.iter().map(|arg| {
        let mut value = Map::new();
        value.insert("name".to_owned(), json!(arg.name));
        put(&mut value, "description", &arg.description);
        put(
            &mut value,
            "value",
            arg.default_value.as_deref().unwrap_or_default(),
        );
        place(&mut value, arg.range);
        Value::Object(value)
    });
    list(&mut value, "args", args.collect());
    let named = |key: &str, names: &[String]| names.iter().map(|name| json!({ key: name })).collect();
    list(&mut value, "secrets", named("name", &outline.secrets));
    list(&mut value, "ssh", named("name", &outline.ssh));
    list(&mut value, "cache", named("ID", &outline.cache_ids));
    list(&mut value, "sources", texts(&outline.sources));
    Value::Object(value)
}

/// The files' texts, in base64.
fn texts(sources: &[SourceFile]) -> Vec<Value> {
    let texts = sources.iter().map(|source| json!(base64(&source.text)));
    texts.collect()
}

/// What can be asked: BuildKit's list of subrequests.
pub fn subrequests(info: &FrontendInfo) -> Value {
    let of = super::subrequests(info).into_iter().map(|(name, description)| {
        let named = |name: &str, description: &str| json!({ "name": name, "description": description });
        let opts = match name.as_str() {
            "outline" => json!([named("target", "The target that is built")]),
            "lint" | "targets" => json!([]),
            _ => Value::Null,
        };
        let status = (name == "lint").then_some("result.statuscode");
        let results = ["result.json", "result.txt"].into_iter().chain(status);
        let results: Vec<Value> = results.map(|result| named(result, "")).collect();
        json!({
            "name": format!("frontend.{name}"), "version": "1.0.0", "type": "rpc",
            "description": description, "opts": opts, "inputs": null, "metadata": results, "refs": null,
        })
    });
    of.collect()
}

fn put(value: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        value.insert(key.to_owned(), json!(text));
    }
}

fn list(value: &mut Map<String, Value>, key: &str, items: Vec<Value>) {
    if !items.is_empty() {
        value.insert(key.to_owned(), Value::Array(items));
    }
}

fn place(value: &mut Map<String, Value>, range: Option<SourceRange>) {
    if let Some(location) = range.and_then(|range| location(&[range])) {
        value.insert("location".to_owned(), location);
    }
}
