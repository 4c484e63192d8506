//! Runs every folder of `tests/cases/mockerfile` (the SDK's `testing::cases` says what is in one). `BLESS=1` writes what
//! comes out.

use lapstrake_mockerfile::MockerfileFrontend;
use lapstrake_sdk::testing::cases::Cases;

#[test]
fn all_cases() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/mockerfile");
    let cases = Cases::read(folder).named("Mockerfile.yaml");
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    cases.check::<MockerfileFrontend>(|text, seen| {
        let calls = seen.image_requests.len();
        assert!(
            calls <= 1,
            "images are resolved in one call, not in {calls}: {text}"
        );
    });
}
