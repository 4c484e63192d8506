//! One frontend in every language that there is an SDK for: the same texts give the same graphs, byte for byte, and the same
//! words about what is wrong with them.

use std::fs;
use std::path::PathBuf;

use lapstrake_tests::servers::Registry;
use lapstrake_tests::{Place, base, guests, skip};

/// The ones that are compared with Rust's.
const LANGUAGES: [&str; 4] = ["python", "javascript", "c", "go"];

/// What every frontend is asked of every text.
const QUESTIONS: [&[&str]; 5] = [
    &["llb", "--format", "json"],
    &["llb", "--format", "json", "--platform", "linux/arm64,linux/amd64"],
    &["llb", "--target", "tools", "--build-arg", "NAME=\u{1f6a2}"],
    &["build", "--call", "outline", "--format", "json"],
    &["build", "--check", "--format", "json"],
];

fn texts() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/steps");
    let mut texts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    texts.sort();
    assert!(texts.len() >= 5, "{texts:?}");
    texts
}

#[test]
fn frontends_in_every_language_make_the_same_graphs() {
    let Some(rust) = guests::built("examples/rust") else {
        skip!("examples/frontends are not built: run `make frontends`")
    };
    let place = Place::new();
    let Some(registry) = Registry::start(&place.path("out"), None) else {
        skip!("docker-registry is not installed");
    };
    if !registry.push(base::busybox(), "base:1.36", None)
        || !registry.push(base::busybox(), "base:latest", None)
    {
        skip!("skopeo is not installed");
    }
    let host = format!("REGISTRY={}", registry.host);
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", registry.host));
    let ask = |component: &PathBuf, text: &PathBuf, question: &[&str]| {
        let component = component.to_str().unwrap();
        let shared = [
            "context",
            "-f",
            text.to_str().unwrap(),
            "--frontend",
            component,
            "--build-arg",
            &host,
        ];
        let ran = place.run([&question[..1], &shared, &question[1..]].concat());
        (ran.code, ran.stdout, without_progress(&ran.stderr, component))
    };
    let mut graphs = 0;
    let mut expected = Vec::new();
    for text in texts() {
        for question in QUESTIONS {
            let answer = ask(&rust, &text, question);
            graphs += usize::from(answer.0 == 0);
            expected.push((text.clone(), question, answer));
        }
    }
    assert!(graphs > 8, "many of the questions have an answer: {expected:#?}");
    for language in LANGUAGES {
        let Some(component) = guests::built(&format!("languages/{language}")) else {
            eprintln!("not compared: {language}, as sdk/build.sh did not build it");
            continue;
        };
        for (text, question, expected) in &expected {
            let answer = ask(&component, text, question);
            assert_eq!(&answer, expected, "{language}: {} {question:?}", text.display());
        }
    }
}

/// What is said of the build file, without the steps that run meanwhile and their times.
fn without_progress(text: &str, component: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace(component, "FRONTEND")
}
