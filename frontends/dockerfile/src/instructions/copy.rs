//! `COPY`, and what `ADD` has in common with it: files from the context, a stage or an image into the stage's tree.
//! Knows nothing of files by HTTP or git, which only `ADD` takes.

use lapstrake_sdk::path;
use lapstrake_sdk::types::{CopyAction, FileAction, FileActionKind, FileInput, Op, ProgressGroup};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::copy_plan::{Plan, inline};
use crate::instructions::volume::words_or_array;
use crate::instructions::{Command, add};
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::span::Span;
use crate::syntax::flags::{Flags, Kind};
use crate::syntax::heredoc::{self, Heredoc};
use crate::syntax::json;
use crate::syntax::words::Word;

/// `COPY` or `ADD`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copy {
    /// Whether it is `ADD`.
    pub add: bool,
    /// `--from`; none: the main context.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--unpack`.
    pub unpack: Option<bool>,
    /// Paths and addresses.
    pub sources: Vec<Word>,
    /// Files whose text stands in the Dockerfile.
    pub contents: Vec<Heredoc>,
    /// Where to.
    pub destination: Word,
}

const FLAGS: [(&str, Kind); 6] = [
    ("from", Kind::Text),
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("parents", Kind::Bool),
    ("exclude", Kind::List),
];

impl Copy {
    /// Reads the arguments of `COPY`.
    pub fn parse(arguments: &mut Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let flags = Flags::check("COPY", &arguments.flags, &FLAGS, &[], diagnostics);
        if let Some(from) = flags.text("from")
            && from.text.contains('$')
        {
            diagnostics.push(
                Diagnostic::error("NoExpansion", from.span, "variables are not expanded in --from")
                    .help("begin a stage with FROM and the variable, and name that stage"),
            );
        }
        Self::with_flags(arguments, &flags, diagnostics)
    }

