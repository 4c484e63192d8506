//! Mounts layers on each other with overlayfs, so that the upper directory alone is a whole layer.
//! Knows nothing of where layers come from or what they are for.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, Timespec, Timestamps, open};
use rustix::io::Errno as Error;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};
use rustix::process::chdir;

use super::bundle::Surroundings;
use super::error::SetupError;

/// Layers to be mounted on each other, open.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The topmost first, as overlayfs wants it.
    lower: Vec<OwnedFd>,
    /// Upper and work directory; none: read-only.
    writes: Option<(OwnedFd, OwnedFd)>,
}

/// Options besides the directories.
///
/// The first three make the upper directory a whole layer: no data and no names in other places; `nofollow`
/// is `off` that does not believe redirections of lower layers either, which `off` does on some kernels.
/// `volatile`: nothing is written out when the overlay is unmounted, and programs' fsync(2) do nothing;
/// whoever keeps the layer sees to its safety.
const OPTIONS: [(&str, &str); 3] = [
    ("index", "off"),
    ("redirect_dir", "nofollow"),
    ("metacopy", "off"),
];
const VOLATILE: &str = "volatile";
const USER_XATTR: &str = "userxattr";

impl Layers {
    /// Opens the directories `lower`, the lowest first, and the upper and work directory `writes`. `fillers`
    /// are empty directories, on the same file system, for where overlayfs wants more layers than there are.
    pub(crate) fn open(
        lower: &[PathBuf],
        writes: Option<(&Path, &Path)>,
        fillers: [&Path; 2],
    ) -> Result<Layers, SetupError> {
        let dir = |path: &Path| {
            open(
                path,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|e| SetupError::Layer {
                path: path.to_owned(),
                source: e.into(),
            })
        };
        let missing = fillers_needed(lower, writes.is_some());
        let lower = topmost(lower)
            .into_iter()
            .chain(fillers.into_iter().take(missing));
        Ok(Layers {
            lower: lower.map(dir).collect::<Result<_, _>>()?,
            writes: match writes {
                Some((upper, work)) => Some((dir(upper)?, dir(work)?)),
                None => None,
            },
        })
    }

    /// Mounts at the directory `target`. The current directory is another one afterwards.
    pub(crate) fn mount(
        &self,
        target: &Path,
        name: &str,
        surroundings: Surroundings,
    ) -> Result<(), SetupError> {
        let failed = |error: Error| SetupError::Overlay {
            target: name.to_owned(),
            layers: self.lower.len(),
            source: error.into(),
        };
        // The numbers of open directories are short names, relative to this one, without any characters that
        // overlayfs takes for its own. Paths would be too long: 256 bytes are the limit for one, 4096 for
        // all.
        chdir("/proc/self/fd").map_err(SetupError::system("enter /proc/self/fd"))?;
        match self.mount_by_steps(target, surroundings) {
            // A kernel before 6.5 does not know `lowerdir+`, one before 5.2 not even `fsopen`.
            Err(Error::INVAL | Error::NOSYS) => self.mount_at_once(target, surroundings).map_err(failed),
            other => other.map_err(failed),
        }
    }

    fn mount_by_steps(&self, target: &Path, surroundings: Surroundings) -> Result<(), Error> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", "lapstrake")?;
        for dir in &self.lower {
            fsconfig_set_string(&context, "lowerdir+", number(dir))?;
        }
        if let Some((upper, work)) = &self.writes {
            fsconfig_set_string(&context, "upperdir", number(upper))?;
            fsconfig_set_string(&context, "workdir", number(work))?;
            fsconfig_set_flag(&context, VOLATILE)?;
        }
        for (key, value) in OPTIONS {
            fsconfig_set_string(&context, key, value)?;
        }
        if surroundings.user_namespace {
            fsconfig_set_flag(&context, USER_XATTR)?;
        }
        fsconfig_create(&context)?;
        let attributes = if surroundings.no_devices {
            MountAttrFlags::MOUNT_ATTR_NODEV
        } else {
            MountAttrFlags::empty()
        };
        let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        move_mount(&mounted, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
    }

    fn mount_at_once(&self, target: &Path, surroundings: Surroundings) -> Result<(), Error> {
        let mut options = "lowerdir=".to_owned();
        for (index, dir) in self.lower.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            let _ = write!(options, "{separator}{}", number(dir));
        }
        if let Some((upper, work)) = &self.writes {
            let _ = write!(
                options,
                ",upperdir={},workdir={},{VOLATILE}",
                number(upper),
                number(work)
            );
        }
        for (key, value) in OPTIONS {
            let _ = write!(options, ",{key}={value}");
        }
        if surroundings.user_namespace {
            let _ = write!(options, ",{USER_XATTR}");
        }
        let flags = if surroundings.no_devices {
            MountFlags::NODEV
        } else {
            MountFlags::empty()
        };
        let options = CString::new(options).map_err(|_| Error::INVAL)?;
        mount("lapstrake", target, "overlay", flags, options.as_c_str())
    }
}

