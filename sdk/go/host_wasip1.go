package lapstrake

import (
	_ "github.com/lapstrake/lapstrake/sdk/go/internal/bindings/exports/wit_exports"
	wit "github.com/lapstrake/lapstrake/sdk/go/internal/bindings/imports/lapstrake_frontend_host"
	"github.com/lapstrake/lapstrake/sdk/go/internal/wit/types"
)

func newHost() Host { return &program{} }

// The program that the component runs in.
type program struct {
	// Trees are kept: giving one back is a call of the host, and the garbage collector would do it at any time.
	trees []*wit.Reference
}

func (*program) ResolveImages(requests []ImageRequest) []ResolvedImage {
	answers := wit.ResolveImageConfigs(requests)
	images := make([]ResolvedImage, len(answers))
	for i, answer := range answers {
		if answer.Tag() == types.ResultErr {
			images[i].Err = HostFailed(answer.Err())
		} else {
			images[i].Info = answer.Ok()
		}
	}
	return images
}

func (p *program) Solve(definition Definition, roots []Edge) ([]Tree, error) {
	answer := wit.Solve(definition, roots)
	if answer.Tag() == types.ResultErr {
		return nil, HostFailed(solveFailed(answer.Err()))
	}
	var trees []Tree
	for _, reference := range answer.Ok() {
		p.trees = append(p.trees, reference)
		trees = append(trees, tree{reference})
	}
	return trees, nil
}

func solveFailed(reason wit.SolveError) string {
	switch reason.Tag() {
	case wit.SolveError_InvalidDefinition:
		return reason.InvalidDefinition()
	case wit.SolveError_Failed:
		return reason.Failed()
	case wit.SolveError_NotAllowed:
		return reason.NotAllowed()
	}
	return "the build was cancelled"
}

func (*program) BuildFile(frontend string, request *Request) (BuildResult, error) {
	name := None[string]()
	if frontend != "" {
		name = Some(frontend)
	}
	answer := wit.BuildFile(name, *request)
	if answer.Tag() == types.ResultErr {
		return BuildResult{}, &BuildFailed{answer.Err()}
	}
	return answer.Ok(), nil
}

func (*program) Log(level LogLevel, message string) { wit.Log(level, message) }

func (*program) Progress(name string, current, total uint64) {
	known := None[uint64]()
	if total > 0 {
		known = Some(total)
	}
	wit.Progress(name, current, known)
}

func (*program) Warn(sources []SourceFile, items ...Diagnostic) {
	wit.Warn(Report{Items: items, Sources: sources})
}

// A tree that the program solved.
type tree struct{ reference *wit.Reference }

// Gives what the host answered, or the error of a path.
func read[T any](path string, answer types.Result[T, FileError]) (value T, err error) {
	if answer.Tag() == types.ResultErr {
		return value, &FileFailed{Path: path, Reason: answer.Err()}
	}
	return answer.Ok(), nil
}

func (t tree) ReadFile(path string) ([]byte, error) {
	return read(path, t.reference.ReadFile(path, None[wit.ByteRange]()))
}

func (t tree) ReadPart(path string, offset uint64, length uint32) ([]byte, error) {
	part := wit.ByteRange{Offset: offset, Length: length}
	return read(path, t.reference.ReadFile(path, Some(part)))
}

func (t tree) ReadText(path string) (string, error) {
	return read(path, t.reference.ReadText(path))
}

func (t tree) ReadDir(path, pattern string) ([]FileInfo, error) {
	only := None[string]()
	if pattern != "" {
		only = Some(pattern)
	}
	return read(path, t.reference.ReadDir(path, only))
}

func (t tree) Stat(path string) (FileInfo, error) {
	return read(path, t.reference.Stat(path))
}
