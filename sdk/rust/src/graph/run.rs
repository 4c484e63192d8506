//! A command in a container, while it is being described. Knows nothing of the vertex table.

use super::State;
use crate::types::*;

/// A command that is about to be added to the graph. [`Run::root`] or [`Run::done`] adds it.
#[derive(Clone, Debug)]
#[must_use = "a command is added to the graph by `root` or `done`"]
pub struct Run {
    state: State,
    op: ExecOp,
}

/// A command in the graph, and the trees it leaves.
#[derive(Clone, Debug)]
pub struct Ran {
    state: State,
    trees: Vec<(String, Option<Edge>)>,
}

impl Run {
    pub(super) fn new(state: State, args: Vec<String>) -> Self {
        let root = BindMount {
            input: state.edge(),
            output: true,
            ..BindMount::default()
        };
        let op = ExecOp {
            args,
            env: state.environment().to_vec(),
            cwd: state.directory().to_owned(),
            user: state.scope().user.clone(),
            mounts: vec![Mount {
                target: "/".to_owned(),
                kind: MountKind::Bind(root),
            }],
            ..ExecOp::default()
        };
        Self { state, op }
    }

    /// Sets an environment variable for this command alone.
    pub fn env(self, key: &str, value: impl Into<String>) -> Self {
        self.with(|op| crate::types::set(&mut op.env, key, value.into()))
    }

    /// Sets the working directory for this command alone; a relative one is below the state's.
    pub fn dir(self, dir: &str) -> Self {
        self.with(|op| op.cwd = crate::path::join(&op.cwd, dir))
    }

    /// Sets the user for this command alone.
    pub fn user(self, user: impl Into<String>) -> Self {
        self.with(|op| op.user = Some(user.into()))
    }

    /// Sets the network.
    pub fn network(self, network: NetworkMode) -> Self {
        self.with(|op| op.network = network)
    }

    /// Shows a tree at `target`. What the command writes there is a tree of its own: [`Ran::mounted`].
    ///
    /// # Panics
    /// If the tree belongs to another graph.
    pub fn mount(self, target: &str, tree: &State) -> Self {
        self.state.graph().check(tree);
        let bind = BindMount {
            input: tree.edge(),
            output: true,
            ..BindMount::default()
        };
        self.mount_kind(target, MountKind::Bind(bind))
    }

    /// Shows a tree at `target`, where nothing can be written.
    ///
    /// # Panics
    /// If the tree belongs to another graph.
    pub fn mount_readonly(self, target: &str, tree: &State) -> Self {
        self.state.graph().check(tree);
        let bind = BindMount {
            input: tree.edge(),
            read_only: true,
            ..BindMount::default()
        };
        self.mount_kind(target, MountKind::Bind(bind))
    }

    /// Shows a directory at `target` that later builds see again under the same id.
    pub fn cache(self, target: &str, id: impl Into<String>) -> Self {
        self.mount_kind(
            target,
            MountKind::Cache(CacheMount {
                id: id.into(),
                ..CacheMount::default()
            }),
        )
    }

    /// Shows a secret as a file that its owner, root, alone may read.
    pub fn secret(self, target: &str, id: impl Into<String>) -> Self {
        let secret = SecretMount {
            id: id.into(),
            mode: 0o400,
            ..SecretMount::default()
        };
        self.mount_kind(target, MountKind::Secret(secret))
    }

    /// Adds any mount. A relative target is below the working directory.
    pub fn mount_kind(self, target: &str, kind: MountKind) -> Self {
        self.with(|op| {
            op.mounts.push(Mount {
                target: crate::path::join(&op.cwd, target),
                kind,
            })
        })
    }

    /// Changes anything about the op.
    pub fn with(mut self, change: impl FnOnce(&mut ExecOp)) -> Self {
        change(&mut self.op);
        self
    }

    /// Adds the command; the root tree after it, with the state's surroundings.
    pub fn root(self) -> State {
        self.done().root()
    }

    /// Adds the command.
    pub fn done(self) -> Ran {
        let targets: Vec<(String, Option<Edge>, bool)> = self
            .op
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Bind(bind) => Some((mount.target.clone(), bind.input, bind.output)),
                _ => None,
            })
            .collect();
        let vertex = self
            .state
            .graph()
            .vertex(Op::Exec(self.op), self.state.scope().platform.as_ref());
        let mut output = 0;
        let mut trees = Vec::with_capacity(targets.len());
        for (target, input, is_output) in targets {
            if is_output {
                trees.push((target, Some(Edge { vertex, output })));
                output += 1;
            } else {
                trees.push((target, input));
            }
        }
        Ran {
            state: self.state,
            trees,
        }
    }
}

impl Ran {
    /// The root tree after the command, with the surroundings of the state that it ran in.
    pub fn root(&self) -> State {
        self.mounted("/").unwrap_or_else(|| self.state.clone())
    }

    /// The tree at the target of a bind mount after the command (before it, where it could not be written).
    pub fn mounted(&self, target: &str) -> Option<State> {
        let (_, edge) = self.trees.iter().rev().find(|(known, _)| known == target)?;
        Some(self.state.with_edge(*edge))
    }
}
