//! `ENV`: variables of commands and of the image. Knows nothing of how pairs are written.

use crate::diagnostic::Diagnostic;
use crate::instructions::Command;
use crate::instructions::arg;
use crate::instructions::pairs::{self, Pairs};
use crate::lower::stage::{Cx, Stage};

/// Sets the variables; every value is expanded against the environment before the instruction.
pub fn lower(env: &Pairs, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
    let pairs = env.expand(command, stage, cx);
    for ((key, value), written) in pairs.iter().zip(&env.pairs) {
        // Only what the name is after its expansion says so.
        if key.is_empty() || key.contains('=') {
            let message = format!("`{key}` is no name of a variable");
            let help = "a name is not empty and has no `=`";
            cx.diagnostics
                .push(Diagnostic::error("InvalidName", written.key.span, message).help(help));
            continue;
        }
        arg::check_secret("ENV", key, written.key.span, cx);
        stage.env.set_last(key, value);
        stage.image.env.set_in_place(key, value);
    }
    cx.record(stage, pairs::in_history("ENV", &pairs), false);
}
