//! Evaluating expressions in tests. Knows none of them.

use lapstrake_nix::Evaluation;
use lapstrake_nix::eval::{MemoryIo, print};

/// An evaluation that several expressions share.
pub struct Evaluator(Evaluation);

impl Evaluator {
    /// Makes one that sees some files.
    pub fn new(io: MemoryIo) -> Self {
        Self(Evaluation::new(Box::new(io), "x86_64-linux").expect("the prelude"))
    }

    /// What an expression evaluates to, all of it, as text; or its error.
    pub fn eval(&self, text: &str) -> Result<String, String> {
        let value = self.0.text("test.nix", "/", text);
        let value = value.and_then(|value| self.0.deep(&value));
        match value {
            Ok(value) => Ok(print::print(&self.0.vm, &value)),
            Err(error) => Err(error.to_string()),
        }
    }
}
