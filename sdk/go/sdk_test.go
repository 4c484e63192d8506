package lapstrake

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The SDK without WebAssembly: `go test ./...`.

var amd64 = Platform{Os: "linux", Architecture: "amd64"}

// A host that knows some images, and whose trees have some files.
type fakeHost struct {
	Host
	images map[string]ImageConfig
	files  map[string]string
	logged []string
}

func (h *fakeHost) ResolveImages(requests []ImageRequest) (answers []ResolvedImage) {
	for _, request := range requests {
		config, ok := h.images[request.Reference]
		if !ok {
			answers = append(answers, ResolvedImage{Err: HostFailed("there is no image " + request.Reference)})
			continue
		}
		answers = append(answers, ResolvedImage{Info: ImageInfo{Reference: request.Reference + "@sha256:0", Config: config}})
	}
	return answers
}

func (h *fakeHost) Solve(_ Definition, roots []Edge) (trees []Tree, err error) {
	for range roots {
		trees = append(trees, fakeTree{files: h.files})
	}
	return trees, nil
}

func (h *fakeHost) Log(_ LogLevel, message string) { h.logged = append(h.logged, message) }

type fakeTree struct {
	Tree
	files map[string]string
}

func (t fakeTree) ReadText(path string) (string, error) {
	text, ok := t.files[path]
	if !ok {
		return "", &FileFailed{Path: path, Reason: MakeFileErrorNotFound()}
	}
	return text, nil
}

func equal(t *testing.T, got, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("got  %#v\nwant %#v", got, wanted)
	}
}

func edgeOf(t *testing.T, state State) Edge {
	t.Helper()
	edge, ok := state.Edge()
	if !ok {
		t.Fatal("it is scratch")
	}
	return edge
}

func TestEqualVerticesAreOne(t *testing.T) {
	graph := NewGraph()
	one := graph.Image("a", &amd64).Run("x").Root()
	two := graph.Image("a", &amd64).Run("x").Root()
	equal(t, edgeOf(t, one), edgeOf(t, two))
	if edgeOf(t, graph.Image("a", nil)) == edgeOf(t, graph.Image("a", &amd64)) {
		t.Error("the platform of an image counts")
	}
	equal(t, edgeOf(t, graph.Local("a")), edgeOf(t, graph.Local("a", func(s *LocalSource) { s.FollowPaths = []string{} })))
	written := func(data string) Edge { return edgeOf(t, graph.Scratch().File().Write("/a", data).Done()) }
	equal(t, written("x"), written("x"))
	if written("x") == written("y") || written("1") == written("11") {
		t.Error("what is written counts")
	}
}

func TestADefinitionHasWhatItsRootsNeed(t *testing.T) {
	graph := NewGraph()
	graph.Image("unused", nil)
	base := graph.Image("base", nil)
	files := graph.Scratch().File().Write("/a", "x").Done()
	root := base.Run("make").Mount("/in", files).Cache("/c", "id").Root().File().Copy(files, "a", "b/").Done()
	definition, roots := graph.Definition(edgeOf(t, root))
	equal(t, len(definition.Vertices), 4)
	equal(t, roots, []Edge{{Vertex: 3}})
	var inputs []Option[Edge]
	for _, mount := range definition.Vertices[2].Op.Exec().Mounts {
		if mount.Kind.Tag() == MountKindBind {
			inputs = append(inputs, mount.Kind.Bind().Input)
		}
	}
	equal(t, inputs, []Option[Edge]{Some(Edge{Vertex: 0}), Some(Edge{Vertex: 1})})
	copied := definition.Vertices[3].Op.File()[0].Kind.Copy()
	equal(t, copied.Src, MakeFileInputEdge(Edge{Vertex: 1}))
	equal(t, []string{copied.SrcPath, copied.DstPath}, []string{"/a", "/b/"})
	again, _ := graph.Definition(edgeOf(t, root))
	equal(t, again, definition)
}

func TestStatesNeverChange(t *testing.T) {
	base := NewGraph().Image("base", nil)
	base.Env("A", "1").Dir("/x").User("u")
	equal(t, len(base.Environment()), 0)
	equal(t, base.Directory(), "/")
	one := base.Env("A", "1").Env("B", "2")
	op := one.Env("A", "3").Dir("x").Run("y").Op
	equal(t, op.Env, []KeyValue{{Key: "A", Value: "3"}, {Key: "B", Value: "2"}})
	equal(t, op.Cwd, "/x")
	equal(t, one.Environment()[0].Value, "1")
	run := base.Run("x").Env("A", "1")
	before := edgeOf(t, run.Root())
	after := edgeOf(t, run.Env("A", "2").Root())
	if before == after {
		t.Error("a command that was changed is another")
	}
	equal(t, base.graph.vertices[before.Vertex].Op.Exec().Env[0].Value, "1")
}

