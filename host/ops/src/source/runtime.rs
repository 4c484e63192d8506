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
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn several_threads_wait_at_once() {
        let runtime = Runtime::start().unwrap();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let sleep = tokio_sleep(Duration::from_millis(100));
                    runtime.wait(&|| false, sleep).unwrap();
                });
            }
        });
        assert!(
            start.elapsed() < Duration::from_millis(700),
            "{:?}",
            start.elapsed()
        );
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
            let start = Instant::now();
            let waited = runtime.wait(
                &|| flag.load(Ordering::Relaxed),
                tokio_sleep(Duration::from_secs(60)),
            );
            assert!(waited.is_err());
            assert!(start.elapsed() < Duration::from_secs(5));
        });
    }
}
