//! What can be seen without being root of anything: the kernel, the state directory, control groups.
//! Knows nothing of containers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, statfs};

use super::inside::Tried;
use super::{Finding, Question};
use crate::exec::hierarchies;

/// Less is a reason to say so, bytes.
const LITTLE_SPACE: u64 = 2 << 30;

/// Directories to try things in, on the file system of the state directory. Removed when dropped.
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes them in the state directory, or in the nearest directory above it that is there.
    pub(super) fn make(state_dir: &Path) -> io::Result<Self> {
        let state_dir = std::path::absolute(state_dir)?;
        let place = nearest(&state_dir);
        let dir = place.join(format!(".lapstrake-doctor-{}", std::process::id()));
        fs::create_dir(&dir)?;
        let scratch = Self { dir };
        for name in ["lower/dir", "upper", "work", "merged", "target"] {
            fs::create_dir_all(scratch.dir.join(name))?;
        }
        for name in ["lower/file", "lower/dir/file"] {
            fs::write(scratch.dir.join(name), "")?;
        }
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It opens the directories that overlayfs made and closed even to their owner.
        let _ = lapstrake_store::remove_tree(&self.dir);
    }
}

fn nearest(path: &Path) -> &Path {
    path.ancestors()
        .find(|dir| dir.is_dir())
        .unwrap_or(Path::new("/"))
}

/// The kernel that runs.
pub(super) fn kernel() -> Finding {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    Finding::ok(
        "kernel",
        format!("Linux {} on {}", text(name.release()), text(name.machine())),
    )
}

/// The file system of the state directory, and what it can do.
pub(super) fn state_directory(question: &Question, scratch: &io::Result<Scratch>, tried: &Tried) -> Finding {
    let name = "state directory";
    let path = question.state_dir.display();
    let scratch = match scratch {
        Ok(scratch) => scratch,
        Err(error) => {
            let finding = Finding::missing(name, format!("{path} cannot be written: {error}"));
            return finding
                .remedy("name another one with --root or LAPSTRAKE_ROOT, or make this one your own");
        }
    };
    let (kind, free) = match statfs(scratch.path()) {
        Ok(stat) => (
            kind(stat.f_type as u64),
            stat.f_bavail.saturating_mul(stat.f_bsize as u64),
        ),
        Err(_) => ("unknown".to_owned(), 0),
    };
    let found = format!("{path}: {kind}, {} GB free", free / 1_000_000_000);
    let attribute = rustix::fs::setxattr(
        scratch.path().join("upper"),
        "user.lapstrake.meant",
        b"",
        XattrFlags::empty(),
    );
    if attribute.is_err() && tried.place != super::inside::Place::Privileged {
        return Finding::limited(
            name,
            format!("{found}, without attributes of users (user.*)"),
            "owners and permissions that this user cannot give are lost, and directories that were replaced are not \
             hidden",
        )
        .remedy("name a directory on ext4, xfs or btrfs with --root or LAPSTRAKE_ROOT");
    }
    if free < LITTLE_SPACE {
        return Finding::limited(name, found, "large images do not fit")
            .remedy("lapstrake prune, or name a larger disk with --root or LAPSTRAKE_ROOT");
    }
    Finding::ok(name, found)
}

/// Name of a file system, statfs(2).
fn kind(magic: u64) -> String {
    let known = match magic & 0xffff_ffff {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x794c_7630 => "overlayfs",
        0x0102_1994 => "tmpfs",
        0x6969 => "nfs",
        0x2fc1_2fc1 => "zfs",
        0x6573_5546 => "fuse",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x0102_1997 => "9p",
        0xff53_4d42 | 0xfe53_4d42 => "smb",
        other => return format!("file system {other:#x}"),
    };
    known.to_owned()
}

/// Which limits can be set.
pub(super) fn cgroups() -> Finding {
    let name = "control groups";
    let without = "--memory, --cpu-* and other limits have no effect, which is a warning";
    let delegate = "systemd-run --user --scope -p Delegate=yes lapstrake ..., or a file \
                    /etc/systemd/system/user@.service.d/delegate.conf with `[Service]` and \
                    `Delegate=cpu cpuset io memory pids`; in a container, mount its cgroups writable";
    let hierarchies = hierarchies();
    let Some(unified) = hierarchies.iter().find(|hierarchy| hierarchy.unified) else {
        let own: Vec<_> = hierarchies
            .iter()
            .map(|hierarchy| hierarchy.own.clone())
            .collect();
        return match own.iter().find(|dir| is_ours(dir)) {
            Some(_) => Finding::ok(name, "version 1, groups can be made"),
            None if own.is_empty() => Finding::limited(name, "none are mounted", without)
                .remedy("sudo mount -t cgroup2 none /sys/fs/cgroup"),
            None => Finding::limited(name, "version 1, no groups can be made", without).remedy(delegate),
        };
    };
    let read = |file: &str| fs::read_to_string(unified.own.join(file)).unwrap_or_default();
    let controllers = read("cgroup.controllers").trim().to_owned();
    let version1 = hierarchies
        .iter()
        .any(|hierarchy| !hierarchy.unified && is_ours(&hierarchy.own));
    if version1 {
        return Finding::ok(name, "versions 1 and 2, groups can be made");
    }
    if !is_ours(&unified.own) {
        return Finding::limited(name, "version 2, no groups can be made", without).remedy(delegate);
    }
    match controllers.is_empty() {
        true => Finding::limited(name, "version 2, no controllers are delegated", without).remedy(delegate),
        false => Finding::ok(name, format!("version 2, with {controllers}")),
    }
}

/// Whether groups can be made in a group.
fn is_ours(group: &Path) -> bool {
    let dir = group.join(format!("lapstrake-doctor-{}", std::process::id()));
    let made = fs::create_dir(&dir).is_ok();
    if made {
        let _ = fs::remove_dir(&dir);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("not/yet/there");
        let scratch = Scratch::make(&state).unwrap();
        assert!(scratch.path().starts_with(dir.path()));
        drop(scratch);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn file_systems_have_names() {
        assert_eq!(kind(0xef53), "ext4");
        // As the kernel gives it where the number is signed.
        assert_eq!(kind(0xffff_ffff_9123_683e), "btrfs");
        assert_eq!(kind(7), "file system 0x7");
    }
}
