//! Real overlayfs mounts, for tests that compare with the kernel. Each is in a mount namespace of a thread of its own,
//! so that nothing stays mounted.
//! Knows nothing of the trees that are compared.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::thread::UnshareFlags;

/// Runs `test` in a mount namespace of its own. Without the right to, it is skipped, and the reason printed.
pub(crate) fn in_own_mounts(test: impl FnOnce() + Send) {
    let run = || {
        // Of the namespaces only that of mounts, which is this thread's own and its only reason to be.
        #[allow(
            deprecated,
            reason = "the replacement is unsafe for flags that are not used here"
        )]
        let unshared = rustix::thread::unshare(UnshareFlags::NEWNS)
            .and_then(|()| mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC));
        match unshared {
            Ok(()) => test(),
            Err(error) => println!("skipped: no mounts for this test: {error}"),
        }
    };
    let result = std::thread::scope(|scope| scope.spawn(run).join());
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// An overlayfs mount with an upper directory of its own.
pub(crate) struct Overlay {
    dir: tempfile::TempDir,
}

impl Overlay {
    /// Mounts layers, the lowest first.
    pub(crate) fn new(layers: &[PathBuf]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["empty", "upper", "work", "merged"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let lower: Vec<String> = layers
            .iter()
            .rev()
            .chain([&dir.path().join("empty")])
            .map(|p| p.display().to_string())
            .collect();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let options = format!(
            "lowerdir={},upperdir={},workdir={},index=off,redirect_dir=nofollow,metacopy=off{}",
            lower.join(":"),
            at("upper"),
            at("work"),
            match super::Marks::current() {
                super::Marks::Trusted => "",
                super::Marks::User => ",userxattr",
            }
        );
        let options = std::ffi::CString::new(options).unwrap();
        mount(
            "overlay",
            dir.path().join("merged"),
            "overlay",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .unwrap();
        Self { dir }
    }

    /// What the kernel shows.
    pub(crate) fn merged(&self) -> PathBuf {
        self.dir.path().join("merged")
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        unmount(self.merged(), UnmountFlags::DETACH).unwrap();
    }
}

/// What the dump of a tree says, but for times.
pub(crate) fn without_times(dump: Vec<String>) -> Vec<String> {
    let strip = |line: String| {
        let mut parts: Vec<&str> = line.split(' ').collect();
        parts.remove(4);
        parts.join(" ")
    };
    dump.into_iter().map(strip).collect()
}

/// Compares two dumps line by line.
pub(crate) fn assert_same(found: &[String], expected: &[String], what: &Path) {
    if found != expected {
        let (only_found, only_expected): (Vec<_>, Vec<_>) = (
            found.iter().filter(|line| !expected.contains(line)).collect(),
            expected.iter().filter(|line| !found.contains(line)).collect(),
        );
        panic!("{what:?}: found {only_found:#?}, expected {only_expected:#?}");
    }
}
