//! Tries what a build does to run a command: enters a user namespace as a build would, makes namespaces, mounts and loads
//! a filter. All of it in a process of its own, with which it is gone.
//! Knows nothing of what the results mean.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, fsconfig_create,
    fsmount, fsopen, mount_change, move_mount,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, waitpid};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use super::Question;
use super::outside::Scratch;
use crate::exec::attempt;
use crate::exec::sys::{self, Cloned};
use crate::rootless::{self, NoIds, Refusal, Standing};

/// What was tried: none if it worked, else what the kernel says.
pub(super) type Outcome = Result<(), Trouble>;

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trouble {
    /// The kernel's number, where it is the kernel that says no.
    pub(super) errno: Option<i32>,
    /// For people.
    pub(super) text: String,
}

impl Trouble {
    fn new(text: &str) -> Self {
        Self {
            errno: None,
            text: text.to_owned(),
        }
    }
}

impl<E: Into<io::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        let error: io::Error = error.into();
        Self {
            errno: error.raw_os_error(),
            text: error.to_string(),
        }
    }
}

/// How a build would stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    Privileged,
    Subordinate,
    /// Why there are no subordinate ids.
    Single {
        /// The file that has no line, or the program that is not there.
        missing: Option<String>,
        text: String,
    },
    /// Whether that was wanted.
    Plain {
        wanted: bool,
    },
    /// It was tried, and ended badly.
    Broken(String),
}

/// All that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tried {
    pub(super) place: Place,
    /// Namespaces that cannot be made.
    pub(super) namespaces: Vec<(String, Trouble)>,
    /// The calls fsopen(2), fsmount(2) and move_mount(2).
    pub(super) mount_calls: Outcome,
    pub(super) overlay: Outcome,
    pub(super) proc: Outcome,
    pub(super) filter: Outcome,
}

impl Tried {
    fn nothing(place: Place) -> Self {
        let skipped = || Err(Trouble::new("not tried, as this process may not mount"));
        Self {
            place,
            namespaces: Vec::new(),
            mount_calls: skipped(),
            overlay: skipped(),
            proc: skipped(),
            filter: skipped(),
        }
    }
}

/// Tries everything in a child and returns what it says.
pub(super) fn try_it(question: &Question, scratch: Option<&Scratch>) -> Tried {
    let broken = |error: io::Error| Tried::nothing(Place::Broken(error.to_string()));
    let result = || -> io::Result<Tried> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        match sys::clone_process(UnshareFlags::empty(), None)? {
            Cloned::Child => {
                drop(read);
                let tried = attempt_all(question, scratch);
                let sent = postcard::to_allocvec(&tried).map(|bytes| rustix::io::write(&write, &bytes));
                sys::exit_now(i32::from(!matches!(sent, Ok(Ok(_)))))
            }
            Cloned::Parent { pid, .. } => {
                drop(write);
                let mut bytes = Vec::new();
                io::Read::read_to_end(&mut fs::File::from(read), &mut bytes)?;
                rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
                postcard::from_bytes(&bytes).map_err(|_| io::ErrorKind::UnexpectedEof.into())
            }
        }
    };
    result().unwrap_or_else(broken)
}

fn attempt_all(question: &Question, scratch: Option<&Scratch>) -> Tried {
    let place = match rootless::enter(question.wish, &question.user) {
        Ok(Standing::Privileged) => Place::Privileged,
        Ok(Standing::Subordinate) => Place::Subordinate,
        Ok(Standing::Single(why)) => Place::Single {
            missing: match &why {
                NoIds::NoRange(what) | NoIds::NoProgram(what) => Some((*what).to_owned()),
                NoIds::Unwanted | NoIds::Failed { .. } => None,
            },
            text: why.to_string(),
        },
        Ok(Standing::Plain(why)) => {
            return Tried::nothing(Place::Plain {
                wanted: why == Refusal::Unwanted,
            });
        }
        Err(error) => return Tried::nothing(Place::Broken(crate::rootless::describe(&error))),
    };
    let mut tried = Tried::nothing(place);
    // Before the pid namespace, whose first process is the last but for its children.
    tried.filter = in_child(|| Ok(attempt::load_filter()?));
    let kinds = [
        ("mount", UnshareFlags::NEWNS),
        ("ipc", UnshareFlags::NEWIPC),
        ("uts", UnshareFlags::NEWUTS),
        ("pid", UnshareFlags::NEWPID),
        ("network", UnshareFlags::NEWNET),
    ];
    for (name, flag) in kinds {
        if let Err(error) = sys::unshare_namespaces(flag) {
            tried.namespaces.push((name.to_owned(), error.into()));
        }
    }
    if tried.namespaces.iter().any(|(name, _)| name == "mount") {
        return tried;
    }
    let private = mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC);
    let Some(scratch) = scratch else {
        return tried;
    };
    let target = scratch.path().join("target");
    tried.mount_calls = private
        .map_err(Trouble::from)
        .and_then(|()| mount("tmpfs", &target));
    tried.overlay = overlay(scratch.path()).map_err(Trouble::from);
    // In the new pid namespace, which only children are in.
    tried.proc = in_child(|| mount("proc", &target));
    tried
}

fn mount(kind: &str, target: &Path) -> Outcome {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    Ok(move_mount(
        &mounted,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

/// Mounts an overlay as a step does, and does in it what needs a mark.
fn overlay(scratch: &Path) -> io::Result<()> {
    let target = scratch.join("merged");
    attempt::mount_overlay(scratch, &target)?;
    fs::write(target.join("new"), "")?;
    fs::remove_file(target.join("file"))?;
    fs::remove_dir_all(target.join("dir"))?;
    fs::create_dir(target.join("dir"))?;
    match fs::read_dir(target.join("dir"))?.next() {
        None => Ok(()),
        Some(_) => Err(io::Error::other("directories do not hide what is below them")),
    }
}

/// Tries something in a child, which says how it went.
fn in_child(attempt: impl FnOnce() -> Outcome) -> Outcome {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    match sys::clone_process(UnshareFlags::empty(), None)? {
        Cloned::Child => {
            let sent = postcard::to_allocvec(&attempt()).map(|bytes| rustix::io::write(&write, &bytes));
            sys::exit_now(i32::from(!matches!(sent, Ok(Ok(_)))))
        }
        Cloned::Parent { pid, .. } => {
            drop(write);
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut fs::File::from(read), &mut bytes)?;
            rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
            postcard::from_bytes(&bytes).unwrap_or_else(|_| Err(Trouble::new("the attempt was killed")))
        }
    }
}
