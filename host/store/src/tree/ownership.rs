//! What a layer's files are meant to be, where this process may not make them so: without privilege nobody can give files
//! away, make devices, or set attributes of root's. Then the file is made as near as can be, and what it is meant to be
//! is written beside it: in an extended attribute, which overlayfs copies up with the file; for symbolic links, which have
//! none, in a table beside the layer.
//!
//! What is written counts only while the file is still as it was made for it. So a command that really changes an owner,
//! a mode or a placeholder wins.
//! Knows nothing of layers, and nothing of how this process came to its powers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::{Entry, FileKind};

/// Start of the names of all attributes that are ours.
pub(super) const OWN: &[u8] = b"user.lapstrake.";
/// Name of the attribute that says what a file is meant to be.
pub(crate) const MEANT: &str = "user.lapstrake.meant";
/// Stands before the name of an attribute that could not be set.
const STAND_IN: &[u8] = b"user.lapstrake.attribute.";

/// What this process may do with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Powers {
    /// Everything: it is the machine's root.
    Full,
    /// What the owner of files may do, and root of a user namespace.
    Limited {
        /// User that new files belong to. Where it is 0, files can be given to those that the namespace has.
        uid: u32,
        /// Group of new files.
        gid: u32,
        /// Whether it may use files that are closed to their owner.
        overrides: bool,
    },
}

impl Powers {
    /// Those of this process. They MUST NOT change once this was asked.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Powers> = OnceLock::new();
        *CURRENT.get_or_init(Self::look)
    }

    fn look() -> Self {
        let needed = CapabilitySet::SYS_ADMIN
            | CapabilitySet::CHOWN
            | CapabilitySet::MKNOD
            | CapabilitySet::FOWNER
            | CapabilitySet::DAC_OVERRIDE
            | CapabilitySet::SETFCAP;
        let has = rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
        let whole = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
        if has && std::fs::read_to_string("/proc/self/uid_map").map_or(true, whole) {
            return Self::Full;
        }
        Self::Limited {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            overrides: rustix::thread::capabilities(None)
                .is_ok_and(|sets| sets.effective.contains(CapabilitySet::DAC_OVERRIDE)),
        }
    }

    /// Whether nothing has to be written beside files.
    pub fn is_full(self) -> bool {
        self == Self::Full
    }

    /// Gives a file of this process away as far as that goes. Returns whether it is now the owner's.
    pub(crate) fn give(
        self,
        (uid, gid): (u32, u32),
        chown: impl Fn(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    ) -> Result<bool, Errno> {
        let chown = |uid, gid| chown(Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let (own_uid, own_gid) = match self {
            Self::Full => return chown(uid, gid).map(|()| true),
            Self::Limited { uid, gid, .. } => (uid, gid),
        };
        let fits = (uid, gid) == (0, 0);
        if own_uid == 0 && !fits {
            match chown(uid, gid) {
                Err(Errno::INVAL | Errno::PERM) => {}
                other => return other.map(|()| true),
            }
        }
        // A file made in a set-group-id directory has that one's group.
        chown(own_uid, own_gid).map(|()| fits)
    }

    /// The permissions that a file gets so that this process can still use it.
    pub(crate) fn usable_mode(self, kind: FileKind, mode: u32) -> u32 {
        match self {
            Self::Limited { overrides: false, .. } => open_to_owner(kind, mode),
            _ => mode,
        }
    }

    /// The name under which an attribute is kept that could not be set.
    pub(crate) fn stand_in(self, name: &OsStr, error: Errno) -> Option<OsString> {
        let refused = matches!(error, Errno::PERM | Errno::ACCESS | Errno::INVAL);
        let limited = !self.is_full() && refused;
        limited.then(|| OsString::from_vec([STAND_IN, name.as_bytes()].concat()))
    }

    /// Takes the owner of an inode, as this process sees it, for what it is in the tree.
    fn translate(self, entry: &mut Entry) {
        if let Self::Limited { uid, gid, .. } = self {
            if entry.uid == uid {
                entry.uid = 0;
            }
            if entry.gid == gid {
                entry.gid = 0;
            }
        }
    }
}

fn open_to_owner(kind: FileKind, mode: u32) -> u32 {
    match kind {
        FileKind::Dir => mode | 0o700,
        FileKind::File => mode | 0o600,
        _ => mode,
    }
}

/// The name of the attribute that one of ours stands for.
pub(super) fn stood_in_for(name: &OsStr) -> Option<&OsStr> {
    let name = name.as_bytes().strip_prefix(STAND_IN)?;
    (!Powers::current().is_full()).then(|| OsStr::from_bytes(name))
}

/// What a file is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meant {
    /// Kind. An empty file stands for a device or a pipe.
    pub(crate) kind: FileKind,
    /// Permissions.
    pub(crate) mode: u32,
    /// Owner and group.
    pub(crate) owner: (u32, u32),
    /// Number of a device.
    pub(crate) rdev: u64,
}

