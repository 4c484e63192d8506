//! Throws bytes at the whole frontend: parsing, stages, lowering for two platforms, the checks and the outline. Nothing may
//! panic, every finding has its place in the text, and the same text gives the same answer.
#![no_main]

use lapstrake_dockerfile::DockerfileFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::places::{check_findings, is_inside};
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::*;
use libfuzzer_sys::fuzz_target;

fn host() -> MemoryHost {
    let mut config = ImageConfig::new(Platform::new("linux", "amd64"));
    config.set_env("PATH", "/usr/bin:/bin");
    let mut parent = config.clone();
    parent.on_build = vec!["COPY --from=a /x /y".into(), "RUN <<E\nx\nE".into(), "ARG A=b".into()];
    let context = MemoryTree::new().file(".dockerignore", "*.o\n!a.o\n").file("a", "b");
    MemoryHost::new()
        .context("context", context)
        .image("docker.io/library/alpine:latest", config.clone())
        .image("docker.io/library/debian:12", config)
        .image("docker.io/library/onbuild:latest", parent)
}

fn asked(text: &str) -> Request {
    let mut request = request("Dockerfile", text);
    request.platforms = vec![Platform::new("linux", "amd64"), Platform::new("linux", "arm64")];
    request.build_args = vec![KeyValue::new("A", "value"), KeyValue::new("B", "")];
    request
}

fn check(report: &Report, text: &str) {
    for item in &report.items {
        // What is wrong with the options of these requests, or with the ignore file, is elsewhere: nothing is but that.
        let is_elsewhere = item.code == "UnusedBuildArg";
        assert!(is_elsewhere || !item.ranges.is_empty(), "{item:?} has no place");
    }
    check_findings(report, text);
}

fuzz_target!(|text: &str| {
    let host = host();
    let built = DockerfileFrontend::build(&host, asked(text));
    match &built {
        Ok(result) => {
            check(&result.warnings, text);
            for (index, vertex) in result.definition.vertices.iter().enumerate() {
                for range in &vertex.ranges {
                    assert!(is_inside(text, range.start) && is_inside(text, range.stop), "{index}: {vertex:?}");
                }
            }
        }
        Err(BuildError::Invalid(report)) => {
            assert!(report.has_errors());
            check(report, text);
        }
        // Images that the host does not know are findings too.
        Err(other) => panic!("{other:?}"),
    }
    assert!(built == DockerfileFrontend::build(&host, asked(text)));
    if let Ok(report) = DockerfileFrontend::lint(&host, asked(text)) {
        check(&report, text);
    }
    let _ = DockerfileFrontend::outline(&host, asked(text));
    let _ = DockerfileFrontend::call(&host, "targets", asked(text));
});
