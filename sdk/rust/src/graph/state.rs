//! A tree in the graph together with the surroundings that commands run in it get, as BuildKit's `llb.State`.
//! Immutable: every method gives another state. Knows nothing of the vertex table.

use std::rc::Rc;

use super::{FileChanges, Graph, Run};
use crate::path;
use crate::types::*;

/// A tree, and the environment, directory, user and platform of what runs in it. Cheap to clone.
///
/// The methods that say something about the tree (`name`, `range`, …) do so for the vertex that makes it, however many
/// states share that vertex. Scratch has no vertex: they do nothing there.
#[derive(Clone, Debug)]
pub struct State {
    graph: Graph,
    edge: Option<Edge>,
    scope: Rc<Scope>,
}

/// What commands run in a state get.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) env: Vec<KeyValue>,
    /// Absolute and clean, or empty: `/`.
    pub(super) dir: String,
    pub(super) user: Option<String>,
    pub(super) platform: Option<Platform>,
}

impl State {
    pub(super) fn new(graph: Graph, edge: Option<Edge>) -> Self {
        Self {
            graph,
            edge,
            scope: Rc::default(),
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The graph it belongs to.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The edge that makes the tree; none: scratch.
    pub fn edge(&self) -> Option<Edge> {
        self.edge
    }

    /// Another tree of the same graph with the same surroundings.
    pub fn with_edge(&self, edge: Option<Edge>) -> Self {
        Self { edge, ..self.clone() }
    }

    fn scoped(mut self, change: impl FnOnce(&mut Scope)) -> Self {
        change(Rc::make_mut(&mut self.scope));
        self
    }

    /// Sets an environment variable, in its old place where it is there already.
    pub fn env(self, key: &str, value: impl Into<String>) -> Self {
        self.scoped(|scope| crate::types::set(&mut scope.env, key, value.into()))
    }

    /// Sets the working directory; a relative one is below the one before.
    pub fn dir(self, dir: &str) -> Self {
        self.scoped(|scope| scope.dir = path::join(&scope.dir, dir))
    }

    /// Sets the user: `user[:group]`, names or numbers.
    pub fn user(self, user: impl Into<String>) -> Self {
        self.scoped(|scope| scope.user = Some(user.into()))
    }

    /// Sets the platform that commands run for.
    pub fn platform(self, platform: &Platform) -> Self {
        self.scoped(|scope| scope.platform = Some(platform.clone()))
    }

    /// The environment.
    pub fn environment(&self) -> &[KeyValue] {
        &self.scope.env
    }

    /// The working directory, absolute.
    pub fn directory(&self) -> &str {
        if self.scope.dir.is_empty() {
            "/"
        } else {
            &self.scope.dir
        }
    }

    /// Starts a command with these arguments.
    pub fn run<A: Into<String>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        Run::new(self.clone(), args.into_iter().map(Into::into).collect())
    }

    /// Starts a command line of `/bin/sh`.
    pub fn shell(&self, command: impl Into<String>) -> Run {
        self.run(["/bin/sh".to_owned(), "-c".to_owned(), command.into()])
    }

    /// Starts changes of files, all in one vertex.
    pub fn file(&self) -> FileChanges {
        FileChanges::new(self.clone())
    }

    /// Names the vertex for progress, unless it has a name.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.annotate(|vertex| {
            if vertex.name.is_empty() {
                vertex.name = name.into();
            }
        })
    }

    /// Says where in the sources the vertex comes from. Several ranges add up.
    pub fn range(self, range: SourceRange) -> Self {
        self.annotate(|vertex| {
            if !vertex.ranges.contains(&range) {
                vertex.ranges.push(range);
            }
        })
    }

    /// Adds a free text field to the vertex.
    pub fn describe(self, key: &str, value: impl Into<String>) -> Self {
        self.annotate(|vertex| crate::types::set(&mut vertex.description, key, value.into()))
    }

    /// Has the vertex executed though a record of it exists.
    pub fn ignore_cache(self) -> Self {
        self.annotate(|vertex| vertex.ignore_cache = true)
    }

    /// Puts the vertex into a group that progress shows as one.
    pub fn progress_group(self, group: ProgressGroup) -> Self {
        self.annotate(|vertex| vertex.progress_group = Some(group))
    }

    /// Limits the processes of the vertex.
    pub fn resources(self, resources: LinuxResources) -> Self {
        self.annotate(|vertex| vertex.resources = Some(resources))
    }

    /// Changes anything that is said about the vertex. The closure MUST leave op, platform and constraints alone.
    pub fn annotate(self, change: impl FnOnce(&mut Vertex)) -> Self {
        if let Some(edge) = self.edge {
            self.graph.annotate(edge.vertex, change);
        }
        self
    }
}
