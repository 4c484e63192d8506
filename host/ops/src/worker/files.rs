//! File changes, merges and diffs: from a vertex and its inputs to trees that can be worked on.
//! Knows nothing of how they are carried out.

use lapstrake_llb::{DiffOp, Edge, FileOp, MergeOp, Vertex};
use lapstrake_solver::StepContext;
use lapstrake_store::Tree;

use super::output::Output;
use super::step::StepProgress;
use super::{LocalWorker, keys};
use crate::error::{Error, Result};
use crate::file::{self, FileError};
use crate::{diff, merge};

impl LocalWorker {
    pub(super) fn run_file(
        &self,
        vertex: &Vertex,
        op: &FileOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Vec<Output>> {
        let progress = StepProgress::new(context);
        let is_base = |edge: Edge| op.actions.iter().any(|action| action.base.edge() == Some(edge));
        let mut prepared = Vec::with_capacity(inputs.len());
        for (edge, output) in vertex.op.inputs().into_iter().zip(inputs) {
            let output = match output {
                // Only trees of layers can be changed.
                Output::Local(_) if is_base(edge) => Output::Tree(self.tree(output, context)?),
                other => other.clone(),
            };
            let files = self.files(&output, &progress)?;
            let tree = match output {
                Output::Tree(tree) => Some(tree),
                Output::Local(_) => None,
            };
            prepared.push((edge, file::Input { tree, files }));
        }
        let copy = keys::without_inputs(vertex, self.images.platform());
        let trees = file::execute(&self.store, op, &copy, &prepared, &vertex.metadata.name, context);
        Ok(trees.map_err(file_error)?.into_iter().map(Output::Tree).collect())
    }

    pub(super) fn run_merge(
        &self,
        vertex: &Vertex,
        op: &MergeOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Vec<Output>> {
        let edges = vertex.op.inputs();
        let mut trees = Vec::with_capacity(op.inputs.len());
        for edge in &op.inputs {
            trees.push(self.tree_of(Some(*edge), &edges, inputs, context)?);
        }
        Ok(vec![Output::Tree(merge::merge(&trees))])
    }

    pub(super) fn run_diff(
        &self,
        vertex: &Vertex,
        op: &DiffOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Vec<Output>> {
        let edges = vertex.op.inputs();
        let lower = self.tree_of(op.lower, &edges, inputs, context)?;
        let upper = self.tree_of(op.upper, &edges, inputs, context)?;
        if let Some(tree) = diff::above(&lower, &upper) {
            return Ok(vec![Output::Tree(tree)]);
        }
        let progress = StepProgress::new(context);
        let files = |tree: &Tree| self.files(&Output::Tree(tree.clone()), &progress);
        let (lower_files, upper_files) = (files(&lower)?, files(&upper)?);
        let lower = diff::Side {
            tree: &lower,
            files: &*lower_files,
        };
        let upper = diff::Side {
            tree: &upper,
            files: &*upper_files,
        };
        let tree = diff::diff(&self.store, &lower, &upper, &vertex.metadata.name, context);
        Ok(vec![Output::Tree(tree.map_err(file_error)?)])
    }

    /// The tree of an edge; of none: the empty one.
    fn tree_of(
        &self,
        edge: Option<Edge>,
        edges: &[Edge],
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Tree> {
        let position = edge.and_then(|edge| edges.iter().position(|known| *known == edge));
        match position.and_then(|position| inputs.get(position)) {
            Some(output) => self.tree(output, context),
            None => Ok(Tree::default()),
        }
    }
}

fn file_error(error: FileError) -> Error {
    match error {
        FileError::Cancelled => Error::Cancelled,
        other => Error::File(other),
    }
}
