//! Work on many small things by several threads.
//! Knows nothing of the things.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// More threads than this wait for the disk and for each other.
const MAX_THREADS: usize = 8;
/// How many things a thread takes at a time.
const BATCH: usize = 16;

/// Number of threads that work on files is worth sharing among.
pub fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
}

/// Calls `work` for `0..count` on up to `threads` threads, this one among them, and collects the results in order.
///
/// After the first error no more calls are begun; an error with the smallest index of those met is returned.
pub fn map<T: Send, E: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    map_batches(count, threads, BATCH, work)
}

/// As [`map`], for things so large that a thread takes only `batch` of them at a time.
pub fn map_batches<T: Send, E: Send>(
    count: usize,
    threads: usize,
    batch: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let batch = batch.max(1);
    if threads <= 1 || count <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(count));
    let run = || {
        let mut mine = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let start = next.fetch_add(batch, Ordering::Relaxed);
            if start >= count {
                break;
            }
            for index in start..count.min(start + batch) {
                let result = work(index);
                if result.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                mine.push((index, result));
            }
        }
        results
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
            .extend(mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count.div_ceil(batch)) {
            scope.spawn(run);
        }
        run();
    });
    let mut results = results.into_inner().unwrap_or_else(|poison| poison.into_inner());
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        for threads in [1, 2, 7] {
            for count in [0, 1, 15, 16, 17, 1000] {
                let squares: Result<Vec<usize>, ()> = map(count, threads, |i| Ok(i * i));
                assert_eq!(squares.unwrap(), (0..count).map(|i| i * i).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn stops_at_an_error() {
        let calls = AtomicUsize::new(0);
        let result: Result<Vec<()>, usize> = map(1_000_000, 4, |i| {
            calls.fetch_add(1, Ordering::Relaxed);
            if i == 100 { Err(i) } else { Ok(()) }
        });
        assert_eq!(result.unwrap_err(), 100);
        assert!(calls.load(Ordering::Relaxed) < 1_000_000);
    }
}
