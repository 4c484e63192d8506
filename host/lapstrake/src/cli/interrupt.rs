//! Ctrl-C and SIGTERM: the first ends the build and waits until nothing is left; the second ends the process, and the
//! containers end with it.

use lapstrake_solver::CancelToken;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A token that the first signal cancels.
pub fn token() -> std::io::Result<CancelToken> {
    let token = CancelToken::new();
    let theirs = token.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if theirs.is_cancelled() {
                    // The helper processes see that this one is gone and end their containers.
                    std::process::exit(128 + signal);
                }
                theirs.cancel();
            }
        })?;
    Ok(token)
}
