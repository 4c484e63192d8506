//! The JSON Schemas in `docs` are those that the types make, and they agree with the frontend about the cases: what builds
//! is valid, and what has an unknown key, lacks one or has one of another type is not.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lapstrake_mockerfile::findings::Findings;
use lapstrake_mockerfile::frontend::schema_of;
use lapstrake_mockerfile::model::Version;
use lapstrake_mockerfile::yaml::{self, Node, Value as Yaml};
use serde_json::Value;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

#[test]
fn the_files_are_what_the_types_say() {
    for version in Version::ALL {
        let file = folder("docs").join(format!("mockerfile-{}.schema.json", version.name()));
        let schema = schema_of(version);
        serde_json::from_str::<Value>(&schema).expect("the schema is JSON");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &schema).unwrap();
        }
        let shipped = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            shipped == schema,
            "{} is not what the types say: run with BLESS=1",
            file.display()
        );
    }
}

/// As much of JSON Schema as these two use; an unknown word is a panic.
fn is_valid(schema: &Value, node: &Node) -> bool {
    schema
        .as_object()
        .unwrap()
        .iter()
        .all(|(word, rule)| match word.as_str() {
            "$schema" | "title" | "description" | "properties" => true,
            "type" => match rule {
                Value::String(name) => is_type(name, node),
                names => names
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|name| is_type(name.as_str().unwrap(), node)),
            },
            "const" => is_text(node, |text| rule == text),
            "enum" => is_text(node, |text| {
                rule.as_array().unwrap().iter().any(|word| word == text)
            }),
            "pattern" => is_text(node, |text| {
                let hex = text.strip_prefix("sha256:").unwrap_or(text);
                hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
            "oneOf" => {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .filter(|one| is_valid(one, node))
                    .count()
                    == 1
            }
            "items" => match &node.value {
                Yaml::List(items) => items.iter().all(|item| is_valid(rule, item)),
                _ => true,
            },
            "required" => match &node.value {
                Yaml::Map(entries) => {
                    let keys: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
                    rule.as_array()
                        .unwrap()
                        .iter()
                        .all(|key| keys.contains(key.as_str().unwrap()))
                }
                _ => true,
            },
            "additionalProperties" => match &node.value {
                Yaml::Map(entries) => entries.iter().all(|entry| {
                    match (schema.get("properties").and_then(|all| all.get(&entry.key)), rule) {
                        (Some(property), _) => is_valid(property, &entry.value),
                        (None, Value::Bool(allowed)) => *allowed,
                        (None, other) => is_valid(other, &entry.value),
                    }
                }),
                _ => true,
            },
            other => panic!("the word {other} is unknown to this test"),
        })
}

fn is_text(node: &Node, good: impl Fn(&str) -> bool) -> bool {
    matches!(&node.value, Yaml::Scalar { text, .. } if good(text))
}

fn is_type(name: &str, node: &Node) -> bool {
    match (name, &node.value) {
        ("object", Yaml::Map(_)) | ("array", Yaml::List(_)) | ("string", Yaml::Scalar { .. }) => true,
        ("boolean", Yaml::Scalar { text, quoted }) => !quoted && matches!(text.as_str(), "true" | "false"),
        ("number", Yaml::Scalar { text, quoted }) => !quoted && text.parse::<f64>().is_ok(),
        _ => false,
    }
}

#[test]
fn they_agree_with_the_frontend() {
    let (mut valid, mut invalid) = (0, 0);
    for entry in fs::read_dir(folder("tests/cases/mockerfile")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(path.join("input")).unwrap();
        let findings = fs::read_to_string(path.join("diagnostics.txt")).unwrap_or_default();
        let Some(root) = yaml::load(&text, &mut Findings::new(&text)).root else {
            continue;
        };
        let version = match text.contains("v1alpha1") {
            true => Version::V1alpha1,
            false => Version::V1beta1,
        };
        let schema: Value = serde_json::from_str(&schema_of(version)).unwrap();
        let is_valid = is_valid(&schema, &root);
        if path.join("graph.txt").exists() {
            assert!(is_valid, "{} builds, and is not valid", path.display());
            valid += 1;
        }
        let wrong = [
            "error[UnknownKey]",
            "error[MissingKey] `apiVersion`",
            "error[WrongType]",
        ];
        if wrong.iter().any(|code| findings.contains(code)) {
            assert!(!is_valid, "{} is valid, and does not build", path.display());
            invalid += 1;
        }
    }
    assert!(valid > 20 && invalid > 4, "{valid} valid, {invalid} not");
}