func TestWhatACommandLeaves(t *testing.T) {
	graph := NewGraph()
	other := graph.Local(MainContext)
	trees := graph.Image("base", nil).Run("x").Mount("/rw", other).MountReadOnly("/ro", other).Trees()
	equal(t, edgeOf(t, trees["/"]).Output, uint32(0))
	equal(t, edgeOf(t, trees["/rw"]).Output, uint32(1))
	equal(t, edgeOf(t, trees["/ro"]), edgeOf(t, other))
}

func TestMounts(t *testing.T) {
	optional := func(s *SshMount) { s.Optional = true }
	op := NewGraph().Image("base", nil).Dir("/src").Run("x").
		Secret("token", "t").SecretEnv("TOKEN", "t").SSH("/agent", "default", optional).Tmpfs("/tmp", 1<<20).Tmpfs("/run", 0).Op
	equal(t, op.Mounts[1], Mount{Target: "/src/token", Kind: MakeMountKindSecret(SecretMount{Id: "t", Mode: 0o400})})
	equal(t, op.Mounts[2].Kind.Ssh(), SshMount{Id: "default", Mode: 0o600, Optional: true})
	equal(t, op.Mounts[3].Kind.Tmpfs().Size, Some(uint64(1<<20)))
	equal(t, op.Mounts[4].Kind.Tmpfs().Size, None[uint64]())
	equal(t, op.SecretEnvs, []SecretEnv{{Name: "TOKEN", SecretId: "t"}})
}

func TestMergeAndDiffLeaveScratchOut(t *testing.T) {
	graph := NewGraph()
	a, b := graph.Image("a", nil), graph.Image("b", nil)
	equal(t, graph.Merge(graph.Scratch(), a), a)
	equal(t, graph.Diff(graph.Scratch(), a), a)
	equal(t, graph.Merge().IsScratch(), true)
	equal(t, edgeOf(t, graph.Merge(a, b)), Edge{Vertex: 2})
	difference := graph.vertices[edgeOf(t, graph.Diff(a, b)).Vertex].Op.Diff()
	equal(t, difference, DiffOp{Lower: Some(edgeOf(t, a)), Upper: Some(edgeOf(t, b))})
}

func TestWhatIsSaidOfATree(t *testing.T) {
	graph := NewGraph()
	place := SourceRange{Start: Position{Line: 1, Column: 1}, Stop: Position{Line: 1, Column: 2}}
	tree := graph.Image("a", nil).Name("first").Name("second").Range(place, place).Describe("k", "v").IgnoreCache()
	vertex := graph.vertices[edgeOf(t, tree).Vertex]
	equal(t, vertex.Name, "first")
	equal(t, vertex.Ranges, []SourceRange{place})
	equal(t, vertex.Description, []KeyValue{{Key: "k", Value: "v"}})
	equal(t, vertex.IgnoreCache, true)
	graph.Scratch().Name("nothing happens")
}

// A frontend whose build is a function.
type frontend func(host Host, request *Request) (BuildResult, error)

func (frontend) Describe() FrontendInfo { return FrontendInfo{Name: "test"} }

func (f frontend) Build(host Host, request *Request) (BuildResult, error) { return f(host, request) }

func TestAFrontendAsksItsHost(t *testing.T) {
	host := &fakeHost{
		images: map[string]ImageConfig{"base:1": {Env: []KeyValue{{Key: "A", Value: "1"}}}},
		files:  map[string]string{"/version": "1.2"},
	}
	built := component{frontend(func(host Host, request *Request) (BuildResult, error) {
		graph := NewGraph()
		platform := TargetPlatforms(request)[0]
		image, err := ResolveImage(host, "base:1", &platform)
		if err != nil {
			return BuildResult{}, err
		}
		_, err = ResolveImage(host, "none", nil)
		equal(t, err.Error(), "there is no image none")
		definition, roots := graph.Definition(edgeOf(t, graph.Local(MainContext)))
		trees, _ := host.Solve(definition, roots)
		version, _ := trees[0].ReadText("/version")
		_, err = trees[0].ReadText("/none")
		equal(t, errors.Is(err, fs.ErrNotExist), true)
		host.Log(LogLevelInfo, version)
		config := NewImageConfig(platform)
		config.Env = SetPair(image.Config.Env, "B", version)
		state := graph.Image(image.Reference, &platform).Run("x").Root()
		return graph.Finish([]BuiltImage{NewImage(state, config)}, Warning("W", "w")), nil
	}), host}.Build(Request{BuildPlatform: amd64}).Ok()
	// The context was only looked into.
	equal(t, len(built.Definition.Vertices), 2)
	equal(t, built.Images[0].Root, Some(Edge{Vertex: 1}))
	equal(t, built.Images[0].Config.Env, []KeyValue{{Key: "A", Value: "1"}, {Key: "B", Value: "1.2"}})
	equal(t, built.Warnings.Items[0].Code, "W")
	equal(t, host.logged, []string{"1.2"})
}

