//! The `lapstrake` program. The same binary is the helper process that runs a container: a mount namespace and a
//! container cannot be made in the engine's own process, which has threads.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "__container")
    {
        return lapstrake_ops::exec::helper_main();
    }
    lapstrake::cli::main()
}
