//! The language server: a client over standard input and output asks what an editor asks, of the built-in frontends and of
//! components that a file names.

mod client;
mod frontends;
mod languages;
mod neovim;

use lapstrake_tests::Place;
use serde_json::{Value, json};

use client::{Client, uri};

/// A place and a client whose workspace is the place's context.
fn started() -> (Place, Client) {
    let place = Place::new();
    let client = Client::start(&place, &[], Value::Null);
    (place, client)
}

/// The rules of diagnostics.
fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics
        .iter()
        .map(|item| item["code"].as_str().unwrap_or_default())
        .collect()
}

#[test]
fn it_says_what_it_can() {
    let (_place, client) = started();
    let said = &client.initialized;
    assert_eq!(said["serverInfo"]["name"], "lapstrake");
    let can = &said["capabilities"];
    assert_eq!(can["positionEncoding"], "utf-16");
    assert_eq!(can["textDocumentSync"]["change"], 2);
    assert_eq!(can["hoverProvider"], true);
    assert_eq!(can["documentSymbolProvider"], true);
    assert!(can["completionProvider"]["triggerCharacters"].is_array());
    assert_eq!(client.end(), 0);
}

#[test]
fn a_client_that_vanishes_is_noticed() {
    let (_place, client) = started();
    assert_eq!(client.vanish(), 1);
}

