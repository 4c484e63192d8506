//! `--call` and `--check`: what they print, as text and as JSON in BuildKit's shapes, and their exit codes.

use lapstrake_tests::{Place, Ran};
use serde_json::{Value, json};

/// A place with a Dockerfile, and `lapstrake build context` with more words.
fn asked(text: &str, more: &[&str]) -> Ran {
    let place = Place::new();
    place.dockerfile(text);
    let base = lapstrake_tests::base::context();
    let ran = place.run([&["build", "context", "--build-context", &base], more].concat());
    place.assert_clean();
    ran
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

const WARNED: &str = "FROM base AS Build\nMAINTAINER me\nRUN true\n";

#[test]
fn a_check_without_findings() {
    let ran = asked("FROM base\nRUN true\n", &["--check"]).ok();
    assert_eq!(ran.stdout, "Check complete, no warnings found.\n");
    let ran = asked("FROM base\nRUN true\n", &["--check", "--format", "json"]).ok();
    assert_eq!(json_of(&ran)["warnings"], json!([]));
}

#[test]
fn a_check_with_warnings_fails() {
    let ran = asked(WARNED, &["--check"]);
    assert_eq!(ran.code, 1);
    let expected = "\
Check complete, 2 warnings have been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
";
    assert!(ran.stdout.starts_with(expected), "{}", ran.stdout);
    let lines = "\
Dockerfile:2
--------------------
   1 |     FROM base AS Build
   2 | >>> MAINTAINER me
   3 |     RUN true
   4 |     \n--------------------
";
    assert!(ran.stdout.ends_with(lines), "{}", ran.stdout);

    let one = asked("FROM base\nMAINTAINER me\n", &["--call", "check"]);
    assert!(
        one.stdout
            .starts_with("Check complete, 1 warning has been found!\n"),
        "{}",
        one.stdout
    );
    assert_eq!(one.code, 1);
    assert_eq!(asked(WARNED, &["--call", "lint,ignorestatus=true"]).code, 0);
    let skipped = format!("# check=skip=all\n{WARNED}");
    assert_eq!(asked(&skipped, &["--check"]).code, 0);
}

#[test]
fn a_check_as_json() {
    let ran = asked(WARNED, &["--call", "check,format=json"]);
    assert_eq!(ran.code, 1);
    let found = json_of(&ran);
    let warning = &found["warnings"][1];
    assert_eq!(warning["ruleName"], "MaintainerDeprecated");
    assert_eq!(
        warning["url"],
        "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/"
    );
    assert!(
        warning["detail"].as_str().unwrap().contains("MAINTAINER"),
        "{warning}"
    );
    assert_eq!(warning["location"]["ranges"][0]["start"], json!({ "line": 2 }));
    assert_eq!(warning["location"]["ranges"][0]["end"]["line"], 2);
    let source = &found["sources"][0];
    assert_eq!(source["filename"], "Dockerfile");
    // The text of the file, in base64.
    assert!(
        source["data"]
            .as_str()
            .unwrap()
            .starts_with("RlJPTSBiYXNlIEFTIEJ1aWxk"),
        "{source}"
    );
    assert!(found.get("buildError").is_none());
}

#[test]
fn a_check_with_errors() {
    let ran = asked("FROM base\nCOPPY a b\nRNU x\n", &["--check"]);
    assert_eq!(ran.code, 1);
    for text in [
        "error[UnknownInstruction]",
        "Dockerfile:2:1",
        "^^^^^",
        "did you mean `COPY`?",
        "`RNU`",
    ] {
        assert!(ran.stdout.contains(text), "{text:?} is not in {}", ran.stdout);
    }
    let ran = asked("FROM base\nCOPPY a b\nRNU x\n", &["--check", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let found = json_of(&ran);
    assert_eq!(found["buildError"]["location"]["ranges"][0]["start"]["line"], 2);
    assert_eq!(found["errors"].as_array().unwrap().len(), 2);
    assert_eq!(found["errors"][1]["help"], "did you mean `RUN`?");
}

#[test]
fn checks_that_are_errors_end_a_build() {
    let text = "# check=error=true\nFROM base\nMAINTAINER me\n";
    asked(text, &[]).fails(1, &["MaintainerDeprecated", "Dockerfile:3:1"]);
    asked(
        "# check=skip=MaintainerDeprecated;error=true\nFROM scratch\nMAINTAINER me\n",
        &[],
    )
    .ok();
    asked("# check=sikp=all\nFROM scratch\n", &[]).fails(1, &["Dockerfile:1:", "did you mean `skip`?"]);
}

const STAGES: &str = "\
# VERSION is what is built
ARG VERSION=1.0
# build compiles
FROM base AS build
ARG VERSION
ARG FLAGS
RUN --mount=type=secret,id=token --mount=type=cache,target=/cache --mount=type=ssh true
FROM scratch
COPY --from=build /bin /bin
";

#[test]
fn targets() {
    let ran = asked(STAGES, &["--call", "targets"]).ok();
    assert_eq!(
        ran.stdout,
        "TARGET    DESCRIPTION\nbuild     compiles\n(default) \n"
    );
    let ran = asked(STAGES, &["--call=targets,format=json"]).ok();
    let sources = json_of(&ran)["sources"].clone();
    assert!(
        sources[0].as_str().unwrap().starts_with("IyBWRVJTSU9O"),
        "{sources}"
    );
    let targets = json_of(&ran)["targets"].clone();
    assert_eq!(targets[0]["name"], "build");
    assert_eq!(targets[0]["base"], "base");
    assert_eq!(targets[0]["description"], "compiles");
    assert_eq!(targets[0]["location"]["ranges"][0]["start"]["line"], 4);
    assert!(targets[0].get("default").is_none());
    assert_eq!(targets[1]["default"], true);
}

#[test]
fn an_outline() {
    let ran = asked(
        STAGES,
        &[
            "--call",
            "outline",
            "--target",
            "build",
            "--build-arg",
            "FLAGS=-x",
        ],
    )
    .ok();
    let expected = "\
TARGET:      build
DESCRIPTION: compiles

BUILD ARG   VALUE   DESCRIPTION
VERSION     1.0     is what is built
FLAGS       -x      \n
SECRET   REQUIRED
token    \n
SSH       REQUIRED
default   \n
CACHE MOUNT
/cache

";
    assert_eq!(ran.stdout, expected);
    let ran = asked(STAGES, &["--call", "outline,format=json", "--target", "build"]).ok();
    let outline = json_of(&ran);
    assert_eq!(outline["name"], "build");
    assert_eq!(outline["args"][0]["name"], "VERSION");
    assert_eq!(outline["args"][0]["value"], "1.0");
    assert_eq!(outline["args"][0]["location"]["ranges"][0]["start"]["line"], 2);
    assert_eq!(outline["secrets"], json!([{ "name": "token" }]));
    assert_eq!(outline["ssh"], json!([{ "name": "default" }]));
    assert_eq!(outline["cache"], json!([{ "ID": "/cache" }]));
    assert_eq!(outline["sources"].as_array().unwrap().len(), 1);
    asked(STAGES, &["--call", "outline", "--target", "biuld"]).fails(1, &["biuld", "did you mean `build`?"]);
}

#[test]
fn what_can_be_asked() {
    let ran = asked(STAGES, &["--call", "subrequests.describe"]).ok();
    let names: Vec<&str> = ran
        .stdout
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["NAME", "lint", "outline", "targets", "subrequests.describe"]
    );
    let ran = asked(STAGES, &["--call", "subrequests.describe,format=json"]).ok();
    let described = json_of(&ran);
    assert_eq!(described[0]["name"], "frontend.lint");
    let results = described[0]["metadata"].as_array().unwrap();
    let results: Vec<&str> = results
        .iter()
        .map(|result| result["name"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["result.json", "result.txt", "result.statuscode"]);
    assert_eq!(described[1]["opts"][0]["name"], "target");
    let ran = asked(STAGES, &["--call", "describe"]).ok();
    assert!(ran.stdout.starts_with("dockerfile "), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_asked() {
    asked(STAGES, &["--call", "tragets"]).fails(2, &["tragets", "did you mean \"targets\"?"]);
    asked(STAGES, &["--call", "check,fromat=json"]).fails(2, &["--call", "did you mean format?"]);
}

#[test]
fn build_arguments_that_nothing_asks_for() {
    let ran = asked(
        "FROM scratch\nARG VERSION\nLABEL v=$VERSION\n",
        &["--progress", "plain", "--build-arg", "VERSOIN=1"],
    )
    .ok();
    for text in [
        "one or more build-args [VERSOIN] were not consumed",
        "did you mean `VERSION`?",
    ] {
        assert!(ran.stderr.contains(text), "{text:?} is not in {}", ran.stderr);
    }
    let ran = asked(
        "FROM scratch\nLABEL a=b\n",
        &["--progress", "plain", "--build-arg", "HTTP_PROXY=x"],
    )
    .ok();
    assert!(!ran.stderr.contains("not consumed"), "{}", ran.stderr);
}
