//! Time and cancellation of a call: a clock that runs only while the guest does, and the watch that the calling thread
//! keeps over it. Knows nothing of what is called.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use wasmtime::{Engine, UpdateDeadline};

use crate::stop::Stop;

/// Ends calls from any thread. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    cancelled: AtomicBool,
    watches: Mutex<Vec<Weak<Watch>>>,
}

impl Cancel {
    /// Makes one that is not cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends every call that was given this, now and later. A call inside the gateway ends when the gateway returns.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for watch in lock(&self.0.watches).drain(..) {
            if let Some(watch) = watch.upgrade() {
                watch.wake();
            }
        }
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    fn add(&self, watch: &Arc<Watch>) {
        let mut watches = lock(&self.0.watches);
        watches.retain(|old| old.strong_count() > 0);
        watches.push(Arc::downgrade(watch));
    }
}

/// Where a call is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// In the guest, since when.
    Guest(Instant),
    /// In a host function.
    Host,
    /// Over.
    Done,
}

#[derive(Debug)]
struct Clock {
    phase: Phase,
    /// Time in the guest before the present phase.
    used: Duration,
}

impl Clock {
    /// The only place that changes the phase.
    fn set(&mut self, phase: Phase) {
        if let Phase::Guest(since) = self.phase {
            self.used += since.elapsed();
        }
        self.phase = phase;
    }
}

/// How often the epoch is ended for a guest that is to stop. Once is not enough: a guest that is just setting its next
/// deadline, at its start or because another guest's epoch ended, misses one.
const EPOCH: Duration = Duration::from_millis(5);

const RUN: u8 = 0;
const TIMED_OUT: u8 = 1;
const CANCELLED: u8 = 2;

/// The clock of one call, and whether it is to end.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Mutex<Clock>,
    changed: Condvar,
    stop: AtomicU8,
}

impl Watch {
    /// Starts with the clock running.
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self {
            clock: Mutex::new(Clock {
                phase: Phase::Guest(Instant::now()),
                used: Duration::ZERO,
            }),
            changed: Condvar::new(),
            stop: AtomicU8::new(RUN),
        })
    }

    /// Halts the clock until the returned guard is dropped.
    pub(crate) fn in_host(self: &Arc<Self>) -> InHost {
        lock(&self.clock).set(Phase::Host);
        InHost(Arc::clone(self))
    }

    /// Says that the call is over when the returned guard is dropped, by whatever way.
    pub(crate) fn until_done(&self) -> UntilDone<'_> {
        UntilDone(self)
    }

    /// Fails once the call is to end.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        match self.stop.load(Ordering::SeqCst) {
            TIMED_OUT => Err(Stop::TimedOut),
            CANCELLED => Err(Stop::Cancelled),
            _ => Ok(()),
        }
    }

    /// What the guest's code does at an epoch's end. An epoch ends for all guests of an engine: the others go on.
    pub(crate) fn at_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        match self.check() {
            Ok(()) => Ok(UpdateDeadline::Continue(1)),
            Err(stop) => Err(wasmtime::Error::new(stop)),
        }
    }

    /// Waits until the call is over, and ends it when its time is up or it is cancelled. To be called by the thread
    /// that waits for the answer anyway.
    pub(crate) fn supervise(self: &Arc<Self>, limit: Duration, cancel: &Cancel, engine: &Engine) {
        cancel.add(self);
        let mut clock = lock(&self.clock);
        loop {
            let left = match clock.phase {
                Phase::Done => return,
                Phase::Host => None,
                Phase::Guest(since) => Some(limit.saturating_sub(clock.used + since.elapsed())),
            };
            if self.check().is_ok() {
                if cancel.is_cancelled() {
                    self.stop.store(CANCELLED, Ordering::SeqCst);
                } else if left == Some(Duration::ZERO) {
                    self.stop.store(TIMED_OUT, Ordering::SeqCst);
                }
            }
            let sleep = if self.check().is_err() {
                engine.increment_epoch();
                Some(EPOCH)
            } else {
                left
            };
            clock = match sleep {
                Some(time) => {
                    self.changed
                        .wait_timeout(clock, time)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.changed.wait(clock).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn wake(&self) {
        // The lock, so that a supervisor between its look and its sleep is not missed.
        drop(lock(&self.clock));
        self.changed.notify_all();
    }
}

/// The clock stands still while this lives.
pub(crate) struct InHost(Arc<Watch>);

impl Drop for InHost {
    fn drop(&mut self) {
        lock(&self.0.clock).set(Phase::Guest(Instant::now()));
        self.0.changed.notify_all();
    }
}

/// The call is over when this is dropped.
pub(crate) struct UntilDone<'a>(&'a Watch);

impl Drop for UntilDone<'_> {
    fn drop(&mut self) {
        lock(&self.0.clock).set(Phase::Done);
        self.0.changed.notify_all();
    }
}

/// A panic of another thread leaves nothing half-changed behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn engine() -> Engine {
        Engine::new(&crate::engine_config::config()).unwrap()
    }

    #[test]
    fn time_in_the_host_does_not_count() {
        let watch = Watch::start();
        let worker = {
            let watch = Arc::clone(&watch);
            thread::spawn(move || {
                let _done = watch.until_done();
                let host = watch.in_host();
                thread::sleep(Duration::from_millis(300));
                drop(host);
                watch.check()
            })
        };
        watch.supervise(Duration::from_millis(150), &Cancel::new(), &engine());
        assert_eq!(worker.join().unwrap(), Ok(()));
    }

    #[test]
    fn time_in_the_guest_counts_over_host_calls() {
        let watch = Watch::start();
        let worker = {
            let watch = Arc::clone(&watch);
            thread::spawn(move || {
                let _done = watch.until_done();
                let started = Instant::now();
                while watch.check().is_ok() && started.elapsed() < Duration::from_secs(20) {
                    drop(watch.in_host());
                    thread::sleep(Duration::from_millis(5));
                }
                watch.check()
            })
        };
        watch.supervise(Duration::from_millis(50), &Cancel::new(), &engine());
        assert_eq!(worker.join().unwrap(), Err(Stop::TimedOut));
    }

    #[test]
    fn cancels_before_and_during_a_call() {
        for early in [true, false] {
            let cancel = Cancel::new();
            let watch = Watch::start();
            let worker = {
                let watch = Arc::clone(&watch);
                let cancel = cancel.clone();
                thread::spawn(move || {
                    let _done = watch.until_done();
                    if !early {
                        cancel.cancel();
                    }
                    let started = Instant::now();
                    while watch.check().is_ok() && started.elapsed() < Duration::from_secs(20) {
                        thread::sleep(Duration::from_millis(1));
                    }
                    watch.check()
                })
            };
            if early {
                cancel.cancel();
            }
            watch.supervise(Duration::from_secs(60), &cancel, &engine());
            assert_eq!(worker.join().unwrap(), Err(Stop::Cancelled));
        }
    }
}
