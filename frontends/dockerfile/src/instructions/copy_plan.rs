//! What all sources of one `COPY` or `ADD` have in common: destination, owner, mode, and the name of the vertices.
//! Knows nothing of where a source is.

use lapstrake_sdk::path;
use lapstrake_sdk::types::{Chown, CopyAction, FileMode, UserRef};

use crate::diagnostic::Diagnostic;
use crate::expand::Expander;
use crate::instructions::copy::Copy;
use crate::instructions::{Command, run};
use crate::lower::chmod;
use crate::lower::stage::{self, Cx, Stage};
use crate::span::Span;
use crate::syntax::heredoc::Heredoc;
use crate::syntax::words::Word;

/// What all sources of one instruction have in common.
pub struct Plan {
    /// The sources, expanded.
    pub sources: Vec<String>,
    /// The name of the vertices.
    pub name: String,
    /// The destination as it is in the history.
    pub destination_text: String,
    /// The name without the step's number.
    pub title: String,
    chown: Option<String>,
    chmod: Option<String>,
    action: CopyAction,
}

impl Plan {
    /// Expands what the instruction says; names the next step of the stage.
    pub fn new(copy: &Copy, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) -> Self {
        let sources: Vec<String> = copy.sources.iter().map(|word| cx.expand(stage, word)).collect();
        let destination_text = cx.expand(stage, &copy.destination);
        let destination = path::join_keeping_slash(&stage.directory, &destination_text);
        if sources.len() + copy.contents.len() > 1 && !destination.ends_with('/') {
            let diagnostic = Diagnostic::info(
                "DestinationNotDirectory",
                copy.destination.span,
                format!("`{destination_text}` takes several sources, but does not end with `/`"),
            );
            cx.diagnostics
                .push(diagnostic.help("end it with `/`: else it is a directory only where one is already"));
        }
        let chown = cx.expand_option(stage, copy.chown.as_ref());
        let chmod = cx.expand_option(stage, copy.chmod.as_ref());
        let mode = match (&copy.chmod, &chmod) {
            (Some(word), Some(text)) => mode(text, word.span, cx),
            _ => None,
        };
        let exclude_patterns = copy.exclude.iter().map(|word| cx.expand(stage, word)).collect();
        let title = stage::title(&cx.expander, command, &stage.env);
        let name = stage.naming.next(&title, &stage.platform, Some(&stage.env));
        let action = CopyAction {
            dst_path: destination,
            owner: chown.as_deref().filter(|text| !text.is_empty()).map(owner),
            mode,
            create_dst_path: true,
            exclude_patterns,
            timestamp: cx.epoch,
            ..CopyAction::default()
        };
        Self {
            sources,
            destination_text,
            name,
            title,
            chown,
            chmod,
            action,
        }
    }

    /// Returns an action with what is the same for all sources.
    pub fn action(&self) -> CopyAction {
        self.action.clone()
    }

    /// Returns how the line of the history begins.
    pub fn history_prefix(&self, copy: &Copy) -> String {
        let mut text = if copy.add { "ADD" } else { "COPY" }.to_owned();
        if copy.parents {
            text.push_str(" --parents");
        }
        for (flag, value) in [("chown", &self.chown), ("chmod", &self.chmod)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                text.push_str(&format!(" --{flag}={value}"));
            }
        }
        text
    }
}

/// Describes the copy of a file whose text stands in the Dockerfile.
pub fn inline(heredoc: &Heredoc, plan: &Plan, stage: &Stage, cx: &mut Cx<'_>) -> CopyAction {
    let mut content = heredoc.content();
    if heredoc.marker.expand {
        let reader = Expander {
            plain_quotes: true,
            ..Expander::new('\\')
        };
        let word = Word {
            text: content,
            span: heredoc.span,
        };
        content = cx.expand_with(reader, stage, &word, heredoc.span);
    }
    let edge = cx
        .vertices
        .add(run::inline_document(&heredoc.marker.name, 0o644, content));
    CopyAction {
        src: edge.into(),
        src_path: path::join("/", &heredoc.marker.name),
        ..plan.action()
    }
}

/// Reads `user[:group]`, names or numbers.
pub fn owner(text: &str) -> Chown {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let reference = |text: &str| match text.parse::<i32>() {
        Ok(id) => UserRef::Id(id as u32),
        Err(_) if text.is_empty() || text == "root" => UserRef::Id(0),
        Err(_) => UserRef::Name(text.to_owned()),
    };
    Chown {
        user: Some(reference(user)),
        group: group.map(reference),
    }
}

fn mode(text: &str, span: Span, cx: &mut Cx<'_>) -> Option<FileMode> {
    if text.is_empty() {
        return None;
    }
    match chmod::parse(text) {
        Ok(mode) => Some(mode),
        Err(problem) => {
            cx.error(
                "InvalidChmod",
                span,
                format!("`{text}` is no mode: {problem}"),
                "write octal digits from 0 to 07777, or a symbolic mode such as u=rwX,go=rX",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let id = |n| Some(UserRef::Id(n));
        let name = |n: &str| Some(UserRef::Name(n.into()));
        assert_eq!(
            owner("1000:1001"),
            Chown {
                user: id(1000),
                group: id(1001)
            }
        );
        assert_eq!(
            owner("app"),
            Chown {
                user: name("app"),
                group: None
            }
        );
        assert_eq!(
            owner("root:wheel"),
            Chown {
                user: id(0),
                group: name("wheel")
            }
        );
        assert_eq!(
            owner(":7"),
            Chown {
                user: id(0),
                group: id(7)
            }
        );
    }
}
