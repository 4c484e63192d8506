//! `USER`: who commands and containers run as. Knows nothing of which users there are.

use crate::diagnostic::Diagnostics;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::words::Word;

/// Reads the argument.
pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Word> {
    Flags::check("USER", &arguments.flags, &[], &[], diagnostics);
    if arguments.rest.is_empty() {
        arguments.missing(
            "a user",
            "write USER name, USER name:group or numbers",
            diagnostics,
        );
        return None;
    }
    Some(arguments.word())
}

/// Sets the user.
pub fn lower(user: &Word, stage: &mut Stage, cx: &mut Cx<'_>) {
    let user = cx.expand(stage, user);
    let created_by = format!("USER {user}");
    set(user, stage);
    cx.record(stage, created_by, false);
}

/// Sets the user without a line in the history, as for a base image's.
pub fn set(user: String, stage: &mut Stage) {
    stage.user = (!user.is_empty()).then(|| user.clone());
    stage.image.user = user;
}
