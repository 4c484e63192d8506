//! Connects a network namespace: starts the tool in a pid namespace of its own, whose first process watches
//! it, so that killing that one ends all of it. Knows nothing of steps.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, wait, waitpid};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use super::{Connection, NetworkTool};
use crate::exec::cgroup::{Cgroups, StepCgroups};
use crate::exec::message::{connection, receive, send};
use crate::exec::sys::{self, Cloned};

/// How long a tool may take. It takes 0.1 s.
const PATIENCE: Timespec = Timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

/// A connected namespace, or one that will be.
#[derive(Debug)]
pub(crate) struct Attachment {
    pid: Pid,
    pidfd: OwnedFd,
    reports: OwnedFd,
}

/// What is heard of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Attached {
    Ready,
    /// The last that is heard.
    Failed(String),
}

impl Attachment {
    /// Starts to connect `namespace`. MUST be called by a process with one thread.
    pub(super) fn start(how: &Connection, namespace: &OwnedFd, cgroups: &Cgroups) -> io::Result<Attachment> {
        let (reports, end) = connection()?;
        // Not among the commands: they may not open the device that interfaces are made with.
        let outside = StepCgroups::default();
        match sys::clone_process(UnshareFlags::NEWPID, cgroups.start_in(&outside, true))? {
            Cloned::Child => {
                drop(reports);
                let _ = cgroups.leave_device_control();
                watch(how, namespace, &end)
            }
            Cloned::Parent { pid, pidfd } => Ok(Attachment { pid, pidfd, reports }),
        }
    }

    /// Readable when there is something to be heard.
    pub(super) fn reports(&self) -> &OwnedFd {
        &self.reports
    }

    pub(super) fn hear(&self) -> Attached {
        match receive::<Attached>(&self.reports) {
            Ok(Some((report, _))) => report,
            Ok(None) | Err(_) => Attached::Failed("it ended".to_owned()),
        }
    }

    /// Ends it. It is gone when its process can be waited for.
    pub(crate) fn kill(&self) {
        // Fails only if it has ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Readable when it is gone.
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Takes note of its end.
    pub(crate) fn reap(self) {
        let _ = rustix::io::retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::NOHANG));
    }
}

/// The first process of the tool's pid namespace.
fn watch(how: &Connection, namespace: &OwnedFd, engine: &OwnedFd) -> ! {
    sys::reset_signals();
    let report = match bring_up(how, namespace) {
        Ok(()) => Attached::Ready,
        Err(reason) => Attached::Failed(reason),
    };
    let is_up = report == Attached::Ready;
    let _ = send(engine, &report, &[]);
    // Until nothing of the tool is left.
    while is_up && matches!(wait(WaitOptions::empty()), Ok(_) | Err(rustix::io::Errno::INTR)) {}
    sys::exit_now(0)
}

/// Starts the tool and waits until the namespace has its interface.
fn bring_up(how: &Connection, namespace: &OwnedFd) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let (ready, ready_end) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
    rustix::io::fcntl_setfd(&ready_end, FdFlags::empty()).map_err(|e| failed(e.into()))?;
    let memory = || rustix::fs::memfd_create("lapstrake-network", MemfdFlags::CLOEXEC).map(File::from);
    let mut said = memory().map_err(|e| failed(e.into()))?;
    let stderr = said.try_clone().map_err(failed)?;
    let mut tool = Command::new(&how.found.program)
        .args(how.arguments(&ready_end))
        .stdin(Stdio::from(namespace.try_clone().map_err(failed)?))
        .stdout(Stdio::null())
        .stderr(stderr)
        .current_dir("/")
        .spawn()
        .map_err(failed)?;
    drop(ready_end);
    let is_up = match how.found.tool {
        NetworkTool::Pasta => ends_well(&mut tool),
        NetworkTool::Slirp4netns => says_something(ready),
    };
    if is_up.map_err(failed)? {
        return Ok(());
    }
    let mut text = Vec::new();
    let _ = said.rewind().and_then(|()| said.read_to_end(&mut text));
    Err(last_words(&String::from_utf8_lossy(&text)))
}

fn ends_well(tool: &mut Child) -> io::Result<bool> {
    let pidfd = pidfd_open(Pid::from_child(tool), PidfdFlags::empty())?;
    in_time(pidfd.as_fd())?;
    Ok(tool.wait()?.success())
}

fn says_something(pipe: OwnedFd) -> io::Result<bool> {
    in_time(pipe.as_fd())?;
    Ok(File::from(pipe).read(&mut [0])? == 1)
}

fn in_time(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match rustix::io::retry_on_intr(|| poll(&mut polled, Some(&PATIENCE)))? {
        0 => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it was not ready after {} s", PATIENCE.tv_sec),
        )),
        _ => Ok(()),
    }
}

/// What a tool said last, without what it says where there is no system log.
fn last_words(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    lines
        .rfind(|line| !line.is_empty() && !line.starts_with("Failed to send"))
        .unwrap_or("it said nothing")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_line_that_means_something() {
        let text = "starting\nCouldn't open network namespace\nFailed to send 41 bytes to syslog\n\n";
        assert_eq!(last_words(text), "Couldn't open network namespace");
        assert_eq!(last_words(""), "it said nothing");
    }
}
