//! Heredocs: recognising `<<WORD` in an instruction's line.
//! Knows nothing of what an instruction does with one.

use crate::expand::{Expander, NoVariables};
use crate::span::Span;

/// What `<<WORD` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The terminator, quotes removed.
    pub name: String,
    /// Whether variables in the body are expanded: the word has no quotes.
    pub expand: bool,
    /// Whether tabs at the start of lines are removed: `<<-`.
    pub chomp: bool,
}

/// A heredoc with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// How it was written.
    pub marker: Marker,
    /// The lines, each with its line break, as they stand in the file.
    pub body: String,
    /// From the first line of the body to the terminator.
    pub span: Span,
}

impl Heredoc {
    /// Returns the body, without leading tabs where the marker says so.
    pub fn content(&self) -> String {
        match self.marker.chomp {
            true => self
                .body
                .split_inclusive('\n')
                .map(|line| line.trim_start_matches('\t'))
                .collect(),
            false => self.body.clone(),
        }
    }
}

/// Reads a word that is a heredoc marker: digits, `<<`, maybe `-`, and a word.
pub fn marker(word: &str) -> Option<Marker> {
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let plain = Expander {
        keep_unset: true,
        ..Expander::new('\\')
    };
    let words = plain.words(rest, &NoVariables).ok()?;
    let [name] = words.as_slice() else { return None };
    let raw = Expander {
        keep_quotes: true,
        ..plain
    }
    .words(rest, &NoVariables)
    .ok()?;
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let expand = raw.len() == 1 && quotes(&raw[0]) == quotes(name);
    Some(Marker {
        name: name.clone(),
        expand,
        chomp,
    })
}

/// Finds the markers of a line, in order.
pub fn markers(line: &str) -> Vec<Marker> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let splitter = Expander {
        keep_unset: true,
        keep_quotes: true,
        keep_escapes: true,
        ..Expander::new('\\')
    };
    splitter
        .words(line, &NoVariables)
        .unwrap_or_default()
        .iter()
        .filter_map(|word| marker(word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_markers() {
        let plain = |name: &str| Marker {
            name: name.to_owned(),
            expand: true,
            chomp: false,
        };
        assert_eq!(markers("RUN <<EOF"), [plain("EOF")]);
        assert_eq!(markers("RUN cat <<A 3<<B > x"), [plain("A"), plain("B")]);
        assert_eq!(
            markers("RUN <<-EOF"),
            [Marker {
                chomp: true,
                ..plain("EOF")
            }]
        );
        assert_eq!(
            markers("RUN <<'EOF'"),
            [Marker {
                expand: false,
                ..plain("EOF")
            }]
        );
        assert_eq!(
            markers("RUN <<\"E\"OF"),
            [Marker {
                expand: false,
                ..plain("EOF")
            }]
        );
    }

    #[test]
    fn leaves_other_text_alone() {
        assert!(markers("RUN cat <<<word").is_empty());
        assert!(markers("RUN echo a<<b").is_empty());
        assert!(markers("RUN echo '<<EOF'").is_empty());
        assert!(markers("RUN echo $((1 << 2))").is_empty());
        assert!(marker("<<").is_none());
    }

    #[test]
    fn content_without_tabs() {
        let heredoc = Heredoc {
            marker: Marker {
                name: "E".into(),
                expand: true,
                chomp: true,
            },
            body: "\t\ta\n\tb \n".into(),
            span: Span::default(),
        };
        assert_eq!(heredoc.content(), "a\nb \n");
    }
}
