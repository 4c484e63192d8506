//! Evaluating expressions in tests. Knows none of them.

use lapstrake_nix::Evaluation;
use lapstrake_nix::eval::{MemoryIo, print};

/// What an expression evaluates to, all of it, as text; or its error.
pub fn eval_with(io: MemoryIo, text: &str) -> Result<String, String> {
    let evaluation = Evaluation::new(Box::new(io), "x86_64-linux").map_err(|error| error.to_string())?;
    let value = evaluation.text("test.nix", "/", text);
    let value = value.and_then(|value| evaluation.deep(&value));
    match value {
        Ok(value) => Ok(print::print(&evaluation.vm, &value)),
        Err(error) => Err(error.to_string()),
    }
}

/// The same without files.
pub fn eval(text: &str) -> Result<String, String> {
    eval_with(MemoryIo::default(), text)
}
