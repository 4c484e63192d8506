//! Completion and hover of the built-in languages, through the components that the program has.

use serde_json::{Value, json};

use super::started;

fn labels(found: &Value) -> Vec<&str> {
    let found = found.as_array().unwrap().iter();
    found.map(|item| item["label"].as_str().unwrap()).collect()
}

#[test]
fn dockerfiles_are_completed_and_explained() {
    let (place, mut client) = started();
    let path = place.path("context/Dockerfile");
    let text = "ARG TAG=1\nFROM scratch AS base\nFROM scratch\nCOPY --from= /a /\nRUN --mount=type=c\n";
    client.open(&path, "dockerfile", text);
    let found = client.at("textDocument/completion", &path, 3, 12);
    assert_eq!(labels(&found), ["base"]);
    assert_eq!(found[0]["kind"], 7);
    let edit = &found[0]["textEdit"];
    assert_eq!(edit["newText"], "base");
    let empty = json!({"start": {"line": 3, "character": 12}, "end": {"line": 3, "character": 12}});
    assert_eq!(edit["range"], empty);
    let found = client.at("textDocument/completion", &path, 4, 18);
    assert_eq!(labels(&found), ["cache"]);
    assert_eq!(found[0]["textEdit"]["range"]["start"]["character"], 17);
    // A flag has a page and writes its sign.
    client.change(&path, 2, "FROM scratch\nCOPY --li\n");
    let found = client.at("textDocument/completion", &path, 1, 9);
    assert_eq!(found[0]["textEdit"]["newText"], "--link");
    assert_eq!(found[0]["kind"], 10);
    assert_eq!(found[0]["documentation"]["kind"], "markdown");
    let hover = client.at("textDocument/hover", &path, 0, 1);
    assert_eq!(hover["contents"]["kind"], "markdown");
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(
        text.contains("https://docs.docker.com/reference/dockerfile/#from"),
        "{text}"
    );
    assert_eq!(hover["range"]["end"], json!({"line": 0, "character": 4}));
    assert_eq!(client.at("textDocument/hover", &path, 0, 12), Value::Null);
    assert_eq!(client.end(), 0);
}

#[test]
fn mockerfiles_and_nix_files_are_completed_and_explained() {
    let (place, mut client) = started();
    let path = place.path("context/Mockerfile.yaml");
    let text = "apiVersion: v1beta1\nimages:\n- name: a\n  pare\n";
    client.open(&path, "yaml", text);
    let found = client.at("textDocument/completion", &path, 3, 6);
    assert_eq!(labels(&found), ["parent"]);
    assert_eq!(found[0]["textEdit"]["newText"], "parent: ");
    let hover = client.at("textDocument/hover", &path, 2, 3);
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(text.contains("`--target`"), "{text}");

    // Also in a library.
    let path = place.path("context/lib.nix");
    client.open(&path, "nix", "let greeting = 1; in { x = greet; y = map; }\n");
    assert_eq!(client.diagnostics(&path, Some(1)), [] as [Value; 0]);
    let found = client.at("textDocument/completion", &path, 0, 32);
    assert_eq!(labels(&found), ["greeting"]);
    assert_eq!(found[0]["kind"], 6);
    let hover = client.at("textDocument/hover", &path, 0, 40);
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(text.contains("map function list"), "{text}");
    assert_eq!(client.end(), 0);
}
