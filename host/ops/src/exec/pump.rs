//! Watches a running step from the engine's side: passes its output on, listens to what the helper reports,
//! and has it killed when it is cancelled or takes too long. Knows nothing of what the step is.

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
/// How long output is waited for when all processes are gone. There is none but what somebody outside was
/// given the pipe for.
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

/// What the helper has said so far.
#[derive(Default)]
struct Heard {
    warnings: Vec<Warning>,
    stubs: Vec<Stub>,
    failure: Option<Failure>,
}

impl Heard {
    fn into_result(
        self,
        exit: Exit,
        out_of_memory: bool,
        killed: Option<ExecError>,
    ) -> Result<Seen, ExecError> {
        match (killed, self.failure) {
            (Some(why), _) => Err(why),
            (None, Some(Failure::Setup(source))) => Err(ExecError::Setup { source }),
            (None, Some(Failure::Program(error))) => Err(ExecError::Program(error)),
            (None, None) => Ok(Seen {
                exit,
                out_of_memory,
                warnings: self.warnings,
                stubs: self.stubs,
            }),
        }
    }
}

/// Where a step is.
enum State {
    Running,
    /// Killed because of this.
    Killed {
        why: ExecError,
        since: Instant,
    },
    /// All processes are gone. Why they were killed, if they were.
    Ended {
        exit: Exit,
        out_of_memory: bool,
        killed: Option<ExecError>,
        since: Instant,
    },
}

impl State {
    /// How long to wait for something to happen.
    fn patience(&self, deadline: Option<Instant>) -> Option<Duration> {
        let left = |since: &Instant, limit: Duration| Some(limit.saturating_sub(since.elapsed()));
        match self {
            State::Running => deadline.map(|d| d.saturating_duration_since(Instant::now())),
            State::Killed { since, .. } => left(since, GRACE),
            State::Ended { since, .. } => left(since, DRAIN),
        }
    }
}

impl Watch {
    /// Waits for the end of the step and of its output.
    pub(crate) fn until_end(
        mut self,
        timeout: Option<Duration>,
        cancel: &CancelToken,
        output: &mut dyn FnMut(Output<'_>),
    ) -> Result<Seen, ExecError> {
        // A time that cannot be counted is none.
        let deadline = timeout.and_then(|limit| Instant::now().checked_add(limit));
        let mut buffer = vec![0; PIECE];
        let mut state = State::Running;
        let mut heard = Heard::default();
        loop {
            state = match state {
                State::Running if cancel.is_cancelled() => self.kill(ExecError::Cancelled),
                State::Running if deadline.is_some_and(|d| Instant::now() >= d) => {
                    self.kill(ExecError::TimedOut {
                        after: timeout.unwrap_or_default(),
                    })
                }
                State::Killed { since, .. } if since.elapsed() >= GRACE => {
                    return Err(ExecError::Unkillable { after: GRACE });
                }
                State::Ended {
                    exit,
                    out_of_memory,
                    killed,
                    since,
                } if (self.stdout.is_none() && self.stderr.is_none()) || since.elapsed() >= DRAIN => {
                    return heard.into_result(exit, out_of_memory, killed);
                }
                other => other,
            };
            let [control, stdout, stderr] = self.ready(&state, cancel, state.patience(deadline))?;
            let time = SystemTime::now();
            if stdout {
                pass_on(&mut self.stdout, &mut buffer, Stream::Stdout, time, output);
            }
            if stderr {
                pass_on(&mut self.stderr, &mut buffer, Stream::Stderr, time, output);
            }
            if control && let Some((exit, out_of_memory)) = self.listen(&mut heard)? {
                let killed = match state {
                    State::Killed { why, .. } => Some(why),
                    _ => None,
                };
                state = State::Ended {
                    exit,
                    out_of_memory,
                    killed,
                    since: Instant::now(),
                };
            }
        }
    }

    /// Takes one report. Gives the end of the step, if it is that.
    fn listen(&self, heard: &mut Heard) -> Result<Option<(Exit, bool)>, ExecError> {
        match receive::<Report>(&self.control) {
            Ok(Some((Report::Warning(warning), _))) => heard.warnings.push(warning),
            Ok(Some((Report::Stubs(stubs), _))) => heard.stubs.extend(stubs),
            Ok(Some((Report::Failed(why), _))) => heard.failure = Some(why),
            Ok(Some((Report::Exited { exit, out_of_memory }, _))) => return Ok(Some((exit, out_of_memory))),
            Ok(None) => return Err(ExecError::HelperDied),
            // The helper closed its end before it read that it shall kill. What it said before comes
            // after this error.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(source) => return Err(ExecError::Helper { source }),
        }
        Ok(None)
    }

    fn kill(&self, why: ExecError) -> State {
        // Any message will do. If the helper is gone, that is seen next.
        let _ = send(&self.control, &1u8, &[]);
        State::Killed {
            why,
            since: Instant::now(),
        }
    }

    /// Waits until the control socket, stdout or stderr has something.
    fn ready(
        &self,
        state: &State,
        cancel: &CancelToken,
        wait: Option<Duration>,
    ) -> Result<[bool; 3], ExecError> {
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
        let wait = wait.map(|w| Timespec {
            tv_sec: w.as_secs() as _,
            tv_nsec: w.subsec_nanos() as _,
        });
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
        Ok(length) => output(Output {
            stream,
            time,
            data: &buffer[..length],
        }),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
        // A pipe has no other errors that another read would not have.
        Err(_) => *pipe = None,
    }
}
