//! Tells work to stop: asked for by polling, by a callback, or by waiting on a channel.
//! Knows nothing of what stops, and sends no signals.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender};

type Callback = Box<dyn FnOnce() + Send>;

/// A switch that is turned once. Clones are the same switch.
#[derive(Clone)]
pub struct CancelToken {
    inner: Arc<Inner>,
}

struct Inner {
    cancelled: AtomicBool,
    /// Disconnected when the token is cancelled.
    receiver: Receiver<Infallible>,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    sender: Option<Sender<Infallible>>,
    callbacks: BTreeMap<u64, Callback>,
    next: u64,
}

impl CancelToken {
    /// Makes a token that is not cancelled.
    pub fn new() -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(0);
        let waiting = Waiting {
            sender: Some(sender),
            callbacks: BTreeMap::new(),
            next: 0,
        };
        let inner = Inner {
            cancelled: AtomicBool::new(false),
            receiver,
            waiting: Mutex::new(waiting),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Cancels. Callbacks run on this thread, before it returns; a second call does nothing.
    pub fn cancel(&self) {
        let callbacks = {
            let mut waiting = self.waiting();
            self.inner.cancelled.store(true, Ordering::Release);
            waiting.sender = None;
            std::mem::take(&mut waiting.callbacks)
        };
        for callback in callbacks.into_values() {
            callback();
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::Acquire)
    }

    /// A channel that is disconnected when the token is cancelled, for `select!`. Nothing is ever sent.
    pub fn receiver(&self) -> Receiver<Infallible> {
        self.inner.receiver.clone()
    }

    /// Calls `callback` when the token is cancelled, at once where it is already. Dropping the guard forgets it.
    ///
    /// The callback runs on the thread that cancels: it MUST be short and not wait.
    #[must_use]
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) -> CancelGuard {
        let mut waiting = self.waiting();
        if self.is_cancelled() {
            drop(waiting);
            callback();
            return CancelGuard { token: None };
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.callbacks.insert(number, Box::new(callback));
        drop(waiting);
        CancelGuard {
            token: Some((self.clone(), number)),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock.
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}

/// Keeps a callback of a [`CancelToken`].
#[derive(Debug)]
pub struct CancelGuard {
    token: Option<(CancelToken, u64)>,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some((token, number)) = &self.token {
            let callback = token.waiting().callbacks.remove(number);
            // Dropped outside of the lock, as it may hold anything.
            drop(callback);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counted(token: &CancelToken) -> (Arc<AtomicUsize>, CancelGuard) {
        let count = Arc::new(AtomicUsize::new(0));
        let guard = token.on_cancel({
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        (count, guard)
    }

    #[test]
    fn tells_everybody_once() {
        let token = CancelToken::new();
        let (kept, _guard) = counted(&token);
        let (dropped, guard) = counted(&token);
        drop(guard);
        let receiver = token.receiver();
        assert!(!token.is_cancelled());
        assert_eq!(receiver.try_recv(), Err(crossbeam_channel::TryRecvError::Empty));
        token.clone().cancel();
        token.cancel();
        assert!(token.is_cancelled());
        assert_eq!(receiver.recv(), Err(crossbeam_channel::RecvError));
        let (late, _guard) = counted(&token);
        let counts = [kept, dropped, late].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(counts, [1, 0, 1]);
    }

    #[test]
    fn a_callback_may_use_the_token() {
        let token = CancelToken::new();
        let inner = token.clone();
        let _guard = token.on_cancel(move || {
            assert!(inner.is_cancelled());
            inner.cancel();
            let _ = inner.on_cancel(|| {});
        });
        token.cancel();
    }
}
