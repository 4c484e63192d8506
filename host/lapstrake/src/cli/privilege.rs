//! Whether this process is root, and what it does where it is not: it enters a user namespace before anything else.
//! Knows nothing of what is done there.

use std::ffi::OsString;

use lapstrake_ops::rootless::{Standing, User, Wish, enter};

use super::{Failure, usage};

/// Overrides what is found by trying: `auto`, `single` or `none`.
const WISH: &str = "LAPSTRAKE_USERNS";

/// Who started this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starter {
    /// Whether the default state directory is the machine's.
    pub(super) is_root: bool,
}

impl Starter {
    /// Asks the kernel. MUST be done before [`gain`], after which everybody is root.
    pub(super) fn of_this_process() -> Self {
        Self {
            is_root: rustix::process::geteuid().is_root(),
        }
    }
}

/// Gets the rights that a build needs, as far as this machine gives them.
///
/// MUST be called while this process has one thread.
pub(super) fn gain() -> Result<Standing, Failure> {
    enter(wish()?, &user()).map_err(|error| usage(&error))
}

/// Who the user is, from the environment.
pub(super) fn user() -> User {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    User {
        path: std::env::var_os("PATH").filter(|path| !path.is_empty()),
        name: name.ok(),
    }
}

/// Which way the environment asks for.
pub(super) fn wish() -> Result<Wish, Failure> {
    let value: OsString = std::env::var_os(WISH).unwrap_or_default();
    match value.to_str() {
        Some("" | "auto") => Ok(Wish::Auto),
        Some("single") => Ok(Wish::Single),
        Some("none") => Ok(Wish::Plain),
        _ => Err(Failure::Usage(format!(
            "{WISH}={}: auto, single or none",
            value.display()
        ))),
    }
}
