//! What those who wait for a download are told, and how they lose interest.
//! Knows nothing of the solver's events or of terminals.

/// Who waits for a download.
pub trait Progress: Sync {
    /// So many bytes of `name` are there; `total` is not always known. The last call has `done`.
    fn advance(&self, name: &str, current: u64, total: Option<u64>, done: bool);

    /// A program that does the work says something.
    fn log(&self, _line: &str) {}

    /// Whether nobody wants the result any more.
    fn cancelled(&self) -> bool;
}

/// Waits to the end and is told nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn advance(&self, _name: &str, _current: u64, _total: Option<u64>, _done: bool) {}

    fn cancelled(&self) -> bool {
        false
    }
}
