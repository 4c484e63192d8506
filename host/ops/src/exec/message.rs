//! What the engine and the container helper say to each other, over sockets that keep messages whole, with
//! descriptors attached. Knows nothing of what the messages lead to.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use lapstrake_llb::LinuxResources;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cdi::DeviceNode;

use super::error::{ProgramError, SetupError};
use super::network::Connection;
use super::request::{ExecRequest, Exit, Warning};
use super::run::{DeviceControl, Runtime};

/// First message to a helper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Name of this engine process, unique on this machine until it is started again.
    pub(crate) id: String,
    pub(crate) runtime: Runtime,
    pub(crate) devices: DeviceControl,
}

/// Asks a helper to run a command. Descriptors: the step's own socket, the [`Job`], stdout, stderr.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// Name of the step, unique on this machine.
    pub(crate) name: String,
    pub(crate) limits: Option<LinuxResources>,
    pub(crate) cgroup_parent: Option<String>,
    /// Whether the step may open all devices.
    pub(crate) all_devices: bool,
    /// The devices that it may open besides those of every container.
    pub(crate) devices: Vec<DeviceNode>,
    /// Whether it has a network of its own, and how that is connected.
    pub(crate) connection: Option<Connection>,
    /// What the helper removes when the engine is killed while the step runs.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// Number of descriptors of a [`Launch`].
pub(crate) const LAUNCH_DESCRIPTORS: usize = 4;

/// What a container's first process needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) request: ExecRequest,
    pub(crate) hosts: String,
    pub(crate) resolv_conf: String,
}

/// What comes back over a step's socket. In the other direction any message, or the end of the connection,
/// means "kill".
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Warning(Warning),
    /// Mount points were made in layers, parents first.
    Stubs(Vec<Stub>),
    /// Nothing of the command has run, and nothing will.
    Failed(Failure),
    /// The last message: no process is left, nothing is mounted.
    Exited {
        exit: Exit,
        out_of_memory: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    Setup(SetupError),
    Program(ProgramError),
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Failure {
        Failure::Setup(error)
    }
}

/// Which upper directory of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LayerRef {
    Root,
    /// Of the mount of this index in the request.
    Mount(usize),
}

/// A mount point that was made in a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stub {
    pub(crate) layer: LayerRef,
    /// Relative to the layer.
    pub(crate) path: PathBuf,
    pub(crate) is_dir: bool,
}

/// Two ends of a new connection.
pub(crate) fn connection() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Longest message that is received.
const LONGEST: usize = 128 << 10;

/// Sends one message.
pub(crate) fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = postcard::to_allocvec(message).map_err(io::Error::other)?;
    if bytes.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LAUNCH_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::io::retry_on_intr(|| {
        sendmsg(
            &socket,
            &[IoSlice::new(&bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// Receives one message. None: the other end is closed.
pub(crate) fn receive<M: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LAUNCH_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let length = rustix::io::retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut buffer)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?
    .bytes;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if length == 0 {
        return Ok(None);
    }
    let message = postcard::from_bytes(&buffer[..length]).map_err(io::Error::other)?;
    Ok(Some((message, descriptors)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    #[test]
    fn messages_stay_whole_and_carry_descriptors() {
        let (a, b) = connection().unwrap();
        let hello = Hello {
            id: "x".into(),
            runtime: Runtime::BuiltIn,
            devices: DeviceControl::Auto,
        };
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        send(&a, &hello, &[]).unwrap();
        send(&a, &hello, &[reader.as_fd(), reader.as_fd()]).unwrap();
        let (first, none) = receive::<Hello>(&b).unwrap().unwrap();
        assert_eq!((first.id.as_str(), none.len()), ("x", 0));
        let (_, mut two) = receive::<Hello>(&b).unwrap().unwrap();
        assert_eq!(two.len(), 2);
        rustix::io::write(&writer, b"hi").unwrap();
        drop((writer, reader));
        let mut text = String::new();
        File::from(two.remove(1)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hi");
        drop(a);
        assert!(receive::<Hello>(&b).unwrap().is_none());
    }

    #[test]
    fn rubbish_is_an_error() {
        let (a, b) = connection().unwrap();
        rustix::io::write(&a, &[0xff; 40]).unwrap();
        assert!(receive::<Report>(&b).is_err());
    }
}
