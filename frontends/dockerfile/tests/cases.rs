//! Runs every folder of `tests/cases/dockerfile` (the SDK's `testing::cases` says what is in one). `BLESS=1` writes what
//! comes out.

use lapstrake_dockerfile::DockerfileFrontend;
use lapstrake_sdk::testing::cases::Cases;

#[test]
fn all_cases() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/dockerfile");
    let cases = Cases::read(folder);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    cases.check::<DockerfileFrontend>(|text, seen| {
        let calls = seen.image_requests.len();
        assert!(
            calls <= 1 || text.contains("onbuild"),
            "images are resolved in one call, not in {calls}"
        );
    });
}
