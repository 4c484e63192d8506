//! Where errors are: in the build file, at what the person wrote, whatever of the frontend's own they arose in.

use lapstrake_nix::NixFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::{BuildError, SourceRange};

/// Each text, and what of it the error is at: between the marks `«` and `»`.
const TEXTS: &[&str] = &[
    // Functions that are written in the language itself and come with the frontend.
    "«runCommand» \"x\" { } 5",
    "let\n  a = «runCommand» 5 { } \"x\";\nin a",
    "«writeText» \"x\" 5",
    "let f = name: «writeText» name { }; in f \"x\"",
    "«symlinkJoin» { name = \"x\"; paths = 5; }",
    "«symlinkJoin» { name = \"x\"; paths = [ 5 ]; }",
    "«symlinkJoin» { paths = [ ]; }",
    "symlinkJoin { name = \"x\"; paths = [ ]; «pats» = 1; }",
    "«buildImage» { name = 5; }",
    "buildImage { name = \"x\"; config = { «Cmd» = 5; }; }",
    "«buildImage» { name = \"x\"; contents = [ 5 ]; }",
    "«buildLayeredImage» { name = \"x\"; maxLayers = \"5\"; }",
    "«buildLayeredImage» { name = \"x\"; fromImage = 5; }",
    "«(withImage 5).runCommand» \"x\" { } \"y\"",
    "let tools = withImage \"A B\"; in\n«tools.runCommand» \"x\" { } \"y\"",
    "«image» 5",
    "«image» \"A B\"",
    "(«image» \"unknown\").config",
    "«local» 5",
    "«local» { }",
    "«local» { context = \"nope\"; }",
    "«derivation» 5",
    "derivation { «name» = \"x\"; }",
    "derivation { «name» = \"a b\"; system = \"x86_64-linux\"; builder = \"x\"; }",
    "«dockerTools.pullImage» { }",
    "«dockerTools.pullImage» { imageName = 5; }",
    // What it says is not what can be built.
    "«5»",
    "let a = 1; in\n«{ inherit a; b = 2; }»",
    "{ x ? 1 }: «\"text\"»",
    "x: «x»",
    "assert true; «1 + 1»",
    "{ «default» = 5; }",
    "{ «only» = [ ]; }",
    "{ «default» = import ./five.nix; }",
    // What cannot be lowered: no image to run in, a system that is none, a file of the context that is not there.
    "«runCommand» \"x\" { } \"y\"",
    "derivation { «name» = \"x\"; system = \"mysystem\"; builder = \"${writeText \"a\" \"\"}\"; }",
    "let a = «runCommand» \"a\" { } \"y\"; in buildImage { name = \"b\"; contents = [ a ]; }",
    "let i = «image» \"unknown\"; in runCommand \"x\" { image = i; } \"y\"",
    // What the person's own files say.
    "«throw» \"me\"",
    "{ default = «throw» \"me\"; }",
    "let f = x: x.«y»; in writeText \"x\" (f { })",
];

fn place(text: &str) -> (String, Option<SourceRange>, String) {
    let tree = MemoryTree::new().file("five.nix", "5");
    let host = MemoryHost::new().context("context", tree);
    let text = text.replace(['«', '»'], "");
    let result = NixFrontend::build(&host, request("default.nix", &text));
    match result {
        Err(BuildError::Invalid(report)) => {
            let first = &report.items[0];
            (text, first.ranges.first().cloned(), first.message.clone())
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn errors_are_in_the_build_file() {
    let mut wrong = Vec::new();
    for marked in TEXTS {
        let before = marked.split('«').next().unwrap_or_default();
        let line = before.matches('\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u32 + 1;
        let (text, place, message) = place(marked);
        let found = place.map(|range| {
            let lines: Vec<&str> = text.lines().collect();
            let line = lines[range.start.line as usize - 1];
            let inside: String = line
                .chars()
                .skip(range.start.column as usize - 1)
                .take((range.stop.column - range.start.column) as usize)
                .collect();
            (range.file, range.start.line, range.start.column, inside)
        });
        let inside = marked.split(['«', '»']).nth(1).unwrap_or_default();
        if found != Some((0, line, column, inside.to_owned())) {
            wrong.push(format!("{marked}\n  {message}\n  at {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Steps inside of what came with the frontend are not shown: nobody sees its source.
#[test]
fn steps_of_the_frontends_own_functions_are_not_shown() {
    let host = MemoryHost::new().context("context", MemoryTree::new());
    let text = "let f = name: writeScriptBin name { }; in f \"x\"";
    let Err(BuildError::Invalid(report)) = NixFrontend::build(&host, request("default.nix", text)) else {
        panic!("it is built");
    };
    let first = &report.items[0];
    assert_eq!(first.message, "cannot coerce a set to a string");
    let steps: Vec<&str> = first.related.iter().map(|step| step.message.as_str()).collect();
    assert_eq!(steps, Vec::<&str>::new());
}
