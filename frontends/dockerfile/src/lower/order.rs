//! In which order the nodes of a plan come: what the target needs, cycles, and stages that are used too early.
//! Knows nothing of what the nodes are.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::plan::{Origin, Plan};
use crate::span::Span;

impl Plan {
    /// Returns which nodes the target needs; all of them where `all` says so.
    pub fn reachable(&self, all: bool) -> Vec<bool> {
        let mut seen = vec![all; self.nodes.len()];
        let mut open = if all { Vec::new() } else { vec![self.target] };
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut seen[index], true) {
                open.extend(self.dependencies(index).map(|(node, _)| node));
            }
        }
        seen
    }

    /// Returns the nodes that a node needs, and where it says so.
    fn dependencies(&self, index: usize) -> impl Iterator<Item = (usize, Span)> {
        let node = &self.nodes[index];
        let base = match node.origin {
            Origin::Node(base) => Some((base, node.base.span)),
            _ => None,
        };
        let taken = node
            .steps
            .iter()
            .flat_map(|step| step.from.iter().flatten().map(|n| (*n, step.command.span)));
        base.into_iter().chain(taken)
    }

    /// Reports a cycle between stages, and stages that are used before they are there.
    pub fn check_order(&self, diagnostics: &mut Diagnostics) {
        if let Some(cycle) = self.cycle() {
            let name = |index: usize| match &self.nodes[index] {
                node if !node.name.is_empty() => node.name.clone(),
                node if node.label.is_empty() => "stage-0".to_owned(),
                node => node.label.clone(),
            };
            let mut names: Vec<String> = cycle.iter().map(|(index, _)| name(*index)).collect();
            names.push(names[0].clone());
            let mut diagnostic = Diagnostic::error(
                "StageCycle",
                cycle[0].1,
                format!("the stages need each other: {}", names.join(" -> ")),
            )
            .help("move what both need into a stage of its own");
            for ((index, span), next) in cycle.iter().zip(&names[1..]).skip(1) {
                diagnostic = diagnostic.related(*span, format!("{} needs {next}", name(*index)));
            }
            diagnostics.push(diagnostic);
            return;
        }
        for (index, node) in self.nodes.iter().enumerate().take(self.stage_count) {
            for (needed, span) in self
                .dependencies(index)
                .filter(|(n, _)| (index..self.stage_count).contains(n))
            {
                let later = &self.nodes[needed];
                diagnostics.push(
                    Diagnostic::error(
                        "StageOrder",
                        span,
                        format!("the stage `{}` is used before it begins", later.label),
                    )
                    .help(format!("move it before the stage `{}`", node.label))
                    .related(later.span, "it begins here"),
                );
            }
        }
    }

    /// Returns a cycle, each node with the place where it names the next one.
    fn cycle(&self) -> Option<Vec<(usize, Span)>> {
        let mut marks = vec![Mark::New; self.nodes.len()];
        for start in 0..self.nodes.len() {
            if marks[start] != Mark::New {
                continue;
            }
            let mut path = vec![self.visit(start, &mut marks)];
            while let Some(visit) = path.last_mut() {
                let Some((next, span)) = visit.needed.next() else {
                    marks[visit.node] = Mark::Done;
                    path.pop();
                    continue;
                };
                visit.span = span;
                match marks[next] {
                    Mark::Done => {}
                    Mark::New => path.push(self.visit(next, &mut marks)),
                    Mark::Open => {
                        let from = path.iter().position(|visit| visit.node == next)?;
                        return Some(
                            path[from..]
                                .iter()
                                .map(|visit| (visit.node, visit.span))
                                .collect(),
                        );
                    }
                }
            }
        }
        None
    }

    fn visit(&self, node: usize, marks: &mut [Mark]) -> Visit {
        marks[node] = Mark::Open;
        let needed: Vec<(usize, Span)> = self.dependencies(node).collect();
        Visit {
            node,
            needed: needed.into_iter(),
            span: self.nodes[node].span,
        }
    }
}

/// How far the search for cycles is with a node.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

/// A node on the path that the search for cycles takes.
struct Visit {
    node: usize,
    /// What it needs and has not been looked at.
    needed: std::vec::IntoIter<(usize, Span)>,
    /// Where it names the node that comes next on the path.
    span: Span,
}