impl Meant {
    /// The value of the attribute: kind, mode in octal, owner, group, device number.
    pub(crate) fn encode(&self) -> String {
        let kind = match self.kind {
            FileKind::Dir => 'd',
            FileKind::CharDevice => 'c',
            FileKind::BlockDevice => 'b',
            FileKind::Fifo => 'p',
            _ => 'f',
        };
        let (uid, gid) = self.owner;
        format!("{kind} {:o} {uid} {gid} {}", self.mode, self.rdev)
    }

    fn decode(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut fields = text.split(' ');
        let kind = match fields.next()? {
            "f" => FileKind::File,
            "d" => FileKind::Dir,
            "c" => FileKind::CharDevice,
            "b" => FileKind::BlockDevice,
            "p" => FileKind::Fifo,
            _ => return None,
        };
        let meant = Self {
            kind,
            mode: u32::from_str_radix(fields.next()?, 8).ok()? & 0o7777,
            owner: (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?),
            rdev: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(meant)
    }

    /// Makes of the description of an inode that of the file it stands for.
    fn apply(&self, entry: &mut Entry) {
        let stands_in = self.kind != entry.kind;
        if stands_in && (entry.kind != FileKind::File || entry.size != 0) {
            return;
        }
        if (entry.uid, entry.gid) == (0, 0) {
            (entry.uid, entry.gid) = self.owner;
        }
        if stands_in || entry.mode == open_to_owner(self.kind, self.mode) {
            entry.mode = self.mode;
        }
        entry.kind = self.kind;
        entry.rdev = if self.kind.is_device() { self.rdev } else { 0 };
    }
}

/// Owners of the symbolic links of a layer that are not root's.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkOwners(BTreeMap<PathBuf, (u32, u32)>);

impl LinkOwners {
    /// The file of a layer's directory.
    fn file(dir: &Path) -> PathBuf {
        let mut name = dir.as_os_str().to_owned();
        name.push(".links");
        name.into()
    }

    /// Reads the table of a layer. What cannot be read says nothing.
    pub(super) fn read(dir: &Path) -> Self {
        let bytes = std::fs::read(Self::file(dir)).unwrap_or_default();
        let line = |line: &[u8]| {
            let mut fields = line.splitn(3, |b| *b == b' ');
            let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
            let owner = (number()?, number()?);
            Some((OsStr::from_bytes(fields.next()?).into(), owner))
        };
        Self(bytes.split(|b| *b == 0).filter_map(line).collect())
    }

    /// Writes the table of a layer, if there is anything to say.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for (path, (uid, gid)) in &self.0 {
            bytes.extend(format!("{uid} {gid} ").bytes());
            bytes.extend(path.as_os_str().as_bytes());
            bytes.push(0);
        }
        std::fs::write(Self::file(dir), bytes)
    }

    pub(crate) fn insert(&mut self, path: PathBuf, owner: (u32, u32)) {
        self.0.insert(path, owner);
    }

    pub(crate) fn get(&self, path: &Path) -> Option<(u32, u32)> {
        self.0.get(path).copied()
    }

    /// Forgets a path and all below it.
    pub(crate) fn remove(&mut self, path: &Path) {
        if !self.0.is_empty() {
            self.0.retain(|known, _| !known.starts_with(path));
        }
    }

    pub(crate) fn apply(&self, entry: &mut Entry) {
        if entry.kind == FileKind::Symlink
            && (entry.uid, entry.gid) == (0, 0)
            && let Some(owner) = self.get(&entry.path)
        {
            (entry.uid, entry.gid) = owner;
        }
    }
}

