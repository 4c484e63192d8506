//! Throws bytes at the whole frontend: parsing, evaluation, lowering, the checks, the targets. Nothing may panic, every
//! finding has its place in the text, and the same text gives the same answer.
#![no_main]

use lapstrake_nix::NixFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::places::check_findings as check;
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::*;
use libfuzzer_sys::fuzz_target;

fn host() -> MemoryHost {
    let config = ImageConfig::new(Platform::new("linux", "amd64"));
    let context = MemoryTree::new().file("a", "b").file("lib.nix", "{ f = x: x; }");
    MemoryHost::new().context("context", context).image("debian:12", config)
}

fuzz_target!(|text: &str| {
    let asked = || {
        let mut request = request("default.nix", text);
        request.options.push(KeyValue::new("max-steps", "20000"));
        request
    };
    let build = || NixFrontend::build(&host(), asked());
    let built = build();
    match &built {
        Ok(result) => check(&result.warnings, text),
        Err(BuildError::Invalid(report)) => {
            assert!(report.has_errors());
            check(report, text);
        }
        Err(other) => panic!("{other:?}"),
    }
    assert!(built == build());
    let _ = NixFrontend::outline(&host(), asked());
    let _ = NixFrontend::call(&host(), "targets", asked());
});
