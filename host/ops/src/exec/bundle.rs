//! Puts together, in a mount namespace of its own, what a specification refers to: the root file system,
//! trees, directories and files to be mounted; and writes the specification as an OCI bundle where another
//! program is to run it. All of it is on one tmpfs of the namespace, and gone with it. Knows nothing of how a
//! container is run.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{Mount, Spec};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, makedev, mknodat, open};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::cdi::DeviceNode;

use super::error::{Errno, SetupError};
use super::message::{Job, LayerRef};
use super::mounts::Covers;
use super::overlay::{Layers, inherit_root};
use super::plan::mount;
use super::request::{ExecRequest, MountSource, PreparedMount, RootMount, TreeWrites};
use super::target::{Root, file_type, open_in};

/// Name of the root file system in the bundle.
const ROOT: &str = "rootfs";

/// Where in the state directory mount `index` of the step `name` writes what will be lost.
pub(crate) fn discarded(state_dir: &Path, name: &str, index: usize) -> PathBuf {
    state_dir.join(format!("{name}-{index}"))
}

/// Empty directories in the state directory, for overlayfs. They stay.
pub(crate) fn fillers(state_dir: &Path) -> [PathBuf; 2] {
    [state_dir.join("empty-1"), state_dir.join("empty-2")]
}

/// A root file system and what is to be mounted in it.
#[derive(Debug)]
pub(crate) struct Bundle {
    dir: PathBuf,
    /// The root, open.
    pub(crate) root: Root,
    /// The mounts of the request, with /etc/hosts and /etc/resolv.conf, in the form of a specification.
    pub(crate) mounts: Vec<Mount>,
    /// The devices of the request, in the same form.
    pub(crate) device_mounts: Vec<Mount>,
}

/// What the machine can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) no_devices: bool,
    pub(crate) user_namespace: bool,
}

impl Bundle {
    /// Mounts everything for the step `name`, over its state directory.
    pub(crate) fn assemble(job: &Job, name: &str, surroundings: Surroundings) -> Result<Bundle, SetupError> {
        let opened = Opened::of(&job.request, name)?;
        let dir = job.request.state_dir.clone();
        // From here on the state directory is another one.
        mount_tmpfs(&dir).map_err(mount_failed("tmpfs", &dir))?;
        let root_dir = make_dir(dir.join(ROOT))?;
        opened.root.mount(&root_dir, "/", surroundings)?;
        let root = Root::new(open_dir(&root_dir)?).map_err(SetupError::system("look at the root"))?;
        let mut bundle = Bundle {
            dir,
            root,
            mounts: Vec::new(),
            device_mounts: Vec::new(),
        };
        bundle.mount_trees(&job.request, &opened.trees, surroundings)?;

        let read_only_file = ["bind", "ro", "nosuid", "nodev", "noexec"];
        for (target, text) in [("/etc/resolv.conf", &job.resolv_conf), ("/etc/hosts", &job.hosts)] {
            let source = bundle.write_file(text.as_bytes(), 0, 0, 0o644)?;
            bundle
                .mounts
                .push(spec_mount(target, "bind", &source, &read_only_file)?);
        }
        for (index, prepared) in job.request.mounts.iter().enumerate() {
            let mount = bundle.mount_of(index, prepared)?;
            bundle.mounts.push(mount);
        }
        for (index, node) in job.request.devices.iter().enumerate() {
            let source = bundle.device(index, node, surroundings)?;
            let mount = spec_mount(&node.path, "bind", &source, &["bind", "nosuid", "noexec"])?;
            bundle.device_mounts.push(mount);
        }
        Ok(bundle)
    }

    /// The node of a device, made here, or the machine's where one that is made could not be opened.
    fn device(
        &self,
        index: usize,
        node: &DeviceNode,
        surroundings: Surroundings,
    ) -> Result<PathBuf, SetupError> {
        if surroundings.user_namespace {
            return Ok(node.host_path.clone());
        }
        let path = self.dir.join(format!("device-{index}"));
        let kind = match node.block {
            true => FileType::BlockDevice,
            false => FileType::CharacterDevice,
        };
        let mode = Mode::from_raw_mode(node.mode);
        let failed = SetupError::system::<rustix::io::Errno>;
        let action = format!("make the device {}", node.path);
        mknodat(CWD, &path, kind, mode, makedev(node.major, node.minor)).map_err(failed(&action))?;
        chown(&path, Some(node.uid), Some(node.gid)).map_err(SetupError::system(&action))?;
        Ok(path)
    }