/// Makes of the description of an inode that of the file it is meant to be. `attribute` reads [`MEANT`] of it.
pub(super) fn restore(
    entry: &mut Entry,
    powers: Powers,
    attribute: impl FnOnce(&mut [u8]) -> Result<usize, Errno>,
    links: impl FnOnce(&mut Entry),
) {
    powers.translate(entry);
    match entry.kind {
        FileKind::Symlink => links(entry),
        FileKind::File | FileKind::Dir => {
            let mut value = [0u8; 80];
            if let Ok(length) = attribute(&mut value)
                && let Some(meant) = Meant::decode(&value[..length])
            {
                meant.apply(entry);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITED: Powers = Powers::Limited {
        uid: 1000,
        gid: 100,
        overrides: false,
    };

    fn found(kind: FileKind, mode: u32, owner: (u32, u32)) -> Entry {
        let (uid, gid) = owner;
        Entry {
            kind,
            mode,
            uid,
            gid,
            ..Entry::empty_root()
        }
    }

    fn restored(mut entry: Entry, value: &str) -> Entry {
        let read = |buffer: &mut [u8]| {
            buffer[..value.len()].copy_from_slice(value.as_bytes());
            Ok(value.len())
        };
        restore(&mut entry, LIMITED, read, |_| {});
        entry
    }

    #[test]
    fn what_is_meant_survives_being_written() {
        let meant = Meant {
            kind: FileKind::BlockDevice,
            mode: 0o660,
            owner: (0, 6),
            rdev: 0x801,
        };
        assert_eq!(Meant::decode(meant.encode().as_bytes()), Some(meant));
        for wrong in [
            "",
            "f",
            "x 644 0 0 0",
            "f 9 0 0 0",
            "f 644 0 0 0 0",
            "f 644 -1 0 0",
        ] {
            assert_eq!(Meant::decode(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn own_files_are_roots_and_records_say_the_rest() {
        let plain = restored(found(FileKind::File, 0o644, (1000, 100)), "");
        assert_eq!((plain.uid, plain.gid, plain.mode), (0, 0, 0o644));
        let given = restored(found(FileKind::File, 0o600, (1000, 100)), "f 0 33 34 0");
        assert_eq!((given.uid, given.gid, given.mode), (33, 34, 0));
        let device = restored(found(FileKind::File, 0o600, (1000, 100)), "c 666 0 5 1280");
        assert_eq!(
            (device.kind, device.mode, device.gid, device.rdev),
            (FileKind::CharDevice, 0o666, 5, 1280)
        );
    }

    #[test]
    fn what_was_really_changed_counts() {
        let changed = restored(found(FileKind::File, 0o755, (7, 8)), "f 0 33 34 0");
        assert_eq!((changed.uid, changed.gid, changed.mode), (7, 8, 0o755));
        let mut written = found(FileKind::File, 0o600, (1000, 100));
        written.size = 1;
        assert_eq!(restored(written, "c 666 0 5 1280").kind, FileKind::File);
        let dir = restored(found(FileKind::Dir, 0o700, (1000, 100)), "c 666 0 5 1280");
        assert_eq!((dir.kind, dir.mode), (FileKind::Dir, 0o700));
    }

    #[test]
    fn tables_of_links() {
        let dir = tempfile::tempdir().unwrap();
        let layer = dir.path().join("fs");
        let mut owners = LinkOwners::default();
        owners.write(&layer).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let odd = PathBuf::from(OsStr::from_bytes(b"a b/\xff\n"));
        owners.insert(odd.clone(), (1, 2));
        owners.insert("gone/x".into(), (3, 4));
        owners.remove(Path::new("gone"));
        owners.write(&layer).unwrap();
        let read = LinkOwners::read(&layer);
        assert_eq!(
            (read.get(&odd), read.get(Path::new("gone/x"))),
            (Some((1, 2)), None)
        );
    }

    #[test]
    fn files_are_given_as_far_as_it_goes() {
        let tried = std::cell::RefCell::new(Vec::new());
        let chown = |allowed: bool| {
            let tried = &tried;
            move |uid: Option<Uid>, gid: Option<Gid>| {
                let ids = (uid.unwrap().as_raw(), gid.unwrap().as_raw());
                tried.borrow_mut().push(ids);
                if allowed || matches!(ids, (0, 0) | (1000, 100)) {
                    Ok(())
                } else {
                    Err(Errno::INVAL)
                }
            }
        };
        let inside = Powers::Limited {
            uid: 0,
            gid: 0,
            overrides: true,
        };
        assert_eq!(inside.give((5, 6), chown(true)), Ok(true));
        assert_eq!(inside.give((5, 6), chown(false)), Ok(false));
        assert_eq!(LIMITED.give((1000, 100), chown(true)), Ok(false));
        assert_eq!(LIMITED.give((0, 0), chown(true)), Ok(true));
        assert_eq!(
            *tried.borrow(),
            [(5, 6), (5, 6), (0, 0), (1000, 100), (1000, 100)]
        );
    }
}
