//! Throws bytes at the whole frontend: YAML, keys, links, lowering for two platforms, the checks and the outline. Nothing
//! may panic, every finding has its place in the text, and the same text gives the same answer.
#![no_main]

use lapstrake_mockerfile::MockerfileFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::places::{check_placed_findings as check, is_inside};
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::*;
use libfuzzer_sys::fuzz_target;

fn host() -> MemoryHost {
    let mut config = ImageConfig::new(Platform::new("linux", "amd64"));
    config.set_env("PATH", "/usr/bin:/bin");
    let context = MemoryTree::new().file(".dockerignore", "*.o\n!a.o\n").file("a", "b");
    MemoryHost::new()
        .context("context", context)
        .image("docker.io/library/alpine:latest", config.clone())
        .image("docker.io/library/debian:12", config)
}

fuzz_target!(|text: &str| {
    let host = host();
    let asked = || request("Mockerfile.yaml", text);
    let built = MockerfileFrontend::build(&host, asked());
    match &built {
        Ok(result) => {
            check(&result.warnings, text);
            for vertex in &result.definition.vertices {
                for range in &vertex.ranges {
                    assert!(is_inside(text, range.start) && is_inside(text, range.stop), "{vertex:?}");
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
    assert!(built == MockerfileFrontend::build(&host, asked()));
    if let Ok(report) = MockerfileFrontend::lint(&host, asked()) {
        check(&report, text);
    }
    for call in ["outline", "targets", "schema"] {
        let _ = MockerfileFrontend::call(&host, call, asked());
    }
});
