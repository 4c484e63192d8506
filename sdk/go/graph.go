package lapstrake

import "slices"

// MainContext is the name of the main context.
const MainContext = "context"

// A Graph is a build graph in the making: a growing list of vertices. Those whose op and platform are equal are one.
type Graph struct {
	vertices []Vertex
	sources  []SourceFile
	known    map[string]uint32
}

// NewGraph makes an empty graph.
func NewGraph() *Graph {
	return &Graph{known: make(map[string]uint32)}
}

// SourceFile adds a file that ranges refer to, and gives its index in them.
func (g *Graph) SourceFile(file SourceFile) uint32 {
	index := slices.Index(g.sources, file)
	if index < 0 {
		index = len(g.sources)
		g.sources = append(g.sources, file)
	}
	return uint32(index)
}

// SourceFiles gives the files so far: what belongs beside diagnostics whose ranges use their indexes.
func (g *Graph) SourceFiles() []SourceFile {
	return slices.Clone(g.sources)
}

// Vertex adds an op, or finds an equal one, and gives its index. Every edge in the op must come from this graph. No platform (nil)
// is the worker's.
func (g *Graph) Vertex(op Op, platform *Platform) uint32 {
	vertex := Vertex{Op: op, Platform: optional(platform)}
	key := identity(vertex)
	index, known := g.known[key]
	if !known {
		index = uint32(len(g.vertices))
		g.known[key] = index
		g.vertices = append(g.vertices, vertex)
	}
	return index
}

// Scratch is the empty tree.
func (g *Graph) Scratch() State {
	return State{graph: g, directory: "/"}
}

// Image is an image; the platform is that of the commands run in it, too. A function can set more of the source.
func (g *Graph) Image(reference string, platform *Platform, set ...func(*ImageSource)) State {
	source := ImageSource{Reference: reference}
	apply(&source, set)
	return g.Source(MakeSourceOpImage(source), platform)
}

// Local is a directory of the build, by the name of its context: [MainContext] or another. A function can set more of the source.
func (g *Graph) Local(name string, set ...func(*LocalSource)) State {
	source := LocalSource{Name: name, Differ: LocalDifferMetadata}
	apply(&source, set)
	return g.Source(MakeSourceOpLocal(source), nil)
}

// Git is a git repository. A function can set more of the source, such as its reference.
func (g *Graph) Git(remote string, set ...func(*GitSource)) State {
	source := GitSource{Remote: remote}
	apply(&source, set)
	return g.Source(MakeSourceOpGit(source), nil)
}

// HTTP is a file by HTTP. A function can set more of the source, such as its checksum.
func (g *Graph) HTTP(url string, set ...func(*HttpSource)) State {
	source := HttpSource{Url: url}
	apply(&source, set)
	return g.Source(MakeSourceOpHttp(source), nil)
}

// Source is any source. Its vertex has the platform only where the source depends on it, as images do.
func (g *Graph) Source(source SourceOp, platform *Platform) State {
	depends := platform
	if tag := source.Tag(); tag != SourceOpImage && tag != SourceOpOciLayout {
		depends = nil
	}
	vertex := g.Vertex(MakeOpSource(source), depends)
	state := g.Scratch().WithEdge(Edge{Vertex: vertex})
	if platform != nil {
		state = state.Platform(*platform)
	}
	return state
}

// Merge stacks trees, the lowest first. Scratch is left out; one tree alone is itself.
func (g *Graph) Merge(states ...State) State {
	states = slices.DeleteFunc(slices.Clone(states), State.IsScratch)
	switch len(states) {
	case 0:
		return g.Scratch()
	case 1:
		return states[0]
	}
	edges := make([]Edge, len(states))
	for i, state := range states {
		edges[i] = state.edge.Some()
	}
	return states[0].WithEdge(Edge{Vertex: g.Vertex(MakeOpMerge(edges), nil)})
}

// Diff is what upper has and lower has not. Against scratch that is upper.
func (g *Graph) Diff(lower, upper State) State {
	if lower.IsScratch() {
		return upper
	}
	op := MakeOpDiff(DiffOp{Lower: lower.edge, Upper: upper.edge})
	return upper.WithEdge(Edge{Vertex: g.Vertex(op, nil)})
}

// Definition gives the part of the graph that the edges need, and the edges in it; for [Host].Solve.
func (g *Graph) Definition(roots ...Edge) (Definition, []Edge) {
	needed := make([]bool, len(g.vertices))
	need := func(edge Edge) Edge {
		needed[edge.Vertex] = true
		return edge
	}
	for _, root := range roots {
		need(root)
	}
	for index := len(g.vertices) - 1; index >= 0; index-- {
		if needed[index] {
			mapEdges(g.vertices[index].Op, need)
		}
	}
	places := make([]uint32, len(g.vertices))
	move := func(edge Edge) Edge {
		return Edge{Vertex: places[edge.Vertex], Output: edge.Output}
	}
	definition := Definition{Sources: g.SourceFiles()}
	for index, vertex := range g.vertices {
		if !needed[index] {
			continue
		}
		places[index] = uint32(len(definition.Vertices))
		vertex.Op = mapEdges(vertex.Op, move)
		definition.Vertices = append(definition.Vertices, vertex)
	}
	moved := make([]Edge, len(roots))
	for i, root := range roots {
		moved[i] = move(root)
	}
	return definition, moved
}

// Finish ends a build: the part of the graph that the images need, and the images with roots in it.
func (g *Graph) Finish(images []BuiltImage, warnings ...Diagnostic) BuildResult {
	var roots []Edge
	for _, image := range images {
		if image.Root.IsSome() {
			roots = append(roots, image.Root.Some())
		}
	}
	definition, roots := g.Definition(roots...)
	images = slices.Clone(images)
	for i := range images {
		if images[i].Root.IsSome() {
			images[i].Root, roots = Some(roots[0]), roots[1:]
		}
	}
	return BuildResult{
		Definition: definition,
		Images:     images,
		Warnings:   Report{Items: warnings, Sources: g.SourceFiles()},
	}
}

func apply[T any](value *T, set []func(*T)) {
	for _, change := range set {
		change(value)
	}
}