    fn mount_trees(
        &mut self,
        request: &ExecRequest,
        trees: &[(usize, Layers)],
        surroundings: Surroundings,
    ) -> Result<(), SetupError> {
        for (index, layers) in trees {
            let Some(prepared) = request.mounts.get(*index) else {
                continue;
            };
            let dir = make_dir(self.tree_dir(*index))?;
            layers.mount(&dir, &prepared.target, surroundings)?;
            let is_kept = match &prepared.source {
                MountSource::Tree {
                    writes: TreeWrites::Keep { .. },
                    selector,
                    ..
                } => is_whole(selector),
                _ => false,
            };
            if is_kept && !prepared.read_only {
                let added = self.root.add_layer(open_dir(&dir)?, LayerRef::Mount(*index));
                added.map_err(SetupError::system("look at a tree"))?;
            }
        }
        Ok(())
    }

    /// The mount `index` of the request in the form of a specification.
    fn mount_of(&self, index: usize, prepared: &PreparedMount) -> Result<Mount, SetupError> {
        match &prepared.source {
            MountSource::Tree { selector, .. } => {
                let source = self.select(&self.tree_dir(index), selector, &prepared.target, index)?;
                prepared_mount(prepared, "bind", &source, &["bind"])
            }
            MountSource::Directory { path, selector } => {
                let source = self.select(path, selector, &prepared.target, index)?;
                prepared_mount(prepared, "bind", &source, &["bind"])
            }
            MountSource::Tmpfs { size } => {
                let size = size.map(|bytes| format!("size={bytes}"));
                let options: Vec<&str> = ["nosuid"].into_iter().chain(size.as_deref()).collect();
                prepared_mount(prepared, "tmpfs", Path::new("tmpfs"), &options)
            }
            MountSource::File { data, uid, gid, mode } => {
                let source = self.write_file(data, *uid, *gid, *mode)?;
                prepared_mount(prepared, "bind", &source, &["bind", "nosuid", "nodev", "noexec"])
            }
            MountSource::Socket { path } => prepared_mount(prepared, "bind", path, &["bind"]),
        }
    }

    /// The directory of the root file system.
    pub(crate) fn root_dir(&self) -> PathBuf {
        self.dir.join(ROOT)
    }

    /// Where the tree of mount `index` is mounted.
    fn tree_dir(&self, index: usize) -> PathBuf {
        self.dir.join(format!("tree-{index}"))
    }

    /// The directory of the bundle. Another program can put its own files there.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes what paths of the container are hidden behind.
    pub(crate) fn make_covers(&self, surroundings: Surroundings) -> Result<Covers, SetupError> {
        let dir = make_dir(self.dir.join("nothing"))?;
        // A node that is made in a user namespace cannot be opened.
        let file = match surroundings.user_namespace {
            true => PathBuf::from("/dev/null"),
            false => self.dir.join("null"),
        };
        if !surroundings.user_namespace {
            let mode = Mode::from_raw_mode(0o666);
            mknodat(CWD, &file, FileType::CharacterDevice, mode, makedev(1, 3))
                .map_err(SetupError::system("make a null device in the bundle"))?;
        }
        Ok(Covers { file, dir })
    }

    /// Writes the specification as config.json.
    pub(crate) fn write_spec(&self, spec: &Spec) -> Result<(), SetupError> {
        let text = serde_json::to_vec(spec).map_err(|_| SetupError::Request)?;
        fs::write(self.dir.join("config.json"), text).map_err(SetupError::system("write config.json"))
    }

    /// Writes a file to the tmpfs, which nobody else can open.
    fn write_file(&self, data: &[u8], uid: u32, gid: u32, mode: u32) -> Result<PathBuf, SetupError> {
        let path = self.dir.join(format!("file-{}", self.mounts.len()));
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(data)?;
            match chown(&path, Some(uid), Some(gid)) {
                // One whom the user namespace has not: nobody in the container is that user.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                other => other?,
            }
            rustix::fs::chmod(&path, Mode::from_raw_mode(mode & 0o7777))?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(SetupError::system("write a file to be mounted"))?;
        Ok(path)
    }