/// How many empty layers overlayfs wants besides `lower`: one lower directory, or two where there is no upper one.
pub(crate) fn fillers_needed(lower: &[PathBuf], writable: bool) -> usize {
    let least: usize = if writable { 1 } else { 2 };
    least.saturating_sub(topmost(lower).len())
}

/// The layers, the topmost first, each once: overlayfs takes none twice, and a merge may have one at several places. The
/// highest of them counts, as every path of the lower ones is covered by it.
fn topmost(lower: &[PathBuf]) -> Vec<&Path> {
    let mut seen = BTreeSet::new();
    let layers = lower.iter().rev().map(PathBuf::as_path);
    layers.filter(|layer| seen.insert(*layer)).collect()
}

fn number(fd: &OwnedFd) -> String {
    fd.as_raw_fd().to_string()
}

/// Gives the new layer's root the owner, mode, time and extended attributes of the one below: they are the
/// container's `/`.
pub(crate) fn inherit_root(lower: &[PathBuf], upper: &Path) -> std::io::Result<()> {
    let Some(below) = lower.last() else { return Ok(()) };
    let meta = fs::metadata(below)?;
    let own = fs::metadata(upper)?;
    if (meta.uid(), meta.gid()) != (own.uid(), own.gid()) {
        chown(upper, Some(meta.uid()), Some(meta.gid()))?;
    }
    if meta.mode() != own.mode() {
        fs::set_permissions(upper, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    }
    for name in xattr::list(below)?.filter(|n| !is_overlay_xattr(&n.to_string_lossy())) {
        if let Some(value) = xattr::get(below, &name)? {
            xattr::set(upper, &name, &value)?;
        }
    }
    let time = Timespec {
        tv_sec: meta.mtime(),
        tv_nsec: meta.mtime_nsec() as _,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        upper,
        &times,
        rustix::fs::AtFlags::empty(),
    )?)
}

/// Whether an extended attribute is overlayfs' own.
pub(crate) fn is_overlay_xattr(name: &str) -> bool {
    name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::sys;
    use rustix::mount::{MountPropagationFlags, mount_change};
    use rustix::thread::UnshareFlags;

    #[test]
    fn overlayfs_gets_as_many_layers_as_it_wants() {
        let layers: Vec<PathBuf> = (0..500).map(|number: u32| number.to_string().into()).collect();
        let counts = [0, 1, 2, 500];
        assert_eq!(
            counts.map(|count| fillers_needed(&layers[..count], true)),
            [1, 0, 0, 0]
        );
        assert_eq!(
            counts.map(|count| fillers_needed(&layers[..count], false)),
            [2, 1, 0, 0]
        );
        let same = ["a", "a"].map(PathBuf::from);
        assert_eq!(fillers_needed(&same, false), 1);
    }

    #[test]
    fn of_a_layer_that_is_there_twice_the_upper_one_counts() {
        let layers = ["a", "b", "a", "c", "b"].map(PathBuf::from);
        assert_eq!(topmost(&layers), ["b", "c", "a"].map(Path::new));
    }

    /// In a thread with mounts and a current directory of its own. None: this process must not mount.
    fn with_own_mounts(test: impl FnOnce() + Send) -> Option<()> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                sys::unshare_namespaces(UnshareFlags::NEWNS).ok()?;
                mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).ok()?;
                test();
                Some(())
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn both_ways_to_mount_do_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: String| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let lower: Vec<PathBuf> = (0..150)
            .map(|i| make(format!("{}:{i},", "long-".repeat(20))))
            .collect();
        for (index, layer) in lower.iter().enumerate() {
            fs::write(layer.join("top"), index.to_string()).unwrap();
            fs::write(layer.join(format!("f{index}")), "").unwrap();
        }
        let surroundings = Surroundings {
            no_devices: true,
            user_namespace: false,
        };
        let (filler, target) = (make("filler".into()), make("target".into()));
        for way in [Layers::mount_by_steps, Layers::mount_at_once] {
            let (upper, work) = (make("upper".into()), make("work".into()));
            let done = with_own_mounts(|| {
                let layers = Layers::open(&lower, Some((&upper, &work)), [&filler, &filler]).unwrap();
                chdir("/proc/self/fd").unwrap();
                match way(&layers, &target, surroundings) {
                    Err(Error::INVAL | Error::NOSYS) => return println!("skipped: an older kernel"),
                    other => other.unwrap(),
                }
                assert_eq!(fs::read_to_string(target.join("top")).unwrap(), "149");
                assert_eq!(fs::read_dir(&target).unwrap().count(), 151);
                fs::write(target.join("new"), "").unwrap();
                fs::remove_file(target.join("f7")).unwrap();
            });
            if done.is_none() {
                return println!("skipped: mounting is not allowed");
            }
            let mut names: Vec<_> = fs::read_dir(&upper)
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            names.sort();
            assert_eq!(names, ["f7", "new"]);
            fs::remove_dir_all(upper).unwrap();
            super::super::layer::remove_work(&work).unwrap();
        }
    }
}
