//! Completions and hovers of texts with a `|` where the question is.

use lapstrake_sdk::LineIndex;
use lapstrake_sdk::testing::request_at;
use lapstrake_sdk::types::CompletionKind;

use super::*;

fn asked(marked: &str) -> (Request, Position) {
    request_at("Dockerfile", marked)
}

fn labels(marked: &str) -> Vec<String> {
    let (request, at) = asked(marked);
    let found = completions(&request, 0, at);
    found.into_iter().map(|completion| completion.label).collect()
}

/// The text after the only completion was taken.
fn taken(marked: &str) -> String {
    let (request, at) = asked(marked);
    let found = completions(&request, 0, at);
    assert_eq!(found.len(), 1, "{marked:?}: {found:#?}");
    let edit = found[0].edit.clone().unwrap();
    let text = &request.sources[0].text;
    let index = LineIndex::new(text);
    let (start, stop) = (
        index.offset(edit.range.start).unwrap(),
        index.offset(edit.range.stop).unwrap(),
    );
    format!("{}{}{}", &text[..start], edit.text, &text[stop..])
}

fn said(marked: &str) -> String {
    let (request, at) = asked(marked);
    hover(&request, 0, at).map(|hover| hover.text).unwrap_or_default()
}

#[test]
fn instructions() {
    assert_eq!(labels("|").len(), 18);
    assert_eq!(labels("FROM x\nE|"), ["ENTRYPOINT", "ENV", "EXPOSE"]);
    assert_eq!(taken("FROM x\nWO|"), "FROM x\nWORKDIR ");
    // As the file writes them.
    assert_eq!(taken("from x\nwo|"), "from x\nworkdir ");
    assert_eq!(labels("FROM x\nONBUILD F|"), [] as [&str; 0]);
    assert_eq!(labels("FROM x\nONBUILD C|"), ["CMD", "COPY"]);
    assert_eq!(labels("FROM x\n# R|"), [] as [&str; 0]);
}

#[test]
fn flags_and_their_values() {
    assert_eq!(labels("FROM x\nCOPY --ch|"), ["--chown", "--chmod"]);
    assert_eq!(taken("FROM x\nCOPY --li|"), "FROM x\nCOPY --link");
    assert_eq!(taken("FROM x\nCOPY --link --fr|"), "FROM x\nCOPY --link --from=");
    assert_eq!(labels("FROM x\nRUN --network=|"), ["default", "none", "host"]);
    assert_eq!(
        taken("FROM --platform=$BUILDP|"),
        "FROM --platform=$BUILDPLATFORM"
    );
    assert_eq!(labels("FROM x\nRUN ls --|"), [] as [&str; 0]);
    assert_eq!(labels("FROM x\nSTOPSIGNAL SIGT|"), ["SIGTERM"]);
    assert_eq!(labels("FROM x\nHEALTHCHECK |"), ["CMD", "NONE"]);
}

#[test]
fn mounts() {
    assert_eq!(taken("FROM x\nRUN --mount=ty|"), "FROM x\nRUN --mount=type=");
    assert_eq!(
        labels("FROM x\nRUN --mount=type=|"),
        ["bind", "cache", "secret", "ssh", "tmpfs"]
    );
    assert_eq!(
        labels("FROM x\nRUN --mount=type=tmpfs,|"),
        ["type", "target", "size"]
    );
    assert_eq!(labels("FROM x\nRUN --mount=type=secret,e|"), ["env"]);
    assert_eq!(
        labels("FROM x\nRUN --mount=type=cache,sharing=|"),
        ["shared", "private", "locked"]
    );
    assert_eq!(labels("FROM x AS a\nFROM y\nRUN --mount=from=|"), ["a"]);
}

#[test]
fn stages() {
    let text = "FROM x AS one\nFROM y AS two\nCOPY --from=| a b\nFROM z AS late\n";
    assert_eq!(labels(text), ["one"]);
    assert_eq!(labels("FROM x AS one\nFROM o|\n"), ["one"]);
    assert_eq!(
        labels("FROM debian:12 AS one\nFROM |"),
        ["one", "scratch", "debian:12"]
    );
    assert_eq!(labels("FROM x |"), ["AS"]);
}

