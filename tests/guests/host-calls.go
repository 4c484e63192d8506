// A frontend that calls everything that the host has, and writes what it was answered into a file of the image.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	lapstrake "github.com/lapstrake/lapstrake/sdk/go"
)

type language struct{}

func (language) Describe() lapstrake.FrontendInfo { return lapstrake.FrontendInfo{Name: "host-calls"} }

func (language) Build(host lapstrake.Host, request *lapstrake.Request) (none lapstrake.BuildResult, err error) {
	graph := lapstrake.NewGraph()
	var text strings.Builder
	say := func(values ...any) { fmt.Fprintln(&text, values...) }

	definition, roots := graph.Definition(edge(graph.Local(lapstrake.MainContext)))
	trees, err := host.Solve(definition, roots)
	if err != nil {
		return none, err
	}
	// One that is not there, if the build file says so.
	context := trees[strings.Count(request.Sources[0].Text, "panic")]
	files, err := context.ReadDir("/", "")
	for _, file := range files {
		say(file.Name, file.Size, file.Kind == lapstrake.FileKindDirectory)
	}
	say(len(files), err)
	some, err := context.ReadDir("/", "*.txt")
	say(len(some), err)
	whole, err := context.ReadText("/name.txt")
	say(whole, err)
	part, err := context.ReadPart("/name.txt", 2, 3)
	say(string(part), err)
	bytes, err := context.ReadFile("/bytes")
	say(bytes, err)
	_, err = context.ReadText("/bytes")
	say(err)
	_, err = context.Stat("/none")
	say(err, errors.Is(err, fs.ErrNotExist))
	stat, err := context.Stat("/name.txt")
	say(stat.Size, err)

	_, err = host.Solve(definition, []lapstrake.Edge{{Vertex: 7}})
	say(err != nil)
	image, err := lapstrake.ResolveImage(host, "base:1", &request.BuildPlatform)
	say(image.Config.Env, err)
	_, err = host.BuildFile("", request)
	say(err != nil)
	host.Log(lapstrake.LogLevelInfo, "logged")
	host.Progress("half", 1, 2)
	host.Progress("unknown", 1, 0)
	lines := lapstrake.NewLines(request.Sources[0].Text, graph.SourceFile(request.Sources[0]))
	host.Warn(graph.SourceFiles(), lapstrake.Warning("Doubt", "a warning on the way", lines.Line(1)))

	// What is no call of the host: there is no time, no file and no environment.
	_, err = os.ReadFile("/etc/passwd")
	say(err != nil, len(os.Environ()), len(os.Args), time.Now().UnixNano())
	// More memory than there is at first, many times: the collector runs.
	sum := 0
	for i := range 2000 {
		sum += len(strings.Repeat("x", 64<<10)) - 64<<10 + i%2
	}
	say(sum)

	root := graph.Scratch().File().Write("/said", text.String()).Done().Range(lines.Line(1))
	config := lapstrake.NewImageConfig(request.BuildPlatform)
	return graph.Finish([]lapstrake.BuiltImage{lapstrake.NewImage(root, config)}), nil
}

func edge(state lapstrake.State) lapstrake.Edge {
	edge, _ := state.Edge()
	return edge
}

func init() { lapstrake.Register(language{}) }

func main() {}