func TestErrorsLeaveAsTheContracts(t *testing.T) {
	wrong := component{frontend: frontend(func(Host, *Request) (BuildResult, error) {
		return BuildResult{}, Invalid(nil, WithHelp(Error("Code", "message"), "help"))
	})}
	equal(t, wrong.Build(Request{}).Err().Invalid().Items[0].Help, Some("help"))
	equal(t, wrong.Lint(Request{}).Ok().Items[0].Code, "Code")
	equal(t, wrong.GetOutline(Request{}).Err().Unsupported(), "outlines")
	equal(t, wrong.RewriteSources(Request{}).Err().Unsupported(), "rewriting sources")
	equal(t, len(wrong.Completions(Request{}, 0, Position{}).Ok()), 0)
	equal(t, wrong.GetHover(Request{}, 0, Position{}).Ok().IsNone(), true)

	broken := component{frontend: frontend(func(_ Host, request *Request) (BuildResult, error) {
		return BuildResult{}, errors.New(request.Sources[1].Name)
	})}
	text := broken.Build(Request{Sources: make([]SourceFile, 1)}).Err().Internal()
	if !strings.Contains(text, "index out of range [1] with length 1") || !strings.Contains(text, "sdk_test.go:") {
		t.Error(text)
	}
	failed := component{frontend: frontend(func(Host, *Request) (BuildResult, error) { return BuildResult{}, errors.New("a bug") })}
	equal(t, failed.Build(Request{}).Err().Internal(), "a bug")
	equal(t, failed.Lint(Request{}).Err().Internal(), "a bug")
}

func TestOptions(t *testing.T) {
	request := &Request{
		Options:   []KeyValue{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}},
		BuildArgs: []KeyValue{{Key: "b", Value: ""}},
		Platforms: []Platform{amd64, {Os: "linux", Architecture: "arm64"}},
	}
	value, ok := OptionOf(request, "a")
	equal(t, []any{value, ok}, []any{"2", true})
	value, ok = BuildArg(request, "b")
	equal(t, []any{value, ok}, []any{"", true})
	_, ok = BuildArg(request, "c")
	equal(t, ok, false)
	equal(t, len(TargetPlatforms(request)), 2)
}

func TestColumnsCountBytes(t *testing.T) {
	lines := NewLines("ä x\r\nü", 3)
	start := strings.Index(lines.Lines[0], "x")
	equal(t, lines.Part(1, start, start+1), SourceRange{File: 3, Start: Position{Line: 1, Column: 4}, Stop: Position{Line: 1, Column: 5}})
	equal(t, lines.Line(2).Stop, Position{Line: 2, Column: 3})
}

func TestNearWords(t *testing.T) {
	for _, of := range []struct{ word, known, meant string }{
		{"rnu", "run ran", "run"}, {"FORM", "COPY FROM", "FROM"}, {"x", "copy", ""}, {"", "a", ""}, {"a", "b", ""},
		{strings.Repeat("a", 65), strings.Repeat("a", 65), ""},
	} {
		equal(t, DidYouMean(of.word, strings.Fields(of.known)...), of.meant)
	}
}

func TestPaths(t *testing.T) {
	var out []string
	for _, of := range [][2]string{{"/src", "a/../b/"}, {"", ".."}, {"/x", "/y"}, {"a", "."}} {
		out = append(out, JoinPath(of[0], of[1]), JoinPathKeepingSlash(of[0], of[1]))
	}
	if !slices.Equal(out, []string{"/src/b", "/src/b/", "/", "/", "/y", "/y", "/a", "/a/"}) {
		t.Error(out)
	}
}
