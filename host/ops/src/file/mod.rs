//! File ops: copies, new files and directories, removals. Trees are read and layers written in user space: nothing is
//! mounted and no privilege is needed but that of the files' owners.
//!
//! Actions that follow each other write one layer, unless the tree between them is an output or is used otherwise.
//! Knows nothing of caches.

mod copy;
mod earlier;
mod error;
mod mode;
mod owner;
mod select;
mod simple;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

use std::sync::Arc;

use lapstrake_llb::{Digest, Edge, FileAction, FileActionKind, FileInput, FileOp, Hasher, Timestamp};
use lapstrake_solver::{CancelToken, StepContext, Stream};
use lapstrake_store::edit::{LayerEditor, Lower};
use lapstrake_store::tree::{FileTree, LayeredView};
use lapstrake_store::{LayerMeta, Store, Tree};

use earlier::{Earlier, Written};
pub use error::FileError;

/// A result that actions use.
#[derive(Clone)]
pub(crate) struct Input {
    /// Its layers; none where it is no tree of layers: then it can be copied from, but not changed.
    pub(crate) tree: Option<Tree>,
    /// Its files.
    pub(crate) files: Arc<dyn FileTree>,
}

impl Input {
    fn scratch() -> Self {
        let files = LayeredView::new(Vec::<std::path::PathBuf>::new());
        Self {
            tree: Some(Tree::default()),
            files: Arc::new(files),
        }
    }
}

/// The last layer of the same copies, and the list for the next one.
struct Shared {
    earlier: Option<Earlier>,
    written: Written,
}

/// What all actions of an op work with.
#[derive(Clone, Copy)]
struct Work<'a> {
    store: &'a Store,
    inputs: &'a [(Edge, Input)],
    context: &'a StepContext,
    description: &'a str,
    copy: &'a Digest,
    now: Timestamp,
}

/// Carries a file op out. Returns one tree for each action that is an output.
///
/// `inputs` are the results of the op's edges; `copy` is the same for the same op in another build, whatever its inputs
/// hold.
///
/// # Errors
/// The first action that fails; nothing is left of the others.
pub(crate) fn execute(
    store: &Store,
    op: &FileOp,
    copy: &Digest,
    inputs: &[(Edge, Input)],
    description: &str,
    context: &StepContext,
) -> Result<Vec<Tree>, FileError> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let now = Timestamp {
        seconds: now.as_secs().cast_signed(),
        nanoseconds: now.subsec_nanos(),
    };
    let work = Work {
        store,
        inputs,
        context,
        description,
        copy,
        now,
    };
    let mut done: Vec<Option<Input>> = vec![None; op.actions.len()];
    let mut outputs = Vec::new();
    for run in runs(&op.actions) {
        let last = run.end - 1;
        let copy = of_layer(copy, last);
        let result = Work { copy: &copy, ..work }.layer(&op.actions[run], &done)?;
        if op.actions[last].output {
            outputs.extend(result.tree.clone());
        }
        done[last] = Some(result);
    }
    Ok(outputs)
}

/// The name of one of the layers that an op writes.
fn of_layer(copy: &Digest, last: usize) -> Digest {
    let mut hasher = Hasher::new("lapstrake.copy-layer.1");
    hasher.digest(copy).number(last as u64);
    hasher.finish()
}

