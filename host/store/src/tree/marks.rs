//! Overlayfs's marks in a layer: what is deleted, and what hides all below it (Linux, overlayfs.rst).
//! Knows nothing of layers' archives.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::Stat;

use super::ownership::{OWN, Powers};

/// In which xattr namespace the marks are. All layers that one kernel mounts have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.`: of root.
    Trusted,
    /// `user.overlay.`: of root in a user namespace, mount option `userxattr`.
    User,
}

/// What the opaque attribute of a directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opaque {
    /// It shows what is below it.
    No,
    /// It hides what is below it.
    Yes,
    /// It shows what is below it, and some regular files in it are whiteouts.
    Whiteouts,
}

impl Marks {
    /// Those that this process can write and its kernel reads.
    pub fn current() -> Self {
        match Powers::current() {
            Powers::Full => Self::Trusted,
            Powers::Limited { .. } => Self::User,
        }
    }

    /// Name of the attribute that makes a directory opaque.
    pub const fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }

    /// Name of the attribute that makes an empty regular file a whiteout.
    const fn whiteout(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.whiteout",
            Self::User => "user.overlay.whiteout",
        }
    }

    /// Reads the opaque attribute of a directory. The path is the host's, its last component is not followed.
    pub fn read_opaque(self, path: &Path) -> Opaque {
        let mut value = [0u8; 4];
        match rustix::fs::lgetxattr(path, self.opaque(), &mut value) {
            Ok(1) if value[0] == b'y' => Opaque::Yes,
            Ok(1) if value[0] == b'x' => Opaque::Whiteouts,
            _ => Opaque::No,
        }
    }

    /// Whether an empty regular file in a directory that says [`Opaque::Whiteouts`] is a whiteout.
    pub fn is_file_whiteout(self, path: &Path) -> bool {
        rustix::fs::lgetxattr_query(path, self.whiteout()).is_ok()
    }

    /// Makes a directory hide what is below it. The path is the host's.
    pub fn set_opaque(self, path: &Path) -> rustix::io::Result<()> {
        rustix::fs::lsetxattr(path, self.opaque(), b"y", rustix::fs::XattrFlags::empty())
    }
}

/// Whether an inode is a whiteout: a character device 0/0.
pub fn is_whiteout(stat: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice
        && stat.st_rdev == 0
}

/// Whether an extended attribute is one of overlayfs's own.
pub fn is_overlay_xattr(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Whether an extended attribute belongs to a file wherever the file goes: not overlayfs's own or ours, and not what a
/// host's security modules wrote (labels, signatures). File capabilities and access control lists belong to the file.
pub fn is_portable_xattr(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    match bytes.split(|b| *b == b'.').next() {
        Some(b"security") => bytes == b"security.capability",
        // Root's alone: a build without root could not even see them, and is to make the same.
        Some(b"trusted") => false,
        Some(b"system") => bytes.starts_with(b"system.posix_acl_"),
        _ => !is_overlay_xattr(name) && !bytes.starts_with(OWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_travel() {
        for (name, travels) in [
            ("user.mime_type", true),
            ("security.capability", true),
            ("system.posix_acl_access", true),
            ("trusted.md5", false),
            ("security.selinux", false),
            ("security.ima", false),
            ("system.nfs4_acl", false),
            ("trusted.overlay.opaque", false),
            ("user.overlay.whiteout", false),
            ("user.lapstrake.meant", false),
        ] {
            assert_eq!(is_portable_xattr(OsStr::new(name)), travels, "{name}");
        }
    }
}
