"""The graph while it is being built: a growing list of vertices in which equal ones are one.

A `State` is a tree in the graph together with what commands run in it get, as BuildKit's `llb.State`. States never change:
every method gives another one.
"""

import copy

from . import path as paths
from .types import *  # noqa: F403
from .types import make, set_pair


class Graph:
    """A build graph in the making. Vertices whose op, platform and constraints are equal are one vertex."""

    def __init__(self):
        self._vertices = []
        self._sources = []
        self._known = {}

    def source_file(self, file):
        """Adds a file that ranges refer to; its index in them."""
        if file not in self._sources:
            self._sources.append(file)
        return self._sources.index(file)

    def source_files(self):
        """The files so far: what belongs beside diagnostics whose ranges use their indexes."""
        return list(self._sources)

    def vertex(self, op, platform=None):
        """Adds an op, or finds an equal one; its index. Every edge in the op must come from this graph."""
        key = repr((op, platform))
        index = self._known.get(key)
        if index is None:
            index = self._known[key] = len(self._vertices)
            self._vertices.append(make(Vertex, op=op, platform=platform))
        return index

    def scratch(self):
        """The empty tree."""
        return State(self)

    def image(self, reference, platform=None, **fields):
        """An image; a platform is that of the commands run in it, too. Fields are those of `ImageSource`."""
        source = SourceOp_Image(make(ImageSource, reference=reference, **fields))
        return self.source(source, platform)

    def local(self, name=MAIN_CONTEXT, **fields):
        """A directory of the build, by the name of its context. Fields are those of `LocalSource`."""
        return self.source(SourceOp_Local(make(LocalSource, name=name, **fields)))

    def git(self, remote, **fields):
        """A git repository. Fields are those of `GitSource`."""
        return self.source(SourceOp_Git(make(GitSource, remote=remote, **fields)))

    def http(self, url, **fields):
        """A file by HTTP. Fields are those of `HttpSource`."""
        return self.source(SourceOp_Http(make(HttpSource, url=url, **fields)))

    def source(self, source, platform=None):
        """Any source. The vertex has the platform only where the source depends on it (images)."""
        depends = isinstance(source, (SourceOp_Image, SourceOp_OciLayout))
        vertex = self.vertex(Op_Source(source), platform if depends else None)
        state = State(self, Edge(vertex, 0))
        return state.platform(platform) if platform else state

    def merge(self, states):
        """Stacks trees, the lowest first. Scratch is left out; one tree alone is itself."""
        states = [state for state in states if state.edge]
        if len(states) < 2:
            return states[0] if states else self.scratch()
        vertex = self.vertex(Op_Merge([state.edge for state in states]))
        return states[0].with_edge(Edge(vertex, 0))

    def diff(self, lower, upper):
        """What `upper` has and `lower` has not. Against scratch that is `upper`."""
        if not lower.edge:
            return upper
        vertex = self.vertex(Op_Diff(DiffOp(lower.edge, upper.edge)))
        return upper.with_edge(Edge(vertex, 0))

    def definition(self, roots):
        """The part of the graph that the edges need, and the edges in it. For `host.solve`."""
        needed = {root.vertex for root in roots}
        for index in reversed(range(len(self._vertices))):
            if index in needed:
                needed.update(edge.vertex for edge in _edges(self._vertices[index].op))
        places = {index: place for place, index in enumerate(sorted(needed))}
        vertices = []
        for index in sorted(needed):
            vertex = copy.copy(self._vertices[index])
            vertex.op = _moved(vertex.op, places)
            vertices.append(vertex)
        return Definition(vertices, self.source_files()), [_move(root, places) for root in roots]

    def finish(self, images, warnings=()):
        """Ends a build: the part of the graph that the images need, and the images with roots in it."""
        definition, roots = self.definition([image.root for image in images if image.root])
        for image in images:
            if image.root:
                image.root = roots.pop(0)
        return BuildResult(definition, images, Report(list(warnings), self.source_files()))


