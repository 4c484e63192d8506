//! Source positions over rewritten texts: what a frontend says of the text it read becomes what stands in the files that
//! the text was made of, and a position in one of those finds its place in the text. Knows nothing of frontends.

use lapstrake_llb::{Definition, Position, Report, SourceFile, SourceRange};

use crate::request::{LineOrigin, Outline, Rewritten};

/// One rewriting of the main source.
#[derive(Debug)]
pub(crate) struct Rewriting {
    /// Who did it, for people.
    pub(crate) by: String,
    /// The main source before it.
    pub(crate) before: SourceFile,
    /// The main source after it.
    pub(crate) after: SourceFile,
    /// Where its lines come from.
    pub(crate) made: Rewritten,
}

/// Rewritings in the order in which they were done.
#[derive(Debug, Default)]
pub(crate) struct Rewritings(pub(crate) Vec<Rewriting>);

impl Rewritings {
    /// Moves all ranges of a graph.
    pub(crate) fn definition(&self, definition: &mut Definition) {
        for rewriting in self.0.iter().rev() {
            let mut back = Back::new(rewriting, &mut definition.sources);
            for vertex in &mut definition.vertices {
                back.all(&mut vertex.metadata.ranges);
            }
        }
    }

    /// Moves all ranges of a report.
    pub(crate) fn report(&self, report: &mut Report) {
        for rewriting in self.0.iter().rev() {
            let mut back = Back::new(rewriting, &mut report.sources);
            for item in &mut report.items {
                back.all(&mut item.ranges);
                for related in &mut item.related {
                    related.range = back.first(related.range);
                }
            }
        }
    }

    /// Moves all ranges of an outline.
    pub(crate) fn outline(&self, outline: &mut Outline) {
        for rewriting in self.0.iter().rev() {
            let mut back = Back::new(rewriting, &mut outline.sources);
            let args = outline.args.iter_mut().map(|arg| &mut arg.range);
            for range in args.chain([&mut outline.target.range]) {
                *range = range.map(|range| back.first(range));
            }
        }
    }

    /// Moves a range in the text that was read last, which is file 0 of `sources`; none: it ends up in no file of them.
    pub(crate) fn range(&self, range: SourceRange, sources: &[SourceFile]) -> Option<SourceRange> {
        let Some(last) = self.0.last() else {
            return Some(range);
        };
        let mut table = vec![last.after.clone()];
        let mut moved = SourceRange { file: 0, ..range };
        for rewriting in self.0.iter().rev() {
            moved = Back::new(rewriting, &mut table).first(moved);
        }
        let file = table.get(moved.file as usize)?;
        let file = sources.iter().position(|source| source == file)? as u32;
        Some(SourceRange { file, ..moved })
    }
}

impl Rewriting {
    /// The place in the new text of a position in one of the files; none: it is in no line that was taken as it is.
    pub(crate) fn forward(&self, file: &SourceFile, at: Position) -> Option<Position> {
        self.made.origins.iter().find_map(|part| {
            let origin = self.made.files.get(part.origin.file as usize)?;
            let line = at.line.checked_sub(part.origin.start.line)?;
            let inside = part.verbatim && origin == file && line < part.count;
            inside.then_some(Position {
                line: part.line + line,
                column: at.column,
            })
        })
    }
}

/// Moves ranges over one rewriting; the table of files changes with them.
struct Back<'a> {
    rewriting: &'a Rewriting,
    sources: &'a mut Vec<SourceFile>,
    /// Which file is the rewritten text; none: nothing refers to it.
    text: Option<u32>,
}

impl<'a> Back<'a> {
    /// The rewritten text's place in the table goes to the text before.
    fn new(rewriting: &'a Rewriting, sources: &'a mut Vec<SourceFile>) -> Self {
        let text = sources.iter().position(|source| *source == rewriting.after);
        if let Some(source) = text.and_then(|text| sources.get_mut(text)) {
            *source = rewriting.before.clone();
        }
        Self {
            rewriting,
            sources,
            text: text.map(|text| text as u32),
        }
    }