#[test]
fn variables() {
    let text = "ARG G=1\nFROM x AS a\nENV E=2\nARG A\nFROM a\nARG G\nRUN echo $|\n";
    assert_eq!(labels(text)[..2], ["G", "E"]);
    assert_eq!(taken("ARG GO=1\nFROM x:${G|"), "ARG GO=1\nFROM x:${GO}");
    assert_eq!(taken("ARG GO=1\nFROM x:${G|}"), "ARG GO=1\nFROM x:${GO}");
    assert_eq!(labels("FROM x\nENV É=1 AB=2\nWORKDIR $A|"), ["AB"]);
    assert_eq!(labels("ARG G=1\nFROM x\nARG |")[0], "G");
    let (request, at) = asked(text);
    let found = completions(&request, 0, at);
    assert_eq!(found[0].kind, CompletionKind::Variable);
    // The value is that of the declaration before the first FROM.
    assert_eq!(found[0].detail, "ARG G=1");
}

#[test]
fn directives() {
    assert_eq!(labels("# |"), ["syntax", "escape", "check"]);
    assert_eq!(taken("# syn|"), "# syntax=");
    assert_eq!(labels("# check=skip=JSON|"), ["JSONArgsRecommended"]);
    assert_eq!(
        taken("# check=skip=JSONArgsRecommended,Stage|\nFROM x"),
        "# check=skip=JSONArgsRecommended,StageNameCasing\nFROM x"
    );
    assert_eq!(labels("FROM x\n# |"), [] as [&str; 0]);
}

#[test]
fn hovers() {
    assert!(said("FR|OM x").contains("Begins a stage"));
    assert!(said("FROM x\nCOPY --ch|own=1 a b").contains("owner"));
    assert!(said("FROM x\nCOPY |--link a b").contains("independent"));
    assert!(said("FROM x\nRUN --mount=type=cache,sh|aring=locked x").contains("two commands"));
    assert!(said("FROM x\nRUN --mount=dst|=/a x").contains("Where it is mounted"));
    assert!(said("# check=skip=JSONArgs|Recommended\nFROM x").contains("https://docs.docker.com/"));
    assert!(said("# syn|tax=docker/dockerfile:1\nFROM x").contains("frontend"));
    assert_eq!(said("FROM x\nRUN ls| -l"), "");
    assert_eq!(said("FROM x|"), "");
}

#[test]
fn hovers_of_variables_and_stages() {
    let text = "ARG TAG=12\n# base has the tools\nFROM debian:${T|AG} AS base\n";
    assert!(said(text).contains("ARG TAG=12"), "{}", said(text));
    let text = "# base has the tools\nFROM debian AS base\nFROM x\nCOPY --from=ba|se a b\n";
    assert_eq!(
        said(text),
        "```dockerfile\nFROM debian AS base\n```\nhas the tools"
    );
    assert!(said("FROM x AS my-base\nFROM my|-base").contains("FROM x AS my-base"));
    let text = "FROM x\nENV A=1\nRUN echo $A|-b\n";
    assert!(said(text).contains("ENV A=1"));
    assert!(said("FROM x\nARG N|=2\n").contains("ARG N=2"));
    assert!(said("FROM --platform=$BUILD|PLATFORM x").contains("machine that builds"));
}

#[test]
fn other_places_are_no_answer() {
    let (request, _) = asked("FROM x\n|");
    let at = |line, column| Position { line, column };
    assert!(completions(&request, 1, at(1, 1)).is_empty());
    assert!(completions(&request, 0, at(9, 1)).is_empty());
    assert!(completions(&request, 0, at(0, 0)).is_empty());
    assert!(completions(&Request::default(), 0, at(1, 1)).is_empty());
    assert!(hover(&request, 0, at(1, 99)).is_none());
}
