//! The known ways out of a container, each tried from inside and a test of its own. What is refused is tried with
//! `security: insecure` too, where it must get further: else the test would pass whatever the sandbox does.

mod calls;
mod devices;
mod kernel_files;
mod links;
mod network;
mod processes;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lapstrake_llb::SecurityMode;

use crate::support::Step;

/// A directory with the programs `probe` and `loader`, of the C sources here; none: there is no C compiler that links statically.
pub fn probe() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let draft = tempfile::tempdir_in(base).ok()?;
    for (name, options) in [
        ("probe", &[][..]),
        ("loader", &["-nostdlib", "-fno-stack-protector"]),
    ] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exec/escape");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-static", "-O1", "-Wall", "-Werror"])
            .args(options)
            .arg("-o")
            .arg(draft.path().join(name))
            .arg(sources.join(name).with_extension("c"));
        if !compiler.status().is_ok_and(|status| status.success()) {
            return None;
        }
    }
    let place = base.join(format!("exec-probe-{}", std::process::id()));
    std::fs::rename(draft.keep(), &place).ok()?;
    Some(place)
}

/// Leaves the test, with a printed reason, where the probe cannot be built or run.
#[macro_export]
macro_rules! needs_probe {
    () => {
        $crate::needs_containers!();
        if $crate::escape::probe().is_none() {
            println!("skipped: no C compiler that links statically");
            return;
        }
    };
}

/// A step that runs the probe.
pub fn probing(args: &[&str]) -> Step {
    let args: Vec<&str> = ["/probe"].iter().chain(args).copied().collect();
    Step::new(&args).with(|r| r.root.lower.push(probe().unwrap().to_owned()))
}

/// What the kernel answers to the probe of a step.
pub fn answer(step: Step) -> String {
    step.succeed().stdout.trim_end().to_owned()
}

/// Expects that the sandbox answers `expected`, to root and to another user, and that without a sandbox it is another
/// answer.
#[track_caller]
pub fn refused(expected: &str, args: &[&str]) {
    assert_eq!(answer(probing(args)), expected, "in the sandbox, as root");
    let user = probing(args).with(|r| r.op.user = Some("app".into()));
    let said = answer(user);
    assert!(
        said == expected || said == "EACCES" || said == "EPERM",
        "in the sandbox, as another user: {said}"
    );
    let open = probing(args).with(|r| r.op.security = SecurityMode::Insecure);
    assert_ne!(answer(open), expected, "without a sandbox it is not refused");
}