    fn all(&mut self, ranges: &mut Vec<SourceRange>) {
        let mut moved: Vec<SourceRange> = Vec::with_capacity(ranges.len());
        for range in ranges.drain(..) {
            for part in self.parts(range) {
                if !moved.contains(&part) {
                    moved.push(part);
                }
            }
        }
        *ranges = moved;
    }

    fn first(&mut self, range: SourceRange) -> SourceRange {
        self.parts(range).first().copied().unwrap_or(range)
    }

    /// The parts of a range, one for each origin that it touches and one for each gap between them.
    fn parts(&mut self, range: SourceRange) -> Vec<SourceRange> {
        if Some(range.file) != self.text {
            return vec![range];
        }
        // The end is exclusive: at a line's start it belongs to the line before.
        let whole = range.stop.column <= 1 && range.stop.line > range.start.line;
        let last = if whole {
            range.stop.line - 1
        } else {
            range.stop.line
        };
        let mut parts = Vec::new();
        let mut next = range.start.line;
        let rewriting = self.rewriting;
        for part in &rewriting.made.origins {
            let end = part.line + (part.count - 1);
            if end < next || part.line > last {
                continue;
            }
            if part.line > next {
                parts.push(self.gap(range, next, part.line - 1));
            }
            parts.push(self.origin(range, part, part.line.max(next), end.min(last)));
            next = end + 1;
        }
        if next <= last {
            parts.push(self.gap(range, next, last));
        }
        parts
    }

    /// Lines `from` to `to` of a range, both inside of an origin.
    fn origin(&mut self, range: SourceRange, part: &LineOrigin, from: u32, to: u32) -> SourceRange {
        let file = self.file(part.origin.file);
        if !part.verbatim {
            return SourceRange { file, ..part.origin };
        }
        let (start, stop) = cut(range, from, to);
        let moved = |at: Position| Position {
            line: part.origin.start.line + (at.line - part.line),
            ..at
        };
        SourceRange {
            file,
            start: moved(start),
            stop: moved(stop),
        }
    }

    /// Lines that come from nowhere: they are shown as the rewriter made them.
    fn gap(&mut self, range: SourceRange, from: u32, to: u32) -> SourceRange {
        let after = &self.rewriting.after;
        let text = SourceFile {
            name: format!("{} (as {} makes it)", after.name, self.rewriting.by),
            ..after.clone()
        };
        let (start, stop) = cut(range, from, to);
        let file = self.add(&text);
        SourceRange { file, start, stop }
    }

    fn file(&mut self, index: u32) -> u32 {
        match self.rewriting.made.files.get(index as usize) {
            Some(file) => self.add(file),
            // The origins were checked; the main source is never wrong.
            None => 0,
        }
    }

    fn add(&mut self, file: &SourceFile) -> u32 {
        let known = self.sources.iter().position(|source| source == file);
        known.unwrap_or_else(|| {
            self.sources.push(file.clone());
            self.sources.len() - 1
        }) as u32
    }
}

