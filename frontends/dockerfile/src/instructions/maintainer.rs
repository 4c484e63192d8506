//! `MAINTAINER`: the image's author, before labels did that. Knows nothing of labels.

use crate::diagnostic::Diagnostics;
use crate::lint;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::words::Word;

/// Reads the argument.
pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Word> {
    lint::report(diagnostics, lint::MAINTAINER_DEPRECATED, arguments.span, || {
        "MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors=…".to_owned()
    });
    Flags::check("MAINTAINER", &arguments.flags, &[], &[], diagnostics);
    if arguments.rest.is_empty() {
        arguments.missing(
            "a name",
            "write LABEL org.opencontainers.image.authors=\"name\" instead",
            diagnostics,
        );
        return None;
    }
    Some(arguments.word())
}

/// Sets the author.
pub fn lower(name: &Word, stage: &mut Stage, cx: &mut Cx<'_>) {
    stage.image.author = Some(name.text.clone());
    cx.record(stage, format!("MAINTAINER {}", name.text), false);
}