    /// Reads sources and destination; the flags are read.
    pub fn with_flags(
        arguments: &mut Arguments<'_>,
        flags: &Flags,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let name = arguments.name;
        let is_array = json::strings(arguments.text()).is_ok();
        let mut words = words_or_array(arguments, diagnostics)?;
        let destination = match words.pop() {
            Some(destination) if !words.is_empty() => destination,
            only => {
                let what = if only.is_some() {
                    "a source and a destination"
                } else {
                    "sources and a destination"
                };
                let span = only.map_or(arguments.keyword.span, |word| word.span);
                diagnostics.push(
                    Diagnostic::error("MissingArgument", span, format!("{name} needs {what}"))
                        .help(format!("write {name} source destination")),
                );
                return None;
            }
        };
        let mut copy = Self {
            from: flags.text("from"),
            chown: flags.text("chown"),
            chmod: flags.text("chmod"),
            link: flags.bool("link").unwrap_or(false),
            parents: flags.bool("parents").unwrap_or(false),
            exclude: flags.list("exclude"),
            destination,
            ..Self::default()
        };
        if is_array {
            copy.sources = words;
            return Some(copy);
        }
        if heredoc::marker(&copy.destination.text).is_some() {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidHeredoc",
                    copy.destination.span,
                    "a heredoc cannot be the destination",
                )
                .help(format!("write {name} <<FILE destination")),
            );
            return None;
        }
        let mut heredocs = std::mem::take(&mut arguments.heredocs).into_iter();
        for word in words {
            match heredoc::marker(&word.text) {
                Some(_) => copy.contents.extend(heredocs.next()),
                None => copy.sources.push(word),
            }
        }
        Some(copy)
    }

    /// Adds the copy to the graph.
    pub fn lower(&self, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
        let errors = cx.diagnostics.error_count();
        let plan = Plan::new(self, command, stage, cx);
        let mut actions = Vec::new();
        let mut created_by = plan.history_prefix(self);
        for (word, text) in self.sources.iter().zip(&plan.sources) {
            created_by.push(' ');
            created_by.push_str(text);
            let Some(action) = add::remote(self, word, text, &plan, cx) else {
                let Some(action) = self.local(word, text, &plan, cx) else {
                    continue;
                };
                actions.push(action);
                continue;
            };
            actions.extend(action);
        }
        for heredoc in &self.contents {
            created_by.push_str(" <<");
            created_by.push_str(&heredoc.marker.name);
            actions.push(inline(heredoc, &plan, stage, cx));
        }
        created_by.push(' ');
        created_by.push_str(&plan.destination_text);
        if cx.diagnostics.error_count() > errors || actions.is_empty() {
            return;
        }
        self.add_vertices(actions, &plan, command.span, stage, cx);
        cx.record(stage, format!("{created_by} # buildkit"), true);
    }

    /// Describes the copy of a path in the context, a stage or an image.
    fn local(&self, word: &Word, text: &str, plan: &Plan, cx: &mut Cx<'_>) -> Option<CopyAction> {
        let from_context = self.from.is_none();
        if from_context && leaves_root(text) {
            cx.error(
                "OutsideContext",
                word.span,
                format!("`{text}` is outside of the build context"),
                "copy it into the context, or give its directory with --build-context NAME=DIR and use --from=NAME",
            );
            return None;
        }
        if !lapstrake_sdk::ignore::is_pattern(text) {
            cx.error(
                "InvalidPattern",
                word.span,
                format!("`{text}` is no pattern: a `[` or a `\\` is not complete"),
                "write `\\[` for a name that has the character itself",
            );
            return None;
        }
        let mut source = path::join("/", text);
        let mut include_patterns = Vec::new();
        let mut required_paths = Vec::new();
        if self.parents {
            // What is before the pivot `/./` is left out of the destination.
            let (base, below) = text.split_once("/./").unwrap_or(("/", text));
            source = path::join("/", base);
            let below = path::join("/", below);
            if !has_wildcard(base) && !has_wildcard(&below) {
                required_paths.push(path::join("/", &format!("{source}/{below}")));
            }
            include_patterns.push(below[1..].to_owned());
        }
        let tree = match from_context {
            true => {
                cx.check_ignored(self.add, text, word.span);
                cx.main_context(&path::join("/", text))
            }
            false => {
                cx.taken.push((0, path::join("/", text)));
                cx.from.first().cloned().flatten().and_then(|tree| tree.edge)
            }
        };
        Some(CopyAction {
            src: tree.into(),
            src_path: source,
            follow_symlink: true,
            dir_contents_only: true,
            unpack_archive: self.unpack.unwrap_or(self.add),
            allow_wildcard: true,
            allow_empty_wildcard: true,
            include_patterns,
            required_paths,
            ..plan.action()
        })
    }

    /// Adds the vertex of the copies; for `--link` one on scratch, and one that stacks it on the stage.
    fn add_vertices(
        &self,
        copies: Vec<CopyAction>,
        plan: &Plan,
        span: Span,
        stage: &mut Stage,
        cx: &mut Cx<'_>,
    ) {
        let linked = self.link && self.chmod.is_none();
        let base = if linked { None } else { stage.edge };
        let last = copies.len() - 1;
        let actions = copies.into_iter().enumerate().map(|(index, copy)| FileAction {
            base: if index == 0 {
                base.into()
            } else {
                FileInput::Action(index as u32 - 1)
            },
            kind: FileActionKind::Copy(copy),
            output: index == last,
        });
        let mut vertex = cx.vertex(Op::File(actions.collect()), None, plan.name.clone(), span);
        vertex.ignore_cache = stage.ignore_cache;
        if !linked {
            stage.edge = Some(cx.vertices.add(vertex));
            return;
        }
        let group = |weak| ProgressGroup {
            id: format!(
                "link {} {} {}",
                stage.platform, stage.naming.stage, stage.naming.index
            ),
            name: plan.name.clone(),
            weak,
        };
        vertex.progress_group = Some(group(true));
        let copied = cx.vertices.add(vertex);
        let Some(below) = stage.edge else {
            stage.edge = Some(copied);
            return;
        };
        let name = stage
            .naming
            .again(&format!("LINK {}", plan.title), &stage.platform, Some(&stage.env));
        let mut merge = cx.vertex(Op::Merge(vec![below, copied]), None, name, span);
        merge.progress_group = Some(group(false));
        merge.ignore_cache = stage.ignore_cache;
        stage.edge = Some(cx.vertices.add(merge));
    }
}

/// Whether a path, taken from a root, leads out of it.
fn leaves_root(path: &str) -> bool {
    let mut depth = 0_i64;
    path.split('/').any(|part| {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        depth < 0
    })
}

/// Whether a path has `*`, `?` or `[` that is not escaped.
fn has_wildcard(path: &str) -> bool {
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots() {
        assert!(leaves_root("../x") && leaves_root("a/../../x") && leaves_root("/.."));
        assert!(!leaves_root("a/../x") && !leaves_root("/a/b") && !leaves_root("..x"));
    }

    #[test]
    fn wildcards() {
        assert!(has_wildcard("a*") && has_wildcard("[a]") && !has_wildcard("a\\*") && !has_wildcard("abc"));
    }
}
