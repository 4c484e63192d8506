//! Runs every folder of `tests/cases/nix` (the SDK's `testing::cases` says what is in one). `BLESS=1` writes what comes
//! out.

use lapstrake_nix::NixFrontend;
use lapstrake_sdk::testing::cases::Cases;

#[test]
fn all_cases() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/nix");
    let cases = Cases::read(folder).named("default.nix");
    assert!(cases.len() >= 5, "only {} cases", cases.len());
    cases.check::<NixFrontend>(|_, _| {});
}
