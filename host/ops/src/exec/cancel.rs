//! A flag that says "stop", and that poll(2) can wait for.
//! Knows nothing of who sets it and what is stopped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Tells a running command to stop. Clones are one flag.
#[derive(Debug, Clone)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cancelled: AtomicBool,
    /// Readable for ever once the flag is set.
    event: OwnedFd,
}

impl CancelToken {
    /// Makes a flag that is not set. Fails when there are no descriptors left.
    pub fn new() -> io::Result<CancelToken> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(CancelToken {
            shared: Arc::new(Shared {
                cancelled: AtomicBool::new(false),
                event,
            }),
        })
    }

    /// Sets the flag and wakes whoever waits.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        // Fails only if the counter were full; then it is readable already.
        let _ = rustix::io::write(&self.shared.event, &1u64.to_ne_bytes());
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    #[test]
    fn wakes_a_poll_for_ever() {
        let token = CancelToken::new().unwrap();
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready =
            |t: &CancelToken| poll(&mut [PollFd::new(&t.as_fd(), PollFlags::IN)], Some(&now)).unwrap();
        assert!(!token.is_cancelled());
        assert_eq!(ready(&token), 0);
        token.clone().cancel();
        token.cancel();
        assert!(token.is_cancelled());
        assert_eq!((ready(&token), ready(&token)), (1, 1));
    }
}