#[test]
fn findings_have_places_severities_rules_and_pages() {
    let (place, mut client) = started();
    let path = place.path("context/Dockerfile");
    client.open(&path, "dockerfile", "from scratch AS ä𝄞\nCOPY x /\nRNU y\n");
    let found = client.diagnostics(&path, Some(1));
    let of = |code: &str| {
        let mut all = found.iter().filter(|item| item["code"] == code);
        all.next()
            .unwrap_or_else(|| panic!("no {code}: {found:#?}"))
            .clone()
    };
    let wrong = of("UnknownInstruction");
    assert_eq!(wrong["severity"], 1);
    assert_eq!(wrong["source"], "lapstrake");
    let range = json!({"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 3}});
    assert_eq!(wrong["range"], range);
    let message = wrong["message"].as_str().unwrap();
    assert!(
        message.contains("RNU") && message.contains("help: did you mean"),
        "{message}"
    );

    // Only when it was read whole are the checks run.
    client.change(&path, 2, "from scratch AS ä𝄞\nCOPY x /\nCMD y\n");
    let found = client.diagnostics(&path, Some(2));
    let casing = found
        .iter()
        .find(|item| item["code"] == "ConsistentInstructionCasing")
        .unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(casing["severity"], 2);
    let page = casing["codeDescription"]["href"].as_str().unwrap();
    assert!(page.starts_with("https://docs.docker.com/"), "{page}");
    client.change(&path, 3, "FROM scratch\nCOPY x /\n");
    assert_eq!(client.diagnostics(&path, Some(3)), [] as [Value; 0]);
    assert_eq!(client.end(), 0);
}

#[test]
fn columns_count_what_was_agreed() {
    // The finding is behind a character of four bytes, two units and one character.
    let text = "FROM scratch\nCOPY --from=𝄞 x /\nCOPY --frm=\"𝄞\" --chwn=1 x /\n";
    for (encoding, column) in [("utf-8", 18), ("utf-16", 16), ("utf-32", 15)] {
        let place = Place::new();
        let path = place.path("context/Dockerfile");
        let able = json!({"general": {"positionEncodings": [encoding]}});
        let mut client = Client::with(&place, &[], Value::Null, able);
        let said = &client.initialized["capabilities"]["positionEncoding"];
        assert_eq!(said, encoding);
        client.open(&path, "dockerfile", text);
        let found = client.diagnostics(&path, Some(1));
        let starts: Vec<&Value> = found
            .iter()
            .filter(|item| item["message"].as_str().unwrap().contains("chwn"))
            .map(|item| &item["range"]["start"])
            .collect();
        assert_eq!(
            starts,
            [&json!({"line": 2, "character": column})],
            "{encoding}: {found:#?}"
        );
    }
}

#[test]
fn changes_of_parts_are_taken_in() {
    let (place, mut client) = started();
    let path = place.path("context/Dockerfile");
    client.open(&path, "dockerfile", "FROM scratch\r\n# 𝄞 a\r\nRNU x\r\n");
    assert_eq!(codes(&client.diagnostics(&path, Some(1))), ["UnknownInstruction"]);
    let part = |line, from, to, text: &str| {
        json!({
            "range": {"start": {"line": line, "character": from}, "end": {"line": line, "character": to}},
            "text": text,
        })
    };
    // Two in one message; the second is about the text after the first.
    let changes = json!([part(1, 2, 4, "b\nRNU"), part(3, 0, 3, "CMD")]);
    client.edit(&path, 2, changes);
    let found = client.diagnostics(&path, Some(2));
    assert_eq!(codes(&found)[0], "UnknownInstruction", "{found:#?}");
    assert_eq!(found[0]["range"]["start"], json!({"line": 2, "character": 0}));
    client.edit(&path, 3, json!([part(2, 0, 3, "#")]));
    assert!(!codes(&client.diagnostics(&path, Some(3))).contains(&"UnknownInstruction"));
}

#[test]
fn an_outline_has_the_targets_with_their_arguments() {
    let (place, mut client) = started();
    let path = place.path("context/Dockerfile");
    let text =
        "ARG TAG=1\nFROM scratch AS base\n# what is built\nARG WHAT=x\nCOPY $WHAT /\nFROM base\nCOPY y /\n";
    client.open(&path, "dockerfile", text);
    let params = json!({"textDocument": {"uri": uri(&path)}});
    let found = client.ask("textDocument/documentSymbol", params.clone());
    let names: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|symbol| &symbol["name"])
        .collect();
    assert_eq!(names, ["TAG", "base", "base"], "{found:#}");
    assert_eq!(found[1]["children"][0]["name"], "WHAT");
    assert!(
        found[1]["children"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("= x"),
        "{found:#}"
    );
    // A text that cannot be read for the moment keeps the outline that it had.
    client.change(&path, 2, &format!("{text}RNU"));
    let later = client.ask("textDocument/documentSymbol", params);
    assert_eq!(later, found);
    assert_eq!(client.end(), 0);
}

#[test]
fn what_is_no_build_file_is_left_alone() {
    let (place, mut client) = started();
    let notes = place.path("context/notes.yaml");
    client.open(&notes, "yaml", "a: [\n");
    assert_eq!(client.diagnostics(&notes, Some(1)), [] as [Value; 0]);
    assert_eq!(client.at("textDocument/hover", &notes, 0, 0), Value::Null);
    // Named by its language.
    let other = place.path("context/other");
    client.open(&other, "dockerfile", "RNU\n");
    assert!(codes(&client.diagnostics(&other, Some(1))).contains(&"UnknownInstruction"));
    assert_eq!(client.end(), 0);
}

#[test]
fn what_is_wrong_goes_when_a_document_is_closed() {
    let (place, mut client) = started();
    let path = place.path("context/Dockerfile");
    client.open(&path, "dockerfile", "RNU\n");
    assert!(!client.diagnostics(&path, Some(1)).is_empty());
    client.notify(
        "textDocument/didClose",
        json!({"textDocument": {"uri": uri(&path)}}),
    );
    assert_eq!(client.diagnostics(&path, None), [] as [Value; 0]);
    let id = client.begin(
        "textDocument/hover",
        json!({"textDocument": {"uri": uri(&path)}, "position": {"line": 0, "character": 0}}),
    );
    assert_eq!(client.response(id)["error"]["code"], -32602);
    assert_eq!(client.end(), 0);
}

#[test]
fn what_it_does_not_know_is_refused_and_it_goes_on() {
    let (place, mut client) = started();
    let id = client.begin("textDocument/formatting", json!({}));
    assert_eq!(client.response(id)["error"]["code"], -32601);
    let id = client.begin("textDocument/hover", json!({"position": 1}));
    assert_eq!(client.response(id)["error"]["code"], -32602);
    client.notify("textDocument/didOpen", json!({"text": 1}));
    client.notify("$/setTrace", json!({"value": "off"}));
    let path = place.path("context/Dockerfile");
    client.open(&path, "dockerfile", "FROM scratch\n");
    assert_eq!(client.diagnostics(&path, Some(1)), [] as [Value; 0]);
    client.ask("shutdown", Value::Null);
    let id = client.begin(
        "textDocument/documentSymbol",
        json!({"textDocument": {"uri": uri(&path)}}),
    );
    assert_eq!(client.response(id)["error"]["code"], -32600);
    client.notify("exit", Value::Null);
}
