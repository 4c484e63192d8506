//! Puts maps of ids into force for this process, which is in a user namespace, from outside of it: processes that are
//! started before it enters, and wait until it has. Knows nothing of what the maps say.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::UnshareFlags;

use super::{NoIds, drain};
use crate::exec::sys::{self, Cloned};

/// Where programs are when nobody says.
const DIRECTORIES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A map, and who writes it.
pub(super) struct Map {
    name: &'static str,
    /// None: written by this program itself.
    program: Option<CString>,
    /// Inside, outside, count.
    triples: Vec<[u32; 3]>,
}

impl Map {
    /// One that this process has the right to write to the file `name`.
    pub(super) fn written(name: &'static str, triples: Vec<[u32; 3]>) -> Self {
        Self {
            name,
            program: None,
            triples,
        }
    }

    /// One that a set-user-ID program writes: newuidmap(1), newgidmap(1).
    pub(super) fn by_program(
        name: &'static str,
        directories: Option<&OsStr>,
        triples: &[[u32; 3]],
    ) -> Result<Self, NoIds> {
        let path = find_program(name, directories).ok_or(NoIds::NoProgram(name))?;
        let program = CString::new(path.as_os_str().as_bytes()).map_err(|_| NoIds::NoProgram(name))?;
        Ok(Self {
            name,
            program: Some(program),
            triples: triples.to_vec(),
        })
    }

    /// Of the program or file.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Writes the map of the process `pid`. Returns only when that failed, or was not done by a program.
    fn write(&self, pid: Pid) -> io::Result<()> {
        let pid = pid.as_raw_nonzero().to_string();
        let numbers = self.triples.iter().flatten().map(u32::to_string);
        let Some(program) = &self.program else {
            let lines = self.triples.iter().map(|[a, b, c]| format!("{a} {b} {c}\n"));
            return fs::write(format!("/proc/{pid}/{}", self.name), lines.collect::<String>());
        };
        let words = [self.name.to_owned(), pid].into_iter().chain(numbers);
        let words: Result<Vec<CString>, _> = words.map(CString::new).collect();
        Err(sys::execve(program, &words?, &[]))
    }
}

/// Finds a program that can be executed.
pub(crate) fn find_program(name: &str, directories: Option<&OsStr>) -> Option<PathBuf> {
    let directories = directories.unwrap_or(OsStr::new(DIRECTORIES));
    std::env::split_paths(directories)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|path| {
            fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// The processes that write the maps.
pub(super) struct Mappers {
    /// A byte starts both; its end without one ends them.
    go: OwnedFd,
    children: [(Pid, OwnedFd); 2],
}

impl Mappers {
    /// Starts them. They wait.
    pub(super) fn start(maps: &[Map; 2]) -> io::Result<Self> {
        let own = rustix::process::getpid();
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut go = Some(go);
        let mut start = |map: &Map| -> io::Result<(Pid, OwnedFd)> {
            let (said, says) = pipe_with(PipeFlags::CLOEXEC)?;
            match sys::clone_process(UnshareFlags::empty(), None)? {
                Cloned::Parent { pid, .. } => Ok((pid, said)),
                Cloned::Child => {
                    // With the other end open it would wait for itself.
                    drop(go.take());
                    let written = sys::replace_stdio(says.as_fd(), 2)
                        .and_then(|()| wait_for(&wait))
                        .and_then(|()| map.write(own));
                    if let Err(error) = &written {
                        let _ = rustix::io::write(&says, error.to_string().as_bytes());
                    }
                    sys::exit_now(i32::from(written.is_err()))
                }
            }
        };
        let children = [start(&maps[0])?, start(&maps[1])?];
        let go = go.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { go, children })
    }

    /// Has the maps written. For each: whether that was done, or what the program says.
    pub(super) fn map(self) -> io::Result<[Result<(), String>; 2]> {
        rustix::io::write(&self.go, &[0, 0])?;
        drop(self.go);
        let mut results = [Ok(()), Ok(())];
        for ((pid, said), result) in self.children.iter().zip(&mut results) {
            let ended = rustix::io::retry_on_intr(|| waitpid(Some(*pid), WaitOptions::empty()))?;
            if ended.is_none_or(|(_, status)| status.exit_status() != Some(0)) {
                *result = Err(drain(said));
            }
        }
        Ok(results)
    }
}

/// Waits for a byte. The end of the pipe means that nobody is there any more.
fn wait_for(wait: &OwnedFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::io::read(wait, &mut [0u8; 1]))? {
        1 => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
