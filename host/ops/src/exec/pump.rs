//! Watches a running step from the engine's side: passes its output on, listens to what the helper reports, and has it killed when
//! it is cancelled or takes too long.
//! Knows nothing of what the step is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::cancel::CancelToken;
use super::error::ExecError;
use super::message::{Failure, Report, Stub, receive, send};
use super::request::{Exit, Output, Stream, Warning};

/// How long a killed step may take to be gone. A process that waits for a disk can take its time.
const GRACE: Duration = Duration::from_secs(30);
/// How long output is waited for when all processes are gone. There is none but what somebody outside was given the pipe for.
const DRAIN: Duration = Duration::from_secs(1);

const PIECE: usize = 64 << 10;

/// A step as the engine holds it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) control: OwnedFd,
    /// None: at its end.
    pub(crate) stdout: Option<OwnedFd>,
    /// None: at its end.
    pub(crate) stderr: Option<OwnedFd>,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) exit: Exit,
    pub(crate) out_of_memory: bool,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) stubs: Vec<Stub>,
}

/// Where a step is.
enum State {
    Running,
    /// Killed because of this.
    Killed { why: ExecError, since: Instant },
    /// All processes are gone.
    Ended { exit: Exit, out_of_memory: bool, since: Instant },
}

impl Watch {
    /// Waits for the end of the step and of its output.
    pub(crate) fn until_end(
        mut self,
        timeout: Option<Duration>,
        cancel: &CancelToken,
        output: &mut dyn FnMut(Output<'_>),
    ) -> Result<Seen, ExecError> {
        let started = Instant::now();
        let mut buffer = vec![0; PIECE];
        let mut state = State::Running;
        let mut seen = Seen { exit: Exit::Code(0), out_of_memory: false, warnings: Vec::new(), stubs: Vec::new() };
        let mut failure: Option<Failure> = None;
        let mut stopped: Option<ExecError> = None;
        loop {
            match &state {
                State::Running if cancel.is_cancelled() => state = self.kill(ExecError::Cancelled),
                State::Running => {
                    if let Some(after) = timeout.filter(|limit| started.elapsed() >= *limit) {
                        state = self.kill(ExecError::TimedOut { after });
                    }
                }
                State::Killed { since, .. } if since.elapsed() >= GRACE => {
                    return Err(ExecError::Unkillable { after: GRACE });
                }
                State::Killed { .. } => {}
                State::Ended { exit, out_of_memory, since } => {
                    let silent = self.stdout.is_none() && self.stderr.is_none();
                    if silent || since.elapsed() >= DRAIN {
                        (seen.exit, seen.out_of_memory) = (*exit, *out_of_memory);
                        break;
                    }
                }
            }
            let wait = match &state {
                State::Running => timeout.map(|limit| limit.saturating_sub(started.elapsed())),
                State::Killed { since, .. } => Some(GRACE.saturating_sub(since.elapsed())),
                State::Ended { since, .. } => Some(DRAIN.saturating_sub(since.elapsed())),
            };
            let [control, stdout, stderr] = self.ready(&state, cancel, wait)?;
            let time = SystemTime::now();
            for (ready, stream, pipe) in
                [(stdout, Stream::Stdout, &mut self.stdout), (stderr, Stream::Stderr, &mut self.stderr)]
            {
                if ready {
                    pass_on(pipe, &mut buffer, stream, time, output);
                }
            }
            if !control {
                continue;
            }
            match receive::<Report>(&self.control) {
                Ok(Some((Report::Warning(warning), _))) => seen.warnings.push(warning),
                Ok(Some((Report::Stubs(stubs), _))) => seen.stubs.extend(stubs),
                Ok(Some((Report::Failed(why), _))) => failure = Some(why),
                Ok(Some((Report::Exited { exit, out_of_memory }, _))) => {
                    let before = std::mem::replace(&mut state, State::Ended { exit, out_of_memory, since: Instant::now() });
                    if let State::Killed { why, .. } = before {
                        stopped = Some(why);
                    }
                }
                Ok(None) => return Err(ExecError::HelperDied),
                // The helper closed its end before it read that it shall kill. What it said before comes after this error.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(source) => return Err(ExecError::Helper { source }),
            }
        }
        match (stopped, failure) {
            (Some(why), _) => Err(why),
            (None, Some(Failure::Setup(source))) => Err(ExecError::Setup { source }),
            (None, Some(Failure::Program(error))) => Err(ExecError::Program(error)),
            (None, None) => Ok(seen),
        }
    }

    fn kill(&self, why: ExecError) -> State {
        // Any message will do. If the helper is gone, that is seen next.
        let _ = send(&self.control, &1u8, &[]);
        State::Killed { why, since: Instant::now() }
    }

    /// Waits until the control socket, stdout or stderr has something.
    fn ready(&self, state: &State, cancel: &CancelToken, wait: Option<Duration>) -> Result<[bool; 3], ExecError> {
        let cancel_fd = cancel.as_fd();
        let mut polled = Vec::with_capacity(4);
        let mut places = Vec::with_capacity(4);
        if !matches!(state, State::Ended { .. }) {
            polled.push(PollFd::new(&self.control, PollFlags::IN));
            places.push(Some(0));
        }
        for (place, pipe) in [(1, &self.stdout), (2, &self.stderr)] {
            if let Some(pipe) = pipe {
                polled.push(PollFd::new(pipe, PollFlags::IN));
                places.push(Some(place));
            }
        }
        if matches!(state, State::Running) {
            polled.push(PollFd::from_borrowed_fd(cancel_fd.as_fd(), PollFlags::IN));
            places.push(None);
        }
        let wait = wait.map(|w| Timespec { tv_sec: w.as_secs() as _, tv_nsec: w.subsec_nanos() as _ });
        match poll(&mut polled, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(ExecError::Helper { source: error.into() }),
        }
        let mut ready = [false; 3];
        for (fd, place) in polled.iter().zip(places) {
            if let (Some(place), false) = (place, fd.revents().is_empty()) {
                ready[place] = true;
            }
        }
        Ok(ready)
    }
}

/// Reads what there is, and hands it on.
fn pass_on(
    pipe: &mut Option<OwnedFd>,
    buffer: &mut [u8],
    stream: Stream,
    time: SystemTime,
    output: &mut dyn FnMut(Output<'_>),
) {
    let Some(open) = pipe else { return };
    match rustix::io::read(open, &mut *buffer) {
        Ok(0) => *pipe = None,
        Ok(length) => output(Output { stream, time, data: &buffer[..length] }),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
        // A pipe has no other errors that another read would not have.
        Err(_) => *pipe = None,
    }
}
