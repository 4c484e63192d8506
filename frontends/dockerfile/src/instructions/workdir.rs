//! `WORKDIR`: the directory of commands and containers. Knows nothing of what is in it.

use lapstrake_sdk::path;
use lapstrake_sdk::types::{FileAction, FileActionKind, MkdirAction, Op};

use crate::diagnostic::Diagnostics;
use crate::instructions::{Command, copy_plan};
use crate::lint;
use crate::lower::stage::{self, Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::words::Word;

/// Reads the argument.
pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Word> {
    Flags::check("WORKDIR", &arguments.flags, &[], &[], diagnostics);
    if arguments.rest.is_empty() {
        arguments.missing("a directory", "write WORKDIR /path", diagnostics);
        return None;
    }
    Some(arguments.word())
}

/// Sets the directory and makes it, unless it is `/`. A new one belongs to the current user.
pub fn lower(directory: &Word, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
    let requested = cx.expand(stage, directory);
    if !stage.workdir_set && !requested.starts_with('/') {
        cx.diagnostics.push(
            lint::finding(
                lint::WORKDIR_RELATIVE_PATH,
                directory.span,
                format!("`{requested}` is relative to a directory that the base image chooses"),
            )
            .help("begin with an absolute path"),
        );
    }
    stage.workdir_set = true;
    set(&requested, stage);
    let has_layer = stage.image.working_dir != "/";
    if has_layer {
        let owner = (!stage.image.user.is_empty()).then(|| copy_plan::owner(&stage.image.user));
        let mkdir = MkdirAction {
            path: stage.directory.clone(),
            mode: 0o755,
            make_parents: true,
            owner,
            timestamp: cx.epoch,
        };
        let action = FileAction {
            base: stage.edge.into(),
            kind: FileActionKind::Mkdir(mkdir),
            output: true,
        };
        let text = stage::title(&cx.expander, command, &stage.env);
        let name = stage.naming.next(&text, &stage.platform, Some(&stage.env));
        let vertex = cx.vertex(Op::File(vec![action]), None, name, command.span);
        stage.edge = Some(cx.vertices.add(vertex));
    }
    let created_by = format!("WORKDIR {}", stage.image.working_dir);
    cx.record(stage, created_by, has_layer);
}

/// Sets the directory, as for a base image's. The configuration keeps an absolute path as it is written.
pub fn set(requested: &str, stage: &mut Stage) {
    stage.image.working_dir = match requested.starts_with('/') {
        true => requested.to_owned(),
        false => path::join(&path::join("/", &stage.image.working_dir), requested),
    };
    stage.directory = path::join("/", &stage.image.working_dir);
}