/// Cuts the actions into runs that write one layer each.
fn runs(actions: &[FileAction]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if goes_on(actions, index, action) => run.end = index + 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

/// Whether an action changes the tree of the one before it, which nobody else wants.
fn goes_on(actions: &[FileAction], index: usize, action: &FileAction) -> bool {
    let Some(before) = index.checked_sub(1) else {
        return false;
    };
    let wanted = FileInput::Action(before as u32);
    let users = actions
        .iter()
        .flat_map(|other| [Some(other.base), source(other)])
        .flatten();
    action.base == wanted
        && !actions[before].output
        && source(action) != Some(wanted)
        && users.filter(|input| *input == wanted).count() == 1
}

fn source(action: &FileAction) -> Option<FileInput> {
    match &action.kind {
        FileActionKind::Copy(copy) => Some(copy.src),
        _ => None,
    }
}

impl Work<'_> {
    fn input(&self, input: FileInput, done: &[Option<Input>]) -> Result<Input, FileError> {
        match input {
            FileInput::Scratch => Ok(Input::scratch()),
            FileInput::Edge(edge) => {
                let found = self.inputs.iter().find(|(known, _)| *known == edge);
                found
                    .map(|(_, input)| input.clone())
                    .ok_or(FileError::NoInput { index: edge.vertex })
            }
            FileInput::Action(index) => done
                .get(index as usize)
                .cloned()
                .flatten()
                .ok_or(FileError::NoInput { index }),
        }
    }

    /// What copies share with the last layer that they made. Only of directories whose files' digests are known anyway,
    /// and where nothing but copies puts files into the layer.
    fn shared(
        &self,
        actions: &[FileAction],
        done: &[Option<Input>],
        base: &Tree,
    ) -> Result<Option<Shared>, FileError> {
        for action in actions {
            let FileActionKind::Copy(copy) = &action.kind else {
                return Ok(None);
            };
            if copy.unpack_archive || self.input(copy.src, done)?.tree.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(Shared {
            earlier: Earlier::find(self.store, self.copy, &base.layers),
            written: Written::default(),
        }))
    }

    /// Carries out a run of actions and makes a layer of what they wrote.
    fn layer(&self, actions: &[FileAction], done: &[Option<Input>]) -> Result<Input, FileError> {
        let base = self.input(actions[0].base, done)?;
        let tree = base.tree.ok_or(FileError::NoInput { index: 0 })?;
        let draft = self.store.new_layer()?;
        let mut editor = LayerEditor::new(draft.dir(), Lower::Tree(&*base.files))?;
        let mut shared = self.shared(actions, done, &tree)?;
        for action in actions {
            go_on(self.context.cancel_token())?;
            match &action.kind {
                FileActionKind::Copy(copy) => {
                    let source = self.input(copy.src, done)?;
                    copy::copy(&mut editor, &source, copy, self, shared.as_mut())?;
                }
                FileActionKind::Mkfile(mkfile) => simple::mkfile(&mut editor, mkfile, self.now)?,
                FileActionKind::Mkdir(mkdir) => simple::mkdir(&mut editor, mkdir, self.now)?,
                FileActionKind::Rm(rm) => simple::rm(&mut editor, rm)?,
                FileActionKind::Symlink(symlink) => simple::symlink(&mut editor, symlink, self.now)?,
            }
        }
        let lost = editor.finish()?;
        if !lost.is_empty() {
            let example = lost
                .examples
                .first()
                .map(|(path, name)| format!(" ({name:?} of {path:?})"));
            let text = format!(
                "{} extended attributes could not be set{}\n",
                lost.count,
                example.unwrap_or_default()
            );
            self.context.log(Stream::Stderr, text.as_bytes());
        }
        let meta = LayerMeta {
            description: self.description.to_owned(),
            ..LayerMeta::default()
        };
        let listed = shared.is_some_and(|shared| shared.written.keep(&draft));
        let layer = draft.commit(&meta)?;
        if listed {
            earlier::remember(self.store, self.copy, layer);
        }
        let mut layers = tree.layers;
        layers.push(layer);
        let tree = Tree { layers };
        let files = Arc::new(self.store.view(&tree)?);
        Ok(Input {
            tree: Some(tree),
            files,
        })
    }
}

/// An error once nobody wants the result any more.
fn go_on(token: &CancelToken) -> Result<(), FileError> {
    if token.is_cancelled() {
        Err(FileError::Cancelled)
    } else {
        Ok(())
    }
}