/// The part of a range that is in lines `from` to `to`.
fn cut(range: SourceRange, from: u32, to: u32) -> (Position, Position) {
    let start = if from == range.start.line {
        range.start
    } else {
        Position {
            line: from,
            column: 1,
        }
    };
    let stop = if to == range.stop.line {
        range.stop
    } else {
        let line = to + 1;
        Position { line, column: 1 }
    };
    (start, stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile {
            name: name.to_owned(),
            language: String::new(),
            text: text.to_owned(),
        }
    }

    fn range(file: u32, from: (u32, u32), to: (u32, u32)) -> SourceRange {
        let at = |(line, column)| Position { line, column };
        SourceRange {
            file,
            start: at(from),
            stop: at(to),
        }
    }

    fn part(line: u32, count: u32, origin: SourceRange, verbatim: bool) -> LineOrigin {
        LineOrigin {
            line,
            count,
            origin,
            verbatim,
        }
    }

    /// `main` has an include in line 2, which became lines 2 and 3 of the text; line 5 was invented.
    fn rewritings() -> Rewritings {
        let main = file("main", "a\nINCLUDE part\nb\n");
        let made = Rewritten {
            text: "a\nx\ny\nb\nz\n".to_owned(),
            origins: vec![
                part(1, 1, range(0, (1, 1), (1, 2)), true),
                part(2, 2, range(1, (4, 1), (5, 2)), true),
                part(4, 1, range(0, (3, 1), (3, 2)), true),
            ],
            files: vec![main.clone(), file("part", "1\n2\n3\nx\ny\n")],
            warnings: Report::default(),
        };
        made.check().unwrap();
        Rewritings(vec![Rewriting {
            by: "include".to_owned(),
            after: SourceFile {
                text: made.text.clone(),
                ..main.clone()
            },
            before: main,
            made,
        }])
    }

    #[track_caller]
    fn moved(of: SourceRange) -> Vec<(String, SourceRange)> {
        let rewritings = rewritings();
        let mut definition = Definition {
            sources: vec![file("other", ""), rewritings.0[0].after.clone()],
            ..Definition::default()
        };
        let op = lapstrake_llb::Op::Merge(lapstrake_llb::MergeOp { inputs: Vec::new() });
        definition.vertices.push(lapstrake_llb::Vertex {
            op,
            platform: None,
            constraints: Vec::new(),
            metadata: lapstrake_llb::Metadata {
                ranges: vec![of],
                ..Default::default()
            },
        });
        rewritings.definition(&mut definition);
        let ranges = definition.vertices[0].metadata.ranges.iter();
        ranges
            .map(|range| (definition.sources[range.file as usize].name.clone(), *range))
            .collect()
    }

    #[test]
    fn a_line_is_where_it_comes_from() {
        let found = moved(range(1, (3, 1), (3, 2)));
        assert_eq!(found, [("part".to_owned(), range(2, (5, 1), (5, 2)))]);
        let found = moved(range(1, (4, 1), (4, 2)));
        assert_eq!(found, [("main".to_owned(), range(1, (3, 1), (3, 2)))]);
        let found = moved(range(0, (3, 1), (3, 2)));
        assert_eq!(found, [("other".to_owned(), range(0, (3, 1), (3, 2)))]);
    }

    #[test]
    fn a_range_over_several_origins_is_in_parts() {
        let found = moved(range(1, (1, 1), (6, 1)));
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["main", "part", "main", "main (as include makes it)"]);
        assert_eq!(found[1].1, range(2, (4, 1), (6, 1)));
        assert_eq!(found[3].1, range(3, (5, 1), (6, 1)));
    }

    #[test]
    fn a_position_finds_its_way_in_and_back() {
        let rewritings = rewritings();
        let rewriting = &rewritings.0[0];
        let at = Position { line: 3, column: 2 };
        let forward = rewriting.forward(&rewriting.before, at);
        assert_eq!(forward, Some(Position { line: 4, column: 2 }));
        let back = rewritings.range(range(0, (4, 2), (4, 2)), std::slice::from_ref(&rewriting.before));
        assert_eq!(back, Some(range(0, (3, 2), (3, 2))));
        assert_eq!(
            rewriting.forward(&rewriting.before, Position { line: 2, column: 1 }),
            None
        );
        assert_eq!(
            rewritings.range(range(0, (3, 1), (3, 1)), std::slice::from_ref(&rewriting.before)),
            None
        );
    }

    #[test]
    fn origins_that_overlap_or_lie_outside_are_refused() {
        let good = rewritings();
        let check = |change: &dyn Fn(&mut Vec<LineOrigin>)| {
            let mut made = good.0[0].made.clone();
            change(&mut made.origins);
            made.check()
        };
        assert!(check(&|_| ()).is_ok());
        assert!(check(&|origins| origins[1].line = 1).is_err());
        assert!(check(&|origins| origins[1].count = 9).is_err());
        assert!(check(&|origins| origins[1].origin.file = 9).is_err());
        assert!(check(&|origins| origins[2].origin.stop.line = 9).is_err());
        assert!(check(&|origins| origins[0].count = 0).is_err());
    }
}