    /// The path of what `selector` names in the directory `tree`. It cannot lead out.
    fn select(&self, tree: &Path, selector: &str, target: &str, index: usize) -> Result<PathBuf, SetupError> {
        if is_whole(selector) {
            return Ok(tree.to_owned());
        }
        let failed = |error: rustix::io::Errno| SetupError::Selector {
            selector: selector.to_owned(),
            target: target.to_owned(),
            source: error.into(),
        };
        let found = open_in(open_dir(tree)?, selector, OFlags::PATH).map_err(failed)?;
        let place = self.dir.join(format!("selected-{index}"));
        if file_type(&fstat(&found).map_err(failed)?) == FileType::Directory {
            make_dir(place.clone())?;
        } else {
            fs::write(&place, "").map_err(SetupError::system("make a file in the bundle"))?;
        }
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        let cloned = open_tree(&found, "", flags).map_err(failed)?;
        move_mount(&cloned, "", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(failed)?;
        Ok(place)
    }
}

/// The layers of a request, open.
struct Opened {
    root: Layers,
    /// By the index of the mount.
    trees: Vec<(usize, Layers)>,
}

impl Opened {
    fn of(request: &ExecRequest, name: &str) -> Result<Opened, SetupError> {
        let fillers = fillers(&request.state_dir);
        let open = |lower: &[PathBuf], writes: Option<(PathBuf, PathBuf)>| {
            if let Some((upper, _)) = &writes {
                let action = "give a root the attributes of the layer below";
                inherit_root(lower, upper).map_err(SetupError::system(action))?;
            }
            let writes = writes
                .as_ref()
                .map(|(upper, work)| (upper.as_path(), work.as_path()));
            Layers::open(lower, writes, [&fillers[0], &fillers[1]])
        };
        let RootMount {
            lower, upper, work, ..
        } = &request.root;
        let root = open(lower, Some((upper.clone(), work.clone())))?;
        let mut trees = Vec::new();
        for (index, prepared) in request.mounts.iter().enumerate() {
            let MountSource::Tree { lower, writes, .. } = &prepared.source else {
                continue;
            };
            let writes = match prepared.read_only {
                true => None,
                false => Some(tree_writes(&request.state_dir, name, index, writes)?),
            };
            trees.push((index, open(lower, writes)?));
        }
        Ok(Opened { root, trees })
    }
}

/// The upper and work directory of a mount, made where they are to be lost.
fn tree_writes(
    state_dir: &Path,
    name: &str,
    index: usize,
    writes: &TreeWrites,
) -> Result<(PathBuf, PathBuf), SetupError> {
    match writes {
        TreeWrites::Keep { upper, work } => Ok((upper.clone(), work.clone())),
        TreeWrites::Discard => {
            let dir = make_dir(discarded(state_dir, name, index))?;
            Ok((make_dir(dir.join("upper"))?, make_dir(dir.join("work"))?))
        }
    }
}

/// Whether a selector means all of a tree.
fn is_whole(selector: &str) -> bool {
    matches!(selector, "" | "/" | ".")
}

fn prepared_mount(
    prepared: &PreparedMount,
    kind: &str,
    source: &Path,
    options: &[&str],
) -> Result<Mount, SetupError> {
    let options: Vec<&str> = options
        .iter()
        .copied()
        .chain(prepared.read_only.then_some("ro"))
        .collect();
    spec_mount(&prepared.target, kind, source, &options)
}

fn spec_mount(target: &str, kind: &str, source: &Path, options: &[&str]) -> Result<Mount, SetupError> {
    let source = source.to_str().ok_or(SetupError::Request)?;
    mount(target, kind, source, options).map_err(|_: OciSpecError| SetupError::Request)
}

fn mount_tmpfs(dir: &Path) -> Result<(), rustix::io::Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "mode", "0700")?;
    fsconfig_create(&context)?;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    move_mount(&mounted, "", CWD, dir, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn mount_failed(kind: &str, target: &Path) -> impl FnOnce(rustix::io::Errno) -> SetupError {
    let (kind, target) = (kind.to_owned(), target.display().to_string());
    move |error| SetupError::Mount {
        kind,
        target,
        source: error.into(),
    }
}

fn open_dir(path: &Path) -> Result<std::os::fd::OwnedFd, SetupError> {
    open(
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|e| SetupError::Layer {
        path: path.to_owned(),
        source: e.into(),
    })
}

fn make_dir(path: PathBuf) -> Result<PathBuf, SetupError> {
    match fs::DirBuilder::new().mode(0o755).create(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(SetupError::System {
            action: format!("make {}", path.display()),
            source: Errno::from(error),
        }),
    }
}
