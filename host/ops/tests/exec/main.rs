//! Runs real commands in real containers, in a root file system of busybox. Needs root; skipped with a reason
//! where something is missing.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod basics;
mod escape;
mod layers;
mod lifecycle;
mod limits;
mod mounts;
mod network;
mod output;
mod runtimes;
mod sandbox;
mod support;
mod world;

/// Not a test of anything: what the tests start as the container helper, this same program, ends up here.
#[test]
fn container_helper() {
    if std::env::var_os(support::HELPER_VARIABLE).is_some() {
        let code = lapstrake_ops::exec::helper_main();
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}