class State:
    """A tree, and the environment, directory, user and platform of what runs in it.

    What is said about the tree (`name`, `range`, ...) is said of the vertex that makes it, however many states share it.
    Scratch has no vertex: nothing happens there.
    """

    def __init__(self, graph, edge=None):
        self.graph = graph
        self.edge = edge
        self.environment = []
        self.directory = "/"
        self._user = None
        self._platform = None

    def _with(self, **changes):
        state = copy.copy(self)
        state.__dict__.update(changes)
        return state

    def with_edge(self, edge):
        """Another tree of the same graph with the same surroundings."""
        return self._with(edge=edge)

    def env(self, key, value):
        """Sets an environment variable, in its old place where it is there already."""
        environment = copy.deepcopy(self.environment)
        set_pair(environment, key, value)
        return self._with(environment=environment)

    def dir(self, path):
        """Sets the working directory; a relative one is below the one before."""
        return self._with(directory=paths.join(self.directory, path))

    def user(self, user):
        """Sets the user: `user[:group]`, names or numbers."""
        return self._with(_user=user)

    def platform(self, platform):
        """Sets the platform that commands run for."""
        return self._with(_platform=platform)

    def run(self, *args):
        """Starts a command with these arguments."""
        return Run(self, list(args))

    def shell(self, command):
        """Starts a command line of `/bin/sh`."""
        return self.run("/bin/sh", "-c", command)

    def file(self):
        """Starts changes of files, all in one vertex."""
        return Files(self)

    def name(self, name):
        """Names the vertex for progress, unless it has a name."""
        if self.edge and not self._vertex.name:
            self._vertex.name = name
        return self

    def range(self, range):
        """Says where in the sources the vertex comes from. Several ranges add up."""
        if self.edge and range not in self._vertex.ranges:
            self._vertex.ranges.append(range)
        return self

    def describe(self, key, value):
        """Adds a free text field to the vertex."""
        if self.edge:
            set_pair(self._vertex.description, key, value)
        return self

    def ignore_cache(self):
        """Has the vertex executed though a record of it exists."""
        if self.edge:
            self._vertex.ignore_cache = True
        return self

    @property
    def _vertex(self):
        return self.graph._vertices[self.edge.vertex]


class Run:
    """A command that is about to be added to the graph. `root` or `done` adds it."""

    def __init__(self, state, args):
        self._state = state
        root = make(BindMount, input=state.edge, output=True)
        self.op = make(
            ExecOp,
            args=args,
            env=copy.deepcopy(state.environment),
            cwd=state.directory,
            user=state._user,
            mounts=[Mount("/", MountKind_Bind(root))],
        )

    def env(self, key, value):
        """Sets an environment variable for this command alone."""
        set_pair(self.op.env, key, value)
        return self

    def dir(self, path):
        """Sets the working directory for this command alone."""
        self.op.cwd = paths.join(self.op.cwd, path)
        return self

    def user(self, user):
        """Sets the user for this command alone."""
        self.op.user = user
        return self

    def network(self, network):
        """Sets the network."""
        self.op.network = network
        return self

    def mount(self, target, tree, readonly=False):
        """Shows a tree at `target`. What the command writes there is a tree of its own, which `done` gives."""
        bind = make(BindMount, input=tree.edge, read_only=readonly, output=not readonly)
        return self.mount_kind(target, MountKind_Bind(bind))

    def cache(self, target, id, sharing=CacheSharing.SHARED):
        """Shows a directory at `target` that later builds see again under the same id."""
        return self.mount_kind(target, MountKind_Cache(make(CacheMount, id=id, sharing=sharing)))

    def secret(self, target, id, mode=0o400, **fields):
        """Shows a secret as a file that its owner, root, alone may read."""
        return self.mount_kind(target, MountKind_Secret(make(SecretMount, id=id, mode=mode, **fields)))

    def tmpfs(self, target, size=None):
        """Shows an empty directory in memory."""
        return self.mount_kind(target, MountKind_Tmpfs(TmpfsMount(size)))

    def mount_kind(self, target, kind):
        """Adds any mount. A relative target is below the working directory."""
        self.op.mounts.append(Mount(paths.join(self.op.cwd, target), kind))
        return self

    def root(self):
        """Adds the command; the root tree after it, with the state's surroundings."""
        return self.done()["/"]

    def done(self):
        """Adds the command; the trees it leaves, by the targets of the bind mounts."""
        vertex = self._state.graph.vertex(Op_Exec(self.op), self._state._platform)
        trees, output = {}, 0
        for mount in self.op.mounts:
            if not isinstance(mount.kind, MountKind_Bind):
                continue
            if mount.kind.value.output:
                trees[mount.target] = self._state.with_edge(Edge(vertex, output))
                output += 1
            else:
                trees[mount.target] = self._state.with_edge(mount.kind.value.input)
        return trees


