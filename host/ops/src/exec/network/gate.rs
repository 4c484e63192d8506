//! What keeps a command from seeing its network before it is there. The helper's side is [`Gate`], a state of
//! each step; the container's side is [`GateKey`].
//!
//! Nothing is decided about a held call but when it goes on: always in the end, whether the network came up
//! or not. So nothing depends on what the call's arguments are by then.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::Connection;
use super::attach::{Attached, Attachment};
use crate::exec::cgroup::Cgroups;
use crate::exec::error::SetupError;
use crate::exec::message::{connection, receive, send};
use crate::exec::request::Warning;
use crate::exec::sys::{self, SockFilter};

/// What a container asks for. Descriptors: the namespace, and for `WhenNeeded` what held calls are heard of by.
#[derive(Debug, Serialize, Deserialize)]
enum Wish {
    /// It waits for an answer, which is any message.
    Now,
    WhenNeeded,
}

/// A step's network, as the helper sees it.
#[derive(Debug)]
pub(crate) struct Gate {
    how: Connection,
    /// The container's. None: it has become the command.
    container: Option<OwnedFd>,
    namespace: Option<OwnedFd>,
    /// What held calls are heard of by.
    listener: Option<OwnedFd>,
    /// Calls that wait.
    held: Vec<u64>,
    link: Link,
}

#[derive(Debug)]
enum Link {
    /// Nobody has needed it.
    Down,
    Starting(Attachment),
    Up(Attachment),
    /// The attachment that was tried, if it got that far.
    Failed(Option<Attachment>),
}

/// Which of a gate's descriptors is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GateEvent {
    Wish,
    Call,
    Report,
}

/// A new gate, and the container's end of it.
pub(crate) fn gate_of(how: Connection) -> io::Result<(Gate, OwnedFd)> {
    let (helper, container) = connection()?;
    let gate = Gate {
        how,
        container: Some(helper),
        namespace: None,
        listener: None,
        held: Vec::new(),
        link: Link::Down,
    };
    Ok((gate, container))
}

impl Gate {
    /// What to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, GateEvent)> {
        let report = match &self.link {
            Link::Starting(attachment) | Link::Up(attachment) => Some(attachment.reports()),
            Link::Down | Link::Failed(_) => None,
        };
        [
            (&self.container, GateEvent::Wish),
            (&self.listener, GateEvent::Call),
        ]
        .into_iter()
        .filter_map(|(fd, event)| Some((fd.as_ref()?.as_fd(), event)))
        .chain(report.map(|fd| (fd.as_fd(), GateEvent::Report)))
    }

    /// Does what an event asks for.
    pub(crate) fn handle(&mut self, event: GateEvent, cgroups: &Cgroups) -> Option<Warning> {
        match event {
            GateEvent::Wish => self.hear_container(cgroups),
            GateEvent::Call => self.hear_call(cgroups),
            GateEvent::Report => self.hear_attachment(),
        }
    }

    fn hear_container(&mut self, cgroups: &Cgroups) -> Option<Warning> {
        let heard = self.container.as_ref().map(receive::<Wish>);
        let Some(Ok(Some((wish, descriptors)))) = heard else {
            self.container = None;
            return None;
        };
        let mut descriptors = descriptors.into_iter();
        self.namespace = descriptors.next();
        match wish {
            Wish::Now => self.connect(cgroups),
            Wish::WhenNeeded => {
                self.listener = descriptors.next();
                self.container = None;
                None
            }
        }
    }

    fn hear_call(&mut self, cgroups: &Cgroups) -> Option<Warning> {
        match sys::next_held_call(self.listener.as_ref()?.as_fd()) {
            Ok(Some(call)) => self.held.push(call),
            Ok(None) => {}
            // Nobody is left who could make one.
            Err(_) => self.listener = None,
        }
        match self.link {
            Link::Down if !self.held.is_empty() => self.connect(cgroups),
            Link::Down | Link::Starting(_) => None,
            Link::Up(_) | Link::Failed(_) => {
                self.open();
                None
            }
        }
    }

    fn hear_attachment(&mut self) -> Option<Warning> {
        let (attachment, was_up) = match std::mem::replace(&mut self.link, Link::Down) {
            Link::Starting(attachment) => (attachment, false),
            Link::Up(attachment) => (attachment, true),
            other => {
                self.link = other;
                return None;
            }
        };
        match attachment.hear() {
            Attached::Ready => {
                self.link = Link::Up(attachment);
                self.open();
                None
            }
            Attached::Failed(reason) => Some(self.fail(Some(attachment), was_up, reason)),
        }
    }

    fn connect(&mut self, cgroups: &Cgroups) -> Option<Warning> {
        let started = match &self.namespace {
            Some(namespace) => Attachment::start(&self.how, namespace, cgroups),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match started {
            Ok(attachment) => {
                self.link = Link::Starting(attachment);
                None
            }
            Err(error) => Some(self.fail(None, false, error.to_string())),
        }
    }

    fn fail(&mut self, attachment: Option<Attachment>, was_up: bool, reason: String) -> Warning {
        self.link = Link::Failed(attachment);
        self.open();
        let tool = self.how.found.tool.program().to_owned();
        match was_up {
            true => Warning::NetworkLost { tool },
            false => Warning::NoWayOut { tool, reason },
        }
    }

    /// Lets everybody go on who waits.
    fn open(&mut self) {
        if let Some(listener) = &self.listener {
            for call in self.held.drain(..) {
                // Whoever made it may be gone.
                let _ = sys::let_go_on(listener.as_fd(), call);
            }
        }
        if let Some(container) = self.container.take() {
            let _ = send(&container, &0u8, &[]);
        }
    }

    /// Kills what connects the network. What is left is to be waited for.
    pub(crate) fn close(self) -> Option<Attachment> {
        let attachment = match self.link {
            Link::Down | Link::Failed(None) => return None,
            Link::Starting(attachment) | Link::Up(attachment) | Link::Failed(Some(attachment)) => attachment,
        };
        attachment.kill();
        Some(attachment)
    }
}

/// What a container that has a gate does before it becomes the command.
#[derive(Debug)]
pub(crate) struct GateKey<'a> {
    helper: &'a OwnedFd,
    namespace: OwnedFd,
}

impl GateKey<'_> {
    /// For a container that is in its network namespace already, and sees the machine's /proc.
    pub(crate) fn new(helper: &OwnedFd) -> Result<GateKey<'_>, SetupError> {
        let namespace = File::open("/proc/self/ns/net")
            .map_err(SetupError::system("open the network namespace"))?
            .into();
        Ok(GateKey { helper, namespace })
    }

    /// Has the network connected and waits for it.
    pub(crate) fn connect_now(&self) -> Result<(), SetupError> {
        send(self.helper, &Wish::Now, &[self.namespace.as_fd()])
            .and_then(|()| receive::<u8>(self.helper).map(drop))
            .map_err(SetupError::system("wait for the network"))
    }

    /// From here on the first call that `filter` holds has the network connected. Where the kernel cannot do
    /// that, it is connected now.
    pub(crate) fn connect_when_needed(&self, filter: &[SockFilter]) -> Result<(), SetupError> {
        if filter.is_empty() {
            return self.connect_now();
        }
        match sys::install_seccomp_listener(filter) {
            Ok(listener) => {
                let descriptors = [self.namespace.as_fd(), listener.as_fd()];
                send(self.helper, &Wish::WhenNeeded, &descriptors)
                    .map_err(SetupError::system("hand over the network namespace"))
            }
            Err(_) => self.connect_now(),
        }
    }
}
