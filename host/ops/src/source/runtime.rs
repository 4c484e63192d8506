//! The one place with an asynchronous runtime: a single thread that drives sockets and timers.
//! Callers wait on their own threads and do their own work (hashing, writing) between two reads.
//! Knows nothing of registries.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// How often a waiting caller is asked whether it still wants the answer.
const PATIENCE: Duration = Duration::from_millis(50);

/// A runtime on a thread of its own. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

/// The caller no longer wants the answer.
#[derive(Debug)]
pub(crate) struct Cancelled;

impl Runtime {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no more threads or file descriptors.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("registry".to_owned())
            .spawn(move || {
                // Resolves when the sender is dropped.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self { handle, _stop: stop })
    }

    /// Waits for a future on the calling thread, as long as `cancelled` says no.
    pub(crate) fn wait<F: Future>(
        &self,
        cancelled: &(dyn Fn() -> bool + Sync),
        future: F,
    ) -> Result<F::Output, Cancelled> {
        self.handle.block_on(async {
            let future = pin!(future);
            let watch = pin!(async {
                while !cancelled() {
                    tokio::time::sleep(PATIENCE).await;
                }
            });
            match select(future, watch).await {
                Either::Left((output, _)) => Ok(output),
                Either::Right(((), _)) => Err(Cancelled),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn several_threads_wait_at_once() {
        let runtime = Runtime::start().unwrap();
        // Each ends when all have come: one after the other they never would.
        let come = AtomicUsize::new(0);
        let meet = || async {
            come.fetch_add(1, Ordering::Relaxed);
            while come.load(Ordering::Relaxed) < 8 {
                tokio_sleep(Duration::from_millis(5)).await;
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| runtime.wait(&|| false, meet()).unwrap());
            }
        });
    }

    async fn tokio_sleep(time: Duration) {
        tokio::time::sleep(time).await;
    }

    #[test]
    fn a_caller_that_loses_interest_is_let_go() {
        let runtime = Runtime::start().unwrap();
        let flag = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(60));
                flag.store(true, Ordering::Relaxed);
            });
            let waited = runtime.wait(&|| flag.load(Ordering::Relaxed), std::future::pending::<()>());
            assert!(waited.is_err());
        });
    }
}
