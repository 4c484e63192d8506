//! Carries out the mounts of a specification in a container's root, fills its /dev, and hides and protects
//! paths. Knows nothing of where the sources of bind mounts come from.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, makedev, mknodat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use super::bundle::Surroundings;
use super::error::SetupError;
use super::sys::{self, mount_attr};
use super::target::{Make, Root, file_type};

/// The options of a mount, sorted out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    /// `MOUNT_ATTR_*`.
    attributes: u64,
    recursive: bool,
    /// For the file system itself.
    data: Vec<(&'a str, Option<&'a str>)>,
}

impl Options<'_> {
    fn parse(options: &[String]) -> Options<'_> {
        let mut parsed = Options::default();
        for option in options {
            match option.as_str() {
                "ro" => parsed.attributes |= mount_attr::READ_ONLY,
                "nosuid" => parsed.attributes |= mount_attr::NO_SUID,
                "nodev" => parsed.attributes |= mount_attr::NO_DEV,
                "noexec" => parsed.attributes |= mount_attr::NO_EXEC,
                "strictatime" => parsed.attributes |= mount_attr::STRICT_ATIME,
                "bind" | "rw" => {}
                "rbind" => parsed.recursive = true,
                // A mount of devpts is always one of its own.
                "newinstance" => {}
                other => parsed.data.push(match other.split_once('=') {
                    Some((key, value)) => (key, Some(value)),
                    None => (other, None),
                }),
            }
        }
        parsed
    }
}

/// Carries out one mount.
pub(crate) fn attach(root: &mut Root, mount: &Mount, surroundings: Surroundings) -> Result<(), SetupError> {
    let target = mount.destination().to_str().ok_or(SetupError::Request)?;
    let kind = mount.typ().as_deref().unwrap_or("bind");
    let source = mount.source().as_deref().unwrap_or(Path::new(""));
    let options = mount.options().clone().unwrap_or_default();
    let options = Options::parse(&options);
    let failed = |error: Errno| SetupError::Mount {
        kind: kind.to_owned(),
        target: target.to_owned(),
        source: error.into(),
    };
    let (tree, make) = match kind {
        "bind" => {
            let tree = cloned(source, &options).map_err(failed)?;
            let is_dir = file_type(&fstat(&tree).map_err(failed)?) == FileType::Directory;
            (
                tree,
                if is_dir {
                    Make::DirectoryStub
                } else {
                    Make::FileStub
                },
            )
        }
        _ => (
            file_system(kind, &options, surroundings).map_err(failed)?,
            Make::DirectoryStub,
        ),
    };
    let place = root.open_or_make(target, make).map_err(|e| SetupError::Target {
        target: target.to_owned(),
        source: e.into(),
    })?;
    if matches!(kind, "proc" | "sysfs") {
        // What is hidden and protected in them is named by path later, which must not lead through a link of
        // the image.
        refuse_links(root, target)?;
    }
    place_at(&tree, &place).map_err(failed)?;
    if kind == "tmpfs" && target == "/dev" {
        let dev = root.open(target).map_err(failed)?;
        fill_dev(&dev, surroundings)?;
    }
    Ok(())
}

fn cloned(source: impl rustix::path::Arg, options: &Options<'_>) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, options.recursive);
    let tree = open_tree(CWD, source, flags)?;
    set_attributes(&tree, options)?;
    Ok(tree)
}

fn set_attributes(tree: impl AsFd, options: &Options<'_>) -> Result<(), Errno> {
    if options.attributes == 0 {
        return Ok(());
    }
    sys::set_mount_attributes(tree, options.attributes, options.recursive)
        .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

fn file_system(kind: &str, options: &Options<'_>, surroundings: Surroundings) -> Result<OwnedFd, Errno> {
    let kind = if kind == "cgroup" { "cgroup2" } else { kind };
    let make = |data: &[(&str, Option<&str>)]| {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", kind)?;
        for (key, value) in data {
            match value {
                Some(value) => fsconfig_set_string(&context, *key, *value)?,
                None => fsconfig_set_flag(&context, *key)?,
            }
        }
        fsconfig_create(&context)?;
        let attributes = MountAttrFlags::from_bits_retain(options.attributes as _);
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    match make(&options.data) {
        // The group of terminals may not exist in a user namespace.
        Err(Errno::INVAL) if kind == "devpts" => {
            let data: Vec<_> = options
                .data
                .iter()
                .copied()
                .filter(|(key, _)| *key != "gid")
                .collect();
            make(&data)
        }
        // Only the owner of a network namespace can mount the view of it.
        Err(Errno::PERM) if kind == "sysfs" && surroundings.user_namespace => cloned(
            "/sys",
            &Options {
                attributes: options.attributes,
                recursive: true,
                data: Vec::new(),
            },
        ),
        other => other,
    }
}

fn refuse_links(root: &Root, target: &str) -> Result<(), SetupError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(root.as_fd(), target.trim_start_matches('/'), flags, Mode::empty())
        .map(drop)
        .map_err(|e| SetupError::Target {
            target: target.to_owned(),
            source: e.into(),
        })
}

fn place_at(tree: impl AsFd, place: impl AsFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", place, "", flags)
}

/// Devices of every container: name, major and minor number.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const DEV_LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
];

