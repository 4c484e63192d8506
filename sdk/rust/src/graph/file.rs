//! Changes of files, while they are being described. Knows nothing of the vertex table.

use super::State;
use crate::path;
use crate::types::*;

/// Changes of files, one after another, that are about to be added to the graph as one vertex.
///
/// Relative paths are below the state's working directory.
#[derive(Clone, Debug)]
#[must_use = "changes are added to the graph by `done`"]
pub struct FileChanges {
    state: State,
    actions: Vec<FileAction>,
}

impl FileChanges {
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            actions: Vec::new(),
        }
    }

    /// Copies from another tree, parents of the destination included.
    ///
    /// # Panics
    /// If the tree belongs to another graph.
    pub fn copy(self, tree: &State, from: &str, to: &str) -> Self {
        let copy = CopyAction {
            src_path: path::join("/", from),
            dst_path: to.to_owned(),
            create_dst_path: true,
            ..CopyAction::default()
        };
        self.copy_with(tree, copy)
    }

    /// Copies from another tree as `copy` says; its `src` is set here, its destination made absolute.
    ///
    /// # Panics
    /// If the tree belongs to another graph.
    pub fn copy_with(self, tree: &State, copy: CopyAction) -> Self {
        self.state.graph().check(tree);
        let dst_path = path::join_keeping_slash(self.state.directory(), &copy.dst_path);
        self.action(FileActionKind::Copy(CopyAction {
            src: tree.edge().into(),
            dst_path,
            ..copy
        }))
    }

    /// Writes a file of mode 0644.
    pub fn write(self, path: &str, data: impl Into<Vec<u8>>) -> Self {
        self.mkfile(path, 0o644, data)
    }

    /// Writes a file.
    pub fn mkfile(self, path: &str, mode: u32, data: impl Into<Vec<u8>>) -> Self {
        let path = path::join(self.state.directory(), path);
        self.action(FileActionKind::Mkfile(MkfileAction {
            path,
            mode,
            data: data.into(),
            ..MkfileAction::default()
        }))
    }

    /// Makes a directory of mode 0755 and its missing parents.
    pub fn mkdir(self, path: &str) -> Self {
        let path = path::join(self.state.directory(), path);
        let mkdir = MkdirAction {
            path,
            mode: 0o755,
            make_parents: true,
            ..MkdirAction::default()
        };
        self.action(FileActionKind::Mkdir(mkdir))
    }

    /// Removes a file or directory, which must be there.
    pub fn rm(self, path: &str) -> Self {
        let path = path::join(self.state.directory(), path);
        self.action(FileActionKind::Rm(RmAction {
            path,
            ..RmAction::default()
        }))
    }

    /// Makes a symbolic link at `path` that says `target`.
    pub fn symlink(self, target: impl Into<String>, path: &str) -> Self {
        let path = path::join(self.state.directory(), path);
        self.action(FileActionKind::Symlink(SymlinkAction {
            target: target.into(),
            path,
            ..SymlinkAction::default()
        }))
    }

    /// Adds any change, as it is.
    pub fn action(mut self, kind: FileActionKind) -> Self {
        let base = match self.actions.len() {
            0 => self.state.edge().into(),
            count => FileInput::Action(count as u32 - 1),
        };
        self.actions.push(FileAction {
            base,
            kind,
            output: false,
        });
        self
    }

    /// Adds the changes; the tree after the last one, with the state's surroundings.
    pub fn done(mut self) -> State {
        let Some(last) = self.actions.last_mut() else {
            return self.state;
        };
        last.output = true;
        let vertex = self.state.graph().vertex(Op::File(self.actions), None);
        self.state.with_edge(Some(Edge { vertex, output: 0 }))
    }
}
