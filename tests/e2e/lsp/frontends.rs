//! Frontends behind the server: components that a file names, those that misbehave or may not run, chains, and files that
//! are open beside the build file.

use std::path::Path;

use lapstrake_tests::{Place, guests};
use serde_json::{Value, json};

use super::client::{Client, uri};
use super::{codes, started};

/// The only diagnostic of a document, with the range that it MUST have.
#[track_caller]
fn only(found: &[Value], line: u32, from: u32, to: u32) -> String {
    assert_eq!(found.len(), 1, "{found:#?}");
    let range = json!({
        "start": {"line": line, "character": from},
        "end": {"line": line, "character": to},
    });
    assert_eq!(found[0]["range"], range, "{found:#?}");
    assert_eq!(found[0]["severity"], 1);
    found[0]["message"].as_str().unwrap().to_owned()
}

const OWN: &str = "# syntax=./own.wasm\n";

/// The server goes on: it finds what is wrong with a build file of a built-in frontend.
#[track_caller]
fn goes_on(client: &mut Client, place: &Place) {
    let other = place.path("context/other.Dockerfile");
    client.open(&other, "dockerfile", "FROM scratch\nRNU x\n");
    assert_eq!(
        codes(&client.diagnostics(&other, Some(1))),
        ["UnknownInstruction"]
    );
}

#[test]
fn a_frontend_that_misbehaves_is_told_at_the_syntax_line() {
    let Some(guest) = guests::built("guests/rust") else {
        lapstrake_tests::skip!("guests are not built: run `make frontends`")
    };
    let place = Place::new();
    place.file("own.wasm", std::fs::read(guest).unwrap());
    let path = place.path("context/Dockerfile");
    let cases: [(&str, &[&str], &str); 5] = [
        ("trap", &[], "own.wasm"),
        ("panic", &[], "own.wasm"),
        ("loop", &["--frontend-fuel", "100000000"], "--frontend-fuel"),
        ("allocate", &["--frontend-memory", "16m"], "--frontend-memory"),
        ("error-internal", &[], "the mast broke"),
    ];
    for (way, arguments, says) in cases {
        let mut client = Client::start(&place, arguments, json!({"target": way}));
        client.open(&path, "dockerfile", OWN);
        let found = client.diagnostics(&path, Some(1));
        let message = only(&found, 0, 9, 19);
        assert!(message.contains(says), "{way}: {message}");
        goes_on(&mut client, &place);
        assert_eq!(client.end(), 0);
    }
}

#[test]
fn a_frontend_that_cannot_be_had_or_may_not_run_is_told_at_the_syntax_line() {
    let place = Place::new();
    place.file("text.wasm", "no component");
    place.file("own.wasm", guests::read("other-world.wat"));
    let path = place.path("context/Dockerfile");
    let mut client = Client::start(&place, &[], Value::Null);
    let cases = [
        ("# syntax=./none.wasm\n", 20, "none.wasm"),
        ("# syntax=./text.wasm\n", 20, "not a WebAssembly component"),
        ("# syntax=./own.wasm\n", 19, "no lapstrake frontend"),
        ("# syntax=../x.wasm\n", 18, "outside of the build context"),
        ("# syntax=dokerfile\n", 18, "did you mean"),
        // Not in the store, and nobody is asked.
        ("# syntax=localhost:1/x:1\n", 24, "cannot get the frontend"),
    ];
    client.open(&path, "dockerfile", "FROM scratch\n");
    for (version, (text, end, says)) in (2..).zip(cases) {
        client.change(&path, version, text);
        let message = only(&client.diagnostics(&path, Some(version)), 0, 9, end);
        assert!(message.contains(says), "{text}: {message}");
    }
    goes_on(&mut client, &place);
    assert_eq!(client.end(), 0);

    // A workspace cannot allow what the command line does not.
    let any = json!({"frontendPolicy": "any"});
    let mut client = Client::start(&place, &["--frontend-policy", "embedded"], any);
    client.open(&path, "dockerfile", OWN);
    let message = only(&client.diagnostics(&path, Some(1)), 0, 9, 19);
    assert!(
        message.contains("the frontend policy is embedded") && message.contains("help:"),
        "{message}"
    );
    assert_eq!(client.end(), 0);
}

