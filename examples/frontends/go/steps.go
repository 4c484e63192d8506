// A build language of lines, as STEPS.md in the folder above describes it. Here: from a request to a result.
package main

import (
	"slices"
	"strings"

	lapstrake "github.com/lapstrake/lapstrake/sdk/go"
)

type steps struct{}

var _ interface {
	lapstrake.Builder
	lapstrake.Outliner
} = steps{}

func (steps) Describe() lapstrake.FrontendInfo {
	return lapstrake.FrontendInfo{
		Name:         "steps",
		Version:      "0.1.0",
		FilePatterns: []string{"*.steps"},
		Options: []lapstrake.OptionInfo{{
			Name:         "cmdline",
			Description:  "shell=PATH: the shell of run",
			DefaultValue: lapstrake.Some("shell=/bin/sh"),
		}},
	}
}

func (steps) Build(host lapstrake.Host, request *lapstrake.Request) (none lapstrake.BuildResult, err error) {
	graph := lapstrake.NewGraph()
	lines, errors := open(graph, request)
	var warnings []lapstrake.Diagnostic
	var images []lapstrake.BuiltImage
	for _, platform := range lapstrake.TargetPlatforms(request) {
		builder := newBuilder(graph, host, request, platform)
		for i := range lines {
			builder.line(&lines[i])
		}
		stages := builder.finish()
		// What is said of the file is the same for every platform.
		if len(images) == 0 {
			errors = append(errors, builder.errors...)
			warnings = builder.warnings
		}
		if len(errors) > 0 {
			return none, lapstrake.Invalid(graph.SourceFiles(), errors...)
		}
		found := len(stages) - 1
		if request.Target.IsSome() {
			target := request.Target.Some()
			found = slices.IndexFunc(stages, func(stage stage) bool { return stage.name == target })
			if found < 0 {
				return none, lapstrake.UnknownTarget(target)
			}
		}
		images = append(images, lapstrake.NewImage(stages[found].state, stages[found].config))
	}
	return graph.Finish(images, warnings...), nil
}

func (steps) Outline(_ lapstrake.Host, request *lapstrake.Request) (lapstrake.Outline, error) {
	graph := lapstrake.NewGraph()
	lines, _ := open(graph, request)
	outline := lapstrake.Outline{Target: lapstrake.TargetInfo{Name: request.Target.SomeOr("main")}}
	for _, line := range lines {
		if line.word == "arg" {
			name, value, _ := strings.Cut(line.rest, "=")
			arg := lapstrake.ArgInfo{Name: name, DefaultValue: lapstrake.Some(value), Range: lapstrake.Some(line.place)}
			outline.Args = append(outline.Args, arg)
		}
	}
	outline.Sources = graph.SourceFiles()
	return outline, nil
}

// Gives the lines of the build file, and what is wrong with variables in them.
func open(graph *lapstrake.Graph, request *lapstrake.Request) ([]line, []lapstrake.Diagnostic) {
	source := request.Sources[0]
	return read(lapstrake.NewLines(source.Text, graph.SourceFile(source)), request)
}

func init() { lapstrake.Register(steps{}) }

func main() {}