class Files:
    """Changes of files, one after another, that `done` adds to the graph as one vertex. Relative paths are below the
    state's working directory."""

    def __init__(self, state):
        self._state = state
        self._actions = []

    def copy(self, tree, source, target, **fields):
        """Copies from another tree, parents of the target included. Fields are those of `CopyAction`."""
        fields.setdefault("create_dst_path", True)
        action = make(
            CopyAction,
            src=FileInput_Edge(tree.edge) if tree.edge else FileInput_Scratch(),
            src_path=paths.join("/", source),
            dst_path=paths.join_keeping_slash(self._state.directory, target),
            **fields,
        )
        return self.action(FileActionKind_Copy(action))

    def write(self, path, data, mode=0o644, **fields):
        """Writes a file; a text is written as UTF-8."""
        data = data.encode() if isinstance(data, str) else data
        action = make(MkfileAction, path=self._path(path), mode=mode, data=data, **fields)
        return self.action(FileActionKind_Mkfile(action))

    def mkdir(self, path, mode=0o755, make_parents=True, **fields):
        """Makes a directory and its missing parents."""
        action = make(MkdirAction, path=self._path(path), mode=mode, make_parents=make_parents, **fields)
        return self.action(FileActionKind_Mkdir(action))

    def rm(self, path, **fields):
        """Removes a file or directory, which must be there."""
        return self.action(FileActionKind_Rm(make(RmAction, path=self._path(path), **fields)))

    def symlink(self, target, path, **fields):
        """Makes a symbolic link at `path` that says `target`."""
        action = make(SymlinkAction, target=target, path=self._path(path), **fields)
        return self.action(FileActionKind_Symlink(action))

    def action(self, kind):
        """Adds any change, as it is."""
        if self._actions:
            base = FileInput_Action(len(self._actions) - 1)
        else:
            base = FileInput_Edge(self._state.edge) if self._state.edge else FileInput_Scratch()
        self._actions.append(FileAction(base, kind, False))
        return self

    def done(self):
        """Adds the changes; the tree after the last one, with the state's surroundings."""
        if not self._actions:
            return self._state
        self._actions[-1].output = True
        vertex = self._state.graph.vertex(Op_File(self._actions))
        return self._state.with_edge(Edge(vertex, 0))

    def _path(self, path):
        return paths.join(self._state.directory, path)


def _edges(op):
    """Every edge that an op names."""
    match op:
        case Op_Exec(exec):
            binds = (mount.kind.value for mount in exec.mounts)
            return [kind.input for kind in binds if getattr(kind, "input", None)]
        case Op_File(actions):
            inputs = [action.base for action in actions]
            inputs += [action.kind.value.src for action in actions if isinstance(action.kind, FileActionKind_Copy)]
            return [input.value for input in inputs if isinstance(input, FileInput_Edge)]
        case Op_Merge(inputs):
            return list(inputs)
        case Op_Diff(diff):
            return [edge for edge in (diff.lower, diff.upper) if edge]
        case Op_Build(build):
            return [build.input]
    return []


def _move(edge, places):
    return Edge(places.get(edge.vertex, edge.vertex), edge.output)


def _moved(op, places):
    """The op with its edges in their new places; the old one stays as it is."""
    op = copy.deepcopy(op)
    for edge in {id(edge): edge for edge in _edges(op)}.values():
        edge.vertex = places.get(edge.vertex, edge.vertex)
    return op