#[test]
fn completion_and_hover_are_those_of_the_frontend_that_the_file_names() {
    let Some(guest) = guests::built("guests/rust") else {
        lapstrake_tests::skip!("guests are not built: run `make frontends`")
    };
    let place = Place::new();
    place.file("own.wasm", std::fs::read(guest).unwrap());
    let path = place.path("context/Dockerfile");
    let text = format!("{OWN}a𝄞b\n");
    let mut client = Client::start(&place, &[], json!({"target": "good"}));
    client.open(&path, "dockerfile", &text);
    // Frontends count bytes from 1, this client units of UTF-16 from 0.
    let found = client.at("textDocument/completion", &path, 1, 3);
    assert_eq!(found[0]["label"], "0:2:6");
    assert_eq!(found[0]["kind"], 17);
    let here = json!({"line": 1, "character": 3});
    assert_eq!(found[0]["textEdit"]["range"], json!({"start": here, "end": here}));
    let said = client.at("textDocument/hover", &path, 1, 1);
    assert_eq!(said["contents"]["value"], format!("2 of 0: {text}"));
    assert_eq!(client.end(), 0);
    // One that fails is no answer, and no end.
    let mut client = Client::start(&place, &[], json!({"target": "trap"}));
    client.open(&path, "dockerfile", &text);
    assert_eq!(client.at("textDocument/completion", &path, 1, 3), Value::Null);
    assert_eq!(client.end(), 0);
}

#[test]
fn a_component_that_was_made_anew_is_taken_when_something_is_saved() {
    let Some(guest) = guests::built("guests/rust") else {
        lapstrake_tests::skip!("guests are not built: run `make frontends`")
    };
    let place = Place::new();
    place.file("own.wasm", std::fs::read(guest).unwrap());
    let path = place.path("context/Dockerfile");
    let mut client = Client::start(&place, &[], json!({"target": "good"}));
    client.open(&path, "dockerfile", OWN);
    assert_eq!(client.diagnostics(&path, Some(1)), [] as [Value; 0]);
    place.file("own.wasm", "no component");
    client.notify(
        "textDocument/didSave",
        json!({"textDocument": {"uri": uri(&path)}}),
    );
    let message = only(&client.diagnostics(&path, Some(1)), 0, 9, 19);
    assert!(message.contains("not a WebAssembly component"), "{message}");
    assert_eq!(client.end(), 0);
}

#[test]
fn a_long_check_holds_nothing_up_and_ends_when_the_text_changes() {
    let Some(guest) = guests::built("guests/rust") else {
        lapstrake_tests::skip!("guests are not built: run `make frontends`")
    };
    let place = Place::new();
    place.file("own.wasm", std::fs::read(guest).unwrap());
    let path = place.path("context/Dockerfile");
    // Nothing but the change ends this check.
    let limits = [
        "--frontend-fuel",
        "9000000000000000",
        "--frontend-timeout",
        "86400",
    ];
    let mut client = Client::start(&place, &limits, json!({"target": "loop"}));
    client.open(&path, "dockerfile", OWN);
    assert!(client.at("textDocument/hover", &path, 0, 0).is_object());
    client.change(&path, 2, "FROM scratch\n");
    assert_eq!(codes(&client.diagnostics(&path, Some(2))), ["UnknownTarget"]);
    // And the end of the server ends one.
    client.change(&path, 3, OWN);
    assert!(client.at("textDocument/hover", &path, 0, 0).is_object());
    assert_eq!(client.end(), 0);
}

#[test]
fn a_request_can_be_cancelled_and_is_dropped_when_the_text_changes() {
    let (place, mut client) = started();
    let path = place.path("context/default.nix");
    let endless = "let f = x: f (x + 1); in f 0\n";
    client.open(&path, "nix", endless);
    let params = json!({"textDocument": {"uri": uri(&path)}});
    let id = client.begin("textDocument/documentSymbol", params.clone());
    client.notify("$/cancelRequest", json!({"id": id}));
    assert_eq!(client.response(id)["error"]["code"], -32800);
    let id = client.begin("textDocument/documentSymbol", params.clone());
    client.change(&path, 2, "derivation {\n");
    let code = client.response(id)["error"]["code"].clone();
    assert_eq!(code, -32801);
    // The answers' thread is free again.
    client.ask("textDocument/documentSymbol", params);
    assert_eq!(client.end(), 0);
}

#[test]
fn files_of_the_context_are_as_the_editor_has_them() {
    let place = Place::new();
    let Some(include) = guests::built("examples/include-source") else {
        lapstrake_tests::skip!("examples/frontends are not built: run `make frontends`")
    };
    place.file("include-source.wasm", std::fs::read(include).unwrap());
    place.file("parts/a b", "ENV A=1\n");
    let mut client = Client::start(&place, &[], Value::Null);
    let main = place.path("context/Dockerfile");
    let text = "# syntax=./include-source.wasm | docker/dockerfile:1\nFROM scratch\nINCLUDE parts/new\n";
    client.open(&main, "dockerfile", text);
    let found = client.diagnostics(&main, Some(1));
    assert!(
        found[0]["message"].as_str().unwrap().contains("parts/new"),
        "{found:#?}"
    );
    // A file that is not saved yet. What is wrong in it is shown in it.
    let part = place.path("context/parts/new");
    client.open(&part, "plaintext", "# a part\nCOPPY x /\n");
    assert_eq!(client.diagnostics(&main, Some(1)), [] as [Value; 0]);
    let mut found = client.diagnostics(&part, Some(1));
    if found.is_empty() {
        // That it is no build file itself may have been said first.
        found = client.diagnostics(&part, Some(1));
    }
    assert_eq!(codes(&found), ["UnknownInstruction"], "{found:#?}");
    assert_eq!(found[0]["range"]["start"], json!({"line": 1, "character": 0}));
    client.change(&part, 2, "COPY x /\n");
    assert_eq!(client.diagnostics(&part, Some(2)), [] as [Value; 0]);
    // Behind what was included the places are those of the file.
    let text = format!("{text}WORK");
    client.change(&main, 2, &text);
    let found = client.at("textDocument/completion", &main, 3, 4);
    assert_eq!(found[0]["label"], "WORKDIR", "{found:#}");
    assert_eq!(
        found[0]["textEdit"]["range"],
        json!({"start": {"line": 3, "character": 0}, "end": {"line": 3, "character": 4}})
    );
    assert_eq!(client.end(), 0);
}

