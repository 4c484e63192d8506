//! Where a build's time went: steps on a time line, the critical path, what the cache saved; as a page and as a trace.
//! A plan first (`plan`, pure), then texts of it (`page`, `trace`). Does no I/O.

mod critical;
mod lanes;
mod page;
mod plan;
mod trace;

pub use page::page;
pub use plan::{Plan, PlannedStep, Saved, State};
pub use trace::trace;
