//! Why the host ends a guest: the error that travels through wasmtime from the place that stops to the call that
//! reports. Knows nothing of limits' values.

/// Why the host ended a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// Wall clock.
    #[error("the time is up")]
    TimedOut,
    /// The caller wants no answer any more.
    #[error("cancelled")]
    Cancelled,
    /// Memories and tables.
    #[error("too much memory")]
    Memory,
    /// More of something than the host does for one call.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// The gateway broke its contract: the host's fault.
    #[error("the gateway gave a wrong number of answers")]
    Gateway,
}