#[test]
fn nothing_is_executed_and_nobody_is_asked() {
    let (place, mut client) = started();
    let path = place.path("context/Dockerfile");
    // Nothing listens there; an image that nobody knows is no mistake.
    client.open(&path, "dockerfile", "FROM localhost:1/none:1\nRUN false\n");
    assert_eq!(client.diagnostics(&path, Some(1)), [] as [Value; 0]);
    let told = client.wait(|message| message["method"] == "window/logMessage");
    let told = told["params"]["message"].as_str().unwrap();
    assert!(told.contains("localhost:1/none:1"), "{told}");
    assert_eq!(client.end(), 0);
    // Asked where it may.
    let mut client = Client::start(&place, &["--online"], Value::Null);
    client.open(&path, "dockerfile", "FROM localhost:1/none:1\n");
    client.diagnostics(&path, Some(1));
    assert_eq!(client.end(), 0);
    place.assert_clean();
}

#[test]
fn the_editors_wishes_count() {
    let place = Place::new();
    place.file("app/.dockerignore", "x\n").file("app/x", "");
    let path = place.path("context/Dockerfile");
    let text = "FROM scratch AS a\nFROM scratch AS b\nCOPY x /\n";
    let codes_with = |options: Value| {
        let mut client = Client::start(&place, &[], options);
        client.open(&path, "dockerfile", text);
        let found = client.diagnostics(&path, Some(1));
        assert_eq!(client.end(), 0);
        codes(&found).join(",")
    };
    assert_eq!(codes_with(Value::Null), "");
    assert_eq!(codes_with(json!({"context": "app"})), "CopyIgnoredFile");
    assert_eq!(codes_with(json!({"target": "c"})), "UnknownTarget");
    // Words without meaning are told, and the server works as without.
    let mut client = Client::start(&place, &[], json!({"contxt": "app"}));
    let told = client.wait(|message| message["method"] == "window/logMessage");
    let told = told["params"]["message"].as_str().unwrap();
    assert!(told.contains("contxt"), "{told}");
    client.open(&path, "dockerfile", text);
    assert_eq!(client.diagnostics(&path, Some(1)), [] as [Value; 0]);
    assert_eq!(client.end(), 0);
}

#[test]
fn other_languages_are_served_too() {
    let (place, mut client) = started();
    let mocker = place.path("context/Mockerfile.yaml");
    client.open(
        &mocker,
        "yaml",
        "apiVersion: v1beta1\nimages:\n- name: a\n  frm: x\n",
    );
    let found = client.diagnostics(&mocker, Some(1));
    assert_eq!(found[0]["range"]["start"]["line"], 3, "{found:#?}");
    let nix = place.path("context/default.nix");
    client.open(&nix, "nix", "import ./part.nix\n");
    assert!(!client.diagnostics(&nix, Some(1)).is_empty());
    // A library is no build file, and counts where it is read.
    let part = place.path("context/part.nix");
    client.open(&part, "nix", "{ a = }\n");
    let wrong_there = client.wait(|message| {
        message["params"]["uri"] == uri(&part)
            && message["params"]["diagnostics"]
                .as_array()
                .is_some_and(|list| !list.is_empty())
    });
    assert_eq!(
        wrong_there["params"]["diagnostics"][0]["range"]["start"]["line"],
        0
    );
    assert_eq!(client.end(), 0);
}

/// A path that holds what addresses escape.
#[test]
fn paths_with_spaces_are_found() {
    let (place, mut client) = started();
    place.file("a b/.dockerignore", "x\n").file("a b/x", "");
    let escaped = format!("{}/a%20b/Dockerfile", uri(&place.path("context")));
    let path = Path::new(escaped.strip_prefix("file://").unwrap()).to_owned();
    client.open(&path, "dockerfile", "RNU x\n");
    assert!(!client.diagnostics(&path, Some(1)).is_empty());
    assert_eq!(client.end(), 0);
}
