package lapstrake

import "slices"

// A State is a tree, and the environment, directory, user and platform of what runs in it. It is a value: methods give another
// one.
//
// What is said about the tree (Name, Range and so on) is said of the vertex that makes it, however many states share it. Scratch
// has no vertex: nothing happens there.
type State struct {
	graph       *Graph
	edge        Option[Edge]
	environment []KeyValue
	directory   string
	user        Option[string]
	platform    *Platform
}

// Edge gives the tree's place in the graph; there is none for scratch.
func (s State) Edge() (edge Edge, ok bool) {
	return s.edge.SomeOr(Edge{}), s.edge.IsSome()
}

// IsScratch says whether it is the empty tree.
func (s State) IsScratch() bool {
	return s.edge.IsNone()
}

// WithEdge gives another tree of the same graph with the same surroundings.
func (s State) WithEdge(edge Edge) State {
	s.edge = Some(edge)
	return s
}

// Env sets an environment variable, in its old place where it is there already.
func (s State) Env(key, value string) State {
	s.environment = SetPair(slices.Clone(s.environment), key, value)
	return s
}

// Environment gives the variables in their order.
func (s State) Environment() []KeyValue {
	return slices.Clone(s.environment)
}

// Dir sets the working directory; a relative one is below the one before.
func (s State) Dir(path string) State {
	s.directory = JoinPath(s.directory, path)
	return s
}

// Directory gives the working directory.
func (s State) Directory() string {
	return s.directory
}

// User sets the user: `user[:group]`, names or numbers.
func (s State) User(user string) State {
	s.user = Some(user)
	return s
}

// Platform sets the platform that commands run for.
func (s State) Platform(platform Platform) State {
	s.platform = &platform
	return s
}

// Run starts a command with these arguments.
func (s State) Run(args ...string) *Run {
	root := BindMount{Input: s.edge, Output: true}
	return &Run{state: s, Op: ExecOp{
		Args:   args,
		Env:    s.Environment(),
		Cwd:    s.directory,
		User:   s.user,
		Mounts: []Mount{{Target: "/", Kind: MakeMountKindBind(root)}},
	}}
}

// Shell starts a command line of /bin/sh.
func (s State) Shell(command string) *Run {
	return s.Run("/bin/sh", "-c", command)
}

// File starts changes of files, all in one vertex.
func (s State) File() *Files {
	return &Files{state: s}
}

// Name names the vertex for progress, unless it has a name.
func (s State) Name(name string) State {
	return s.say(func(vertex *Vertex) {
		if vertex.Name == "" {
			vertex.Name = name
		}
	})
}

// Range says where in the sources the vertex comes from. Several ranges add up.
func (s State) Range(places ...SourceRange) State {
	return s.say(func(vertex *Vertex) {
		for _, place := range places {
			if !slices.Contains(vertex.Ranges, place) {
				vertex.Ranges = append(vertex.Ranges, place)
			}
		}
	})
}

// Describe adds a free text field to the vertex.
func (s State) Describe(key, value string) State {
	return s.say(func(vertex *Vertex) {
		vertex.Description = SetPair(vertex.Description, key, value)
	})
}

// IgnoreCache has the vertex executed though a record of it exists.
func (s State) IgnoreCache() State {
	return s.say(func(vertex *Vertex) { vertex.IgnoreCache = true })
}

func (s State) say(what func(*Vertex)) State {
	if edge, ok := s.Edge(); ok {
		what(&s.graph.vertices[edge.Vertex])
	}
	return s
}
