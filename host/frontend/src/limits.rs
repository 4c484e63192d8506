//! What a guest may use: the numbers, and the counter that holds its memory to them. Knows nothing of how a guest is
//! stopped for taking too long (`watch.rs`).

use std::time::Duration;

use lapstrake_llb::{Diagnostic, Report, SourceFile};
use wasmtime::ResourceLimiter;

use crate::stop::Stop;

/// Limits of one call of a frontend. Time that the host spends in answering counts against none of them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Linear memories and tables together, bytes.
    pub memory: u64,
    /// Wasmtime's fuel: about one unit an instruction.
    pub fuel: u64,
    /// Wall clock time inside the guest.
    pub time: Duration,
    /// What a single answer of the guest, or a single call of a host function, may hand over: bytes in the host's
    /// memory.
    pub output: usize,
    /// All messages of `host.log` together, bytes.
    pub log: usize,
    /// Limits of a graph.
    pub graph: lapstrake_llb::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            fuel: 20_000_000_000,
            time: Duration::from_secs(60),
            output: 128 << 20,
            log: 256 << 10,
            graph: lapstrake_llb::Limits::default(),
        }
    }
}

/// Largest answer of a `reference` function, bytes.
pub const MAX_READ: u64 = 64 << 20;

/// Trees that a guest may hold at the same time.
pub(crate) const MAX_REFERENCES: usize = 10_000;

/// Calls of host functions; and, of those, solves, and images asked for. The guest's clock stands still meanwhile, so
/// nothing else would end a guest that asks for ever.
const MAX_CALLS: usize = 1_000_000;
const MAX_SOLVES: usize = 10_000;
const MAX_IMAGES: usize = 2_000;

/// Findings that one report may have; the rest is left out.
pub(crate) const MAX_DIAGNOSTICS: usize = 10_000;

/// Longest message of `host.log`, bytes; the rest is left out.
pub(crate) const MAX_LOG_MESSAGE: usize = 8 << 10;

/// Stack of the thread that runs a guest: the guest's own, and as much again and more for the host functions.
pub(crate) const THREAD_STACK: usize = 4 * crate::engine_config::MAX_WASM_STACK;

/// Instances, tables and memories that a component may consist of. The largest known (CPython) has a few dozen.
const MAX_PARTS: usize = 1_000;

/// Linear memories: each reserves gigabytes of address space, whatever its size.
const MAX_MEMORIES: usize = 100;

/// What wasmtime takes for a table's element.
const TABLE_ELEMENT: u64 = size_of::<usize>() as u64;

/// What is left of all that a guest may make the host do.
#[derive(Debug)]
pub(crate) struct Budget {
    calls: usize,
    solves: usize,
    images: usize,
    /// Bytes of warnings.
    warnings: usize,
    /// Bytes of messages; none: the last one was shown.
    log: Option<usize>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    Shown,
    /// It is left out, and this is to be said.
    Last,
    LeftOut,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            calls: MAX_CALLS,
            solves: MAX_SOLVES,
            images: MAX_IMAGES,
            warnings: limits.output,
            log: Some(limits.log),
        }
    }

    pub(crate) fn call(&mut self) -> Result<(), Stop> {
        spend(&mut self.calls, 1, "calls")
    }

    pub(crate) fn solve(&mut self) -> Result<(), Stop> {
        spend(&mut self.solves, 1, "definitions")
    }

    pub(crate) fn images(&mut self, count: usize) -> Result<(), Stop> {
        spend(&mut self.images, count, "image requests")
    }

    pub(crate) fn warn(&mut self, report: &Report) -> Result<(), Stop> {
        let sources = report
            .sources
            .iter()
            .map(|source| size_of::<SourceFile>() + source.text.len());
        let items = report
            .items
            .iter()
            .map(|item| size_of::<Diagnostic>() + item.message.len());
        spend(
            &mut self.warnings,
            size_of::<Report>() + sources.sum::<usize>() + items.sum::<usize>(),
            "warnings",
        )
    }

    pub(crate) fn log(&mut self, bytes: usize) -> Logged {
        let Some(left) = self.log else {
            return Logged::LeftOut;
        };
        // An empty message costs, too.
        self.log = left.checked_sub(bytes.saturating_add(1));
        if self.log.is_some() {
            Logged::Shown
        } else {
            Logged::Last
        }
    }
}

fn spend(left: &mut usize, amount: usize, what: &'static str) -> Result<(), Stop> {
    *left = left.checked_sub(amount).ok_or(Stop::TooMany(what))?;
    Ok(())
}

/// Counts what the memories and tables of a store take together.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: u64,
    used: u64,
}

impl MemoryLimiter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// An error and not a refusal: most guests take a failed `memory.grow` for a bug and trap, which says nothing.
    fn grow(&mut self, current: u64, desired: u64) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            return Err(wasmtime::Error::new(Stop::Memory));
        }
        self.used = used;
        Ok(true)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current as u64, desired as u64)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| (elements as u64).saturating_mul(TABLE_ELEMENT);
        self.grow(bytes(current), bytes(desired))
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_once_that_messages_are_left_out() {
        let mut budget = Budget::new(&Limits {
            log: 10,
            ..Limits::default()
        });
        let logged: Vec<Logged> = [3, 0, 4, 1, 1, 0].map(|bytes| budget.log(bytes)).into();
        let (shown, out) = (Logged::Shown, Logged::LeftOut);
        assert_eq!(logged, [shown, shown, shown, Logged::Last, out, out]);
    }

    #[test]
    fn memories_and_tables_share_a_limit() {
        let mut limiter = MemoryLimiter::new(200_000);
        assert!(limiter.memory_growing(0, 65_536, None).is_ok());
        assert!(limiter.memory_growing(65_536, 131_072, None).is_ok());
        assert!(limiter.table_growing(0, 8_000, None).is_ok());
        let error = limiter.memory_growing(0, 65_536, None).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Stop::Memory)));
        assert!(limiter.table_growing(8_000, usize::MAX, None).is_err());
    }
}