fn fill_dev(dev: &OwnedFd, surroundings: Surroundings) -> Result<(), SetupError> {
    for (name, major, minor) in DEVICES {
        let failed = |e: Errno| SetupError::Mount {
            kind: "device".into(),
            target: format!("/dev/{name}"),
            source: e.into(),
        };
        // Where nodes cannot be made, or cannot be opened, the machine's own are bound.
        let bind = surroundings.user_namespace || surroundings.no_devices;
        let kind = if bind {
            FileType::RegularFile
        } else {
            FileType::CharacterDevice
        };
        mknodat(dev, name, kind, Mode::from_raw_mode(0o666), makedev(major, minor)).map_err(failed)?;
        if bind {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let place = openat(dev, name, flags, Mode::empty()).map_err(failed)?;
            // Read-only is about the node, not the device: its mode and owner are the machine's.
            let options = Options {
                attributes: mount_attr::READ_ONLY,
                ..Options::default()
            };
            let own = cloned(format!("/dev/{name}"), &options).map_err(failed)?;
            place_at(&own, &place).map_err(failed)?;
        }
    }
    for (name, link) in DEV_LINKS {
        symlinkat(link, dev, name).map_err(SetupError::system("make a link in /dev"))?;
    }
    Ok(())
}

/// Makes the root the calling process's `/`, with nothing of the machine's left.
pub(crate) fn enter(root: &Root) -> Result<(), SetupError> {
    let step =
        |result: Result<(), Errno>| result.map_err(SetupError::system("make the container's root the root"));
    step(fchdir(root.as_fd()))?;
    step(pivot_root(".", "."))?;
    // The old root is now on top of the new one.
    step(unmount(".", UnmountFlags::DETACH))?;
    step(chdir("/"))
}

/// What paths are hidden behind.
#[derive(Debug)]
pub(crate) struct Covers {
    /// A null device.
    pub(crate) file: PathBuf,
    /// An empty directory.
    pub(crate) dir: PathBuf,
}

/// Hides paths of the container. Those that do not exist are left out.
pub(crate) fn mask(root: &Root, paths: &[String], covers: &Covers) -> Result<(), SetupError> {
    let options = Options {
        attributes: mount_attr::READ_ONLY,
        ..Options::default()
    };
    for path in paths {
        let Ok(found) = root.open(path) else { continue };
        let hide = || {
            let is_dir = file_type(&fstat(&found)?) == FileType::Directory;
            let cover = if is_dir { &covers.dir } else { &covers.file };
            place_at(cloned(cover.as_path(), &options)?, &found)
        };
        hide().map_err(|e: Errno| SetupError::Mount {
            kind: "a mask".into(),
            target: path.clone(),
            source: e.into(),
        })?;
    }
    Ok(())
}

/// Makes paths of the container read-only. Those that do not exist are left out.
pub(crate) fn protect(root: &Root, paths: &[String]) -> Result<(), SetupError> {
    let options = Options {
        attributes: mount_attr::READ_ONLY,
        recursive: true,
        data: Vec::new(),
    };
    for path in paths {
        let Ok(found) = root.open(path) else { continue };
        let protect = || {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE
                | OpenTreeFlags::AT_EMPTY_PATH;
            let tree = open_tree(&found, "", flags)?;
            set_attributes(&tree, &options)?;
            place_at(&tree, &found)
        };
        protect().map_err(|e: Errno| SetupError::Mount {
            kind: "read-only".into(),
            target: path.clone(),
            source: e.into(),
        })?;
    }
    Ok(())
}

/// Makes the root file system read-only, without what is mounted in it.
pub(crate) fn protect_root() -> Result<(), SetupError> {
    let action = "make the root read-only";
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(SetupError::system(action))?;
    sys::set_mount_attributes(root, mount_attr::READ_ONLY, false).map_err(SetupError::system(action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_for_the_mount_or_for_the_file_system() {
        let words: Vec<String> = ["rbind", "ro", "nodev", "size=65536k", "volatile"]
            .map(str::to_owned)
            .to_vec();
        let expected = Options {
            attributes: mount_attr::READ_ONLY | mount_attr::NO_DEV,
            recursive: true,
            data: vec![("size", Some("65536k")), ("volatile", None)],
        };
        assert_eq!(Options::parse(&words), expected);
    }
}
