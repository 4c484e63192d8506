//! Completions and hovers of texts with a `|` where the question is.

use lapstrake_sdk::testing::request_at;

use super::*;

fn asked(marked: &str) -> (Request, Position) {
    request_at("Mockerfile.yaml", marked)
}

fn found(marked: &str) -> Vec<Completion> {
    let (request, at) = asked(marked);
    completions(&request, 0, at)
}

fn labels(marked: &str) -> Vec<String> {
    found(marked)
        .into_iter()
        .map(|completion| completion.label)
        .collect()
}

fn said(marked: &str) -> String {
    let (request, at) = asked(marked);
    hover(&request, 0, at).map(|hover| hover.text).unwrap_or_default()
}

#[test]
fn keys_of_the_schema() {
    assert_eq!(labels("|"), ["apiVersion", "images"]);
    assert_eq!(labels("apiVersion: v1beta1\nim|"), ["images"]);
    let text = "apiVersion: v1beta1\nimages:\n- name: a\n  p|\n";
    assert_eq!(labels(text), ["parent", "platforms", "package"]);
    let list = found(text);
    assert_eq!(list[0].edit.as_ref().unwrap().text, "parent: ");
    assert_eq!(list[2].edit.as_ref().unwrap().text, "package:");
    assert!(list[0].documentation.contains("The image of this file"));
    // What is there already is not offered.
    assert_eq!(labels("images:\n- name: a\n  na|\n"), [] as [&str; 0]);
    assert_eq!(
        labels("images:\n- name: a\n  copy:\n  - from: b\n    d|\n"),
        ["dst"]
    );
    // An older form has fewer.
    assert_eq!(labels("apiVersion: v1alpha1\nimages:\n- la|\n"), [] as [&str; 0]);
    assert_eq!(labels("apiVersion: v1beta1\nimages:\n- la|\n"), ["labels"]);
}

#[test]
fn values_of_the_schema_and_names_of_images() {
    assert_eq!(labels("apiVersion: |"), ["v1beta1", "v1alpha1"]);
    assert_eq!(
        labels("apiVersion: v1beta1\nimages:\n- package:\n    manager: a|\n"),
        ["apt", "apk"]
    );
    assert_eq!(
        labels("apiVersion: v1beta1\nimages:\n- external:\n  - unpack: |\n"),
        ["true", "false"]
    );
    let text = "apiVersion: v1beta1\nimages:\n- name: base\n  description: the tools\n  from: x\n- name: b\n  parent: b|\n";
    assert_eq!(labels(text), ["base", "b"]);
    assert_eq!(found(text)[0].documentation, "the tools");
    assert_eq!(labels("images:\n- from: |\n"), [] as [&str; 0]);
}

#[test]
fn hovers() {
    let text =
        "apiVersion: v1beta1\nimages:\n- name: base\n  description: the tools\n  from: x\n- par|ent: base\n";
    assert!(said(text).contains("begins with"), "{}", said(text));
    let text = text.replace('|', "").replace("parent: base", "parent: ba|se");
    assert_eq!(said(&text), "Image `base`, begins with `x`: the tools");
    let manager = said("apiVersion: v1beta1\nimages:\n- package:\n    man|ager: apt\n");
    assert!(manager.starts_with("`manager` (apt, apk, dnf): "), "{manager}");
    assert_eq!(said("images:\n- no|ne: 1\n"), "");
    assert_eq!(said("# im|ages\n"), "");
}

#[test]
fn other_places_are_no_answer() {
    let (request, _) = asked("a: |");
    let at = |line, column| Position { line, column };
    assert!(completions(&request, 1, at(1, 1)).is_empty());
    assert!(completions(&request, 0, at(0, 0)).is_empty());
    assert!(completions(&Request::default(), 0, at(1, 1)).is_empty());
    assert!(hover(&request, 0, at(7, 7)).is_none());
}
