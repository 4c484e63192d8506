package lapstrake

import (
	"fmt"
	"io/fs"
)

// A Host is all that a frontend can reach. In a component it is the program that builds; a test can bring its own.
type Host interface {
	// ResolveImages looks images up, all at the same time; the answers are in the order of the requests.
	ResolveImages(requests []ImageRequest) []ResolvedImage
	// Solve solves a part of a build; one tree for each root, in order.
	Solve(definition Definition, roots []Edge) ([]Tree, error)
	// BuildFile builds with another frontend; an empty one is that which the text's syntax line names.
	BuildFile(frontend string, request *Request) (BuildResult, error)
	// Log shows a message to the person. It never changes a result.
	Log(level LogLevel, message string)
	// Progress shows how far something is that takes long; a total of 0 is not known.
	Progress(name string, current, total uint64)
	// Warn shows warnings with their sources, while the frontend goes on.
	Warn(sources []SourceFile, items ...Diagnostic)
}

// A ResolvedImage is what became of one request.
type ResolvedImage struct {
	// Info is the image, where there is no error.
	Info ImageInfo
	// Err says why there is none.
	Err error
}

// A Tree is a solved tree, read only. Its errors are [*FileFailed].
type Tree interface {
	// ReadFile gives a whole file.
	ReadFile(path string) ([]byte, error)
	// ReadPart gives a part of a file; fewer bytes come back at its end.
	ReadPart(path string, offset uint64, length uint32) ([]byte, error)
	// ReadText gives a whole file, which must be UTF-8.
	ReadText(path string) (string, error)
	// ReadDir gives what is in a directory, sorted by name; an empty pattern is all.
	ReadDir(path, pattern string) ([]FileInfo, error)
	// Stat describes a file.
	Stat(path string) (FileInfo, error)
}

// A FileFailed is the error of a file that cannot be read.
type FileFailed struct {
	// Path is the file.
	Path string
	// Reason is one of the contract's file errors.
	Reason FileError
}

// Error tells the file and the reason.
func (e *FileFailed) Error() string {
	return fmt.Sprintf("%s: %s", e.Path, e.reason())
}

// Is says that a file that is not there is [fs.ErrNotExist].
func (e *FileFailed) Is(target error) bool {
	return target == fs.ErrNotExist && e.Reason.Tag() == FileErrorNotFound
}

func (e *FileFailed) reason() string {
	switch e.Reason.Tag() {
	case FileErrorNotFound:
		return "not there"
	case FileErrorNotAFile:
		return "not a file"
	case FileErrorNotADirectory:
		return "not a directory"
	case FileErrorBadPath:
		return e.Reason.BadPath()
	case FileErrorTooLarge:
		return "too large"
	case FileErrorNotUtf8:
		return "not UTF-8"
	}
	return e.Reason.Other()
}

// ResolveImage looks one image up.
func ResolveImage(host Host, reference string, platform *Platform) (ImageInfo, error) {
	request := ImageRequest{Reference: reference, Platform: optional(platform)}
	answer := host.ResolveImages([]ImageRequest{request})[0]
	return answer.Info, answer.Err
}
