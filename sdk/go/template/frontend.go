// The {{name}} frontend: every line `say TEXT` becomes a line of a file in the image, `into PATH` says which.
package main

import (
	"fmt"
	"strings"

	lapstrake "github.com/lapstrake/lapstrake/sdk/go"
)

type language struct{}

// What the frontend can do, so that the compiler tells of a method that is not right.
var _ lapstrake.Builder = language{}

func (language) Describe() lapstrake.FrontendInfo {
	return lapstrake.FrontendInfo{Name: "{{name}}", Version: "0.1.0", FilePatterns: []string{"*.{{name}}"}}
}

func (language) Build(_ lapstrake.Host, request *lapstrake.Request) (lapstrake.BuildResult, error) {
	graph := lapstrake.NewGraph()
	source := request.Sources[0]
	lines := lapstrake.NewLines(source.Text, graph.SourceFile(source))

	// Read. Every mistake is reported with its place, not just the first.
	var text strings.Builder
	var said []lapstrake.SourceRange
	var errors []lapstrake.Diagnostic
	path := "/hello.txt"
	for i, line := range lines.Lines {
		place := lines.Line(i + 1)
		word, value, _ := strings.Cut(line, " ")
		switch {
		case word == "say":
			text.WriteString(value + "\n")
			said = append(said, place)
		case word == "into":
			path = value
		case word != "" && !strings.HasPrefix(word, "#"):
			wrong := lapstrake.Error("UnknownWord", fmt.Sprintf("there is no word %q", word), place)
			if meant := lapstrake.DidYouMean(word, "say", "into"); meant != "" {
				wrong = lapstrake.WithHelp(wrong, fmt.Sprintf("did you mean %q?", meant))
			}
			errors = append(errors, wrong)
		}
	}
	if len(errors) > 0 {
		return lapstrake.BuildResult{}, lapstrake.Invalid(graph.SourceFiles(), errors...)
	}

	// Build the graph: one file in an empty tree, made of all the lines.
	root := graph.Scratch().File().Write(path, text.String()).Done().Name("say it in " + path).Range(said...)
	var images []lapstrake.BuiltImage
	for _, platform := range lapstrake.TargetPlatforms(request) {
		config := lapstrake.NewImageConfig(platform)
		config.Cmd = lapstrake.Some([]string{"cat", path})
		images = append(images, lapstrake.NewImage(root, config))
	}
	return graph.Finish(images), nil
}

func init() { lapstrake.Register(language{}) }

func main() {}
