//! Shared support of the end-to-end tests and the benchmarks: a sealed place to run the real program in, base images,
//! and real servers that start on loopback and end with the test.
//!
//! Panics where a test would: this crate is used by nothing else.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

pub mod base;
pub mod disk;
pub mod gated;
pub mod guests;
pub mod layout;
pub mod opened;
pub mod packages;
pub mod place;
pub mod repository;
pub mod search;
pub mod servers;
pub mod web;

pub use place::{Place, Ran};

/// Says why a test does nothing here. Continuous integration installs everything, so nothing is skipped there.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        eprintln!("skipped: {}", format_args!($($reason)*));
        return;
    }};
}

/// The path of a program, if it is there. Looks where Debian puts servers too.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Whether commands may be other users than root: this process is root, or has subordinate ids.
pub fn has_users() -> bool {
    static HAS_USERS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *HAS_USERS.get_or_init(|| {
        let found = || Place::new().run(["doctor"]).stdout;
        rustix::process::geteuid().is_root()
            || found()
                .lines()
                .any(|line| line.starts_with("ok       subordinate ids"))
    })
}

/// Whether this process is root: may make devices and control groups, and start servers that others log in to.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this process may make containers: it is root, or `lapstrake doctor` says that it works without.
pub fn can_run_containers() -> bool {
    static CAN_RUN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *CAN_RUN.get_or_init(|| rustix::process::geteuid().is_root() || Place::new().run(["doctor"]).code == 0)
}
