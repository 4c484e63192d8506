//! The frontend without Wasm and without a host: `cargo test`.

use dockerfile_include::DockerfileInclude;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};

fn host(files: &[(&str, &str)]) -> MemoryHost {
    let add = |tree: MemoryTree, file: &(&str, &str)| tree.file(file.0, file.1);
    MemoryHost::new().context("context", files.iter().fold(MemoryTree::new(), add))
}

/// What is found: file:line:column, code, message.
fn findings(text: &str, files: &[(&str, &str)]) -> Vec<String> {
    let report = DockerfileInclude::lint(&host(files), request("Dockerfile", text)).unwrap();
    let shown = report.items.iter().map(|item| {
        let range = item.ranges[0];
        let name = &report.sources[range.file as usize].name;
        let (start, stop) = (range.start, range.stop);
        format!(
            "{name}:{}:{}-{} {} {}",
            start.line, start.column, stop.column, item.code, item.message
        )
    });
    shown.collect()
}

#[test]
fn every_vertex_has_its_file_and_line() {
    let text = "FROM scratch\nWORKDIR /one\nInclude parts/two.docker\nWORKDIR /four\n";
    let files = [
        ("parts/two.docker", "# second\nWORKDIR /two\ninclude three.docker"),
        ("three.docker", "\n\nWORKDIR /three"),
    ];
    let built = DockerfileInclude::build(&host(&files), request("Dockerfile", text)).unwrap();
    let places = built.definition.vertices.iter().map(|vertex| {
        let range = vertex.ranges[0];
        let file = &built.definition.sources[range.file as usize].name;
        format!("{file}:{}", range.start.line)
    });
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            "Dockerfile:2",
            "parts/two.docker:2",
            "three.docker:3",
            "Dockerfile:4"
        ]
    );
    assert_eq!(built.images[0].config.working_dir, "/four");
}

#[test]
fn findings_are_at_their_place() {
    let text = "FROM scratch\nINCLUDE a\nRNU x\n";
    let files = [("a", "ENV A=b\n  COPPY x \\\n  y\nARG B")];
    assert_eq!(
        findings(text, &files),
        [
            "a:2:3-8 UnknownInstruction unknown instruction `COPPY`",
            "Dockerfile:3:1-4 UnknownInstruction unknown instruction `RNU`",
        ]
    );
}

#[test]
fn a_file_twice_and_a_file_in_a_circle() {
    let files = [
        ("a", "ENV A=b\n"),
        ("b", "INCLUDE c"),
        ("c", "ENV A=c\nINCLUDE ./b\n"),
    ];
    assert!(findings("FROM scratch\nINCLUDE a\nINCLUDE a\n", &files).is_empty());
    assert_eq!(
        findings("FROM scratch\nINCLUDE b\n", &files),
        ["c:2:9-12 IncludeCycle `b` includes itself: Dockerfile -> b -> c -> b"]
    );
}

#[test]
fn what_cannot_be_included() {
    let files = [("open", "RUN <<E\n"), ("goes-on", "ENV A=b \\\n# no more\n")];
    let text =
        "FROM scratch\nINCLUDE\nINCLUDE a b\nINCLUDE ../x\nINCLUDE none\nINCLUDE open\nINCLUDE goes-on\n";
    assert_eq!(
        findings(text, &files),
        [
            "Dockerfile:2:1-8 InvalidInclude INCLUDE needs one file",
            "Dockerfile:3:9-12 InvalidInclude INCLUDE needs one file",
            "Dockerfile:4:9-13 InvalidInclude `../x` is outside of the context",
            "Dockerfile:5:9-13 InvalidInclude `none` is not in the context",
            "open:1:1-8 UnfinishedInstruction the file ends inside of this instruction",
            "goes-on:1:1-10 UnfinishedInstruction the file ends inside of this instruction",
        ]
    );
}

#[test]
fn the_word_inside_of_other_instructions_is_none() {
    let text = "FROM scratch\nCOPY <<E /x\nINCLUDE none\nE\nLABEL a=b \\\n  INCLUDE=c\n";
    assert!(findings(text, &[]).is_empty());
}

#[test]
fn stages_may_come_from_another_file() {
    let files = [("stages", "FROM scratch AS one\nFROM scratch AS two")];
    let targets =
        DockerfileInclude::list_targets(&host(&files), request("Dockerfile", "INCLUDE stages\nFROM two\n"));
    let names: Vec<String> = targets.unwrap().into_iter().map(|target| target.name).collect();
    assert_eq!(names, ["one", "two", ""]);
}

#[test]
fn a_file_that_never_ends_growing() {
    // Each includes the next one twice: no circle, and still too much.
    let files: Vec<(String, String)> = (0..40)
        .map(|n| (format!("f{n}"), format!("INCLUDE f{0}\nINCLUDE f{0}\n", n + 1)))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let found = findings("INCLUDE f0\n", &files);
    assert!(
        found.iter().any(|item| item.contains("TooManyReplacements")),
        "{found:?}"
    );
}
