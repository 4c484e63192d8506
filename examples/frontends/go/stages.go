package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	lapstrake "github.com/lapstrake/lapstrake/sdk/go"
)

// What each instruction does to the graph and the image. Knows nothing of text.

// An instruction: how many words it needs, the flags that it takes, and what it does. A state that it gives is named after the line.
type instruction struct {
	words int
	flags []string
	do    func(*builder, *call) (lapstrake.State, bool, error)
}

// An instruction as it is called.
type call struct {
	*line
	flags []flag
	// What follows the flags, and its words.
	rest  string
	words []string
}

// A problem is the error of a line that cannot be done.
type problem struct{ lapstrake.Diagnostic }

func (p *problem) Error() string { return p.Message }

// A named part of the build file.
type stage struct {
	name   string
	state  lapstrake.State
	config lapstrake.ImageConfig
	// Where it begins, but for the first.
	place *lapstrake.SourceRange
}

// A builder goes through the lines for one platform.
type builder struct {
	graph            *lapstrake.Graph
	host             lapstrake.Host
	platform         lapstrake.Platform
	shell            string
	stages           []stage
	now              stage
	errors, warnings []lapstrake.Diagnostic
}

// The order is that in which words are compared with a mistyped one.
var names = []string{
	"arg", "stage", "from", "env", "dir", "user", "run", "copy", "write", "mkdir", "remove", "link", "merge", "diff", "cmd", "label",
}

// Any other value is the sandbox.
var networks = map[string]lapstrake.NetworkMode{
	"none": lapstrake.NetworkModeNoNetwork,
	"host": lapstrake.NetworkModeHostNetwork,
}

var instructions map[string]instruction

func init() {
	instructions = map[string]instruction{
		"arg":    {words: 1, do: says(func(*builder, *call) {})},
		"stage":  {words: 1, do: (*builder).stage},
		"from":   {words: 1, do: (*builder).from},
		"env":    {words: 1, do: says((*builder).env)},
		"dir":    {words: 1, do: says((*builder).dir)},
		"user":   {words: 1, do: says((*builder).user)},
		"run":    {words: 1, do: (*builder).run, flags: []string{"cache", "mount", "secret", "network"}},
		"copy":   {words: 2, do: (*builder).copy, flags: []string{"from"}},
		"write":  {words: 2, do: changes(func(files *lapstrake.Files, c *call) { files.Write(c.words[0], second(c.rest)+"\n") })},
		"mkdir":  {words: 1, do: changes(func(files *lapstrake.Files, c *call) { files.Mkdir(c.words[0]) })},
		"remove": {words: 1, do: changes(func(files *lapstrake.Files, c *call) { files.Rm(c.words[0]) })},
		"link":   {words: 2, do: changes(func(files *lapstrake.Files, c *call) { files.Symlink(c.words[1], c.words[0]) })},
		"merge":  {words: 1, do: (*builder).merge},
		"diff":   {words: 2, do: (*builder).diff},
		"cmd":    {words: 1, do: says(func(b *builder, c *call) { b.now.config.Cmd = lapstrake.Some(c.words) })},
		"label":  {words: 1, do: says((*builder).label)},
	}
}

// An instruction that changes no tree.
func says(do func(*builder, *call)) func(*builder, *call) (lapstrake.State, bool, error) {
	return func(b *builder, c *call) (lapstrake.State, bool, error) {
		do(b, c)
		return lapstrake.State{}, false, nil
	}
}

// An instruction that changes files.
func changes(do func(*lapstrake.Files, *call)) func(*builder, *call) (lapstrake.State, bool, error) {
	return func(b *builder, c *call) (lapstrake.State, bool, error) {
		files := b.now.state.File()
		do(files, c)
		return files.Done(), true, nil
	}
}

func second(text string) string {
	_, rest := split(text)
	return rest
}

func newBuilder(graph *lapstrake.Graph, host lapstrake.Host, request *lapstrake.Request, platform lapstrake.Platform) *builder {
	b := &builder{graph: graph, host: host, platform: platform, shell: "/bin/sh"}
	cmdline, _ := lapstrake.OptionOf(request, "cmdline")
	for word := range strings.SplitSeq(cmdline, " ") {
		if shell, ok := strings.CutPrefix(word, "shell="); ok {
			b.shell = shell
		}
	}
	b.now = b.newStage("main", nil)
	return b
}

func (b *builder) newStage(name string, place *lapstrake.SourceRange) stage {
	state := b.graph.Scratch().Platform(b.platform)
	return stage{name: name, state: state, config: lapstrake.NewImageConfig(b.platform), place: place}
}

// Ends the last stage.
func (b *builder) finish() []stage {
	return append(slices.Clone(b.stages), b.now)
}

// Does what a line says, or notes why not.
func (b *builder) line(l *line) {
	if wrong, ok := errors.AsType[*problem](b.checked(l)); ok {
		b.errors = append(b.errors, wrong.Diagnostic)
	}
}

func (b *builder) checked(l *line) error {
	known, ok := instructions[l.word]
	if !ok {
		wrong := lapstrake.Error("UnknownInstruction", "there is no instruction "+l.word, l.wordPlace)
		return &problem{meant(wrong, l.word, names)}
	}
	flags, rest := l.flags()
	words := strings.FieldsFunc(rest, func(c rune) bool { return strings.ContainsRune(space, c) })
	if len(words) < known.words {
		message := fmt.Sprintf("%s needs %d words, not %d", l.word, known.words, len(words))
		return &problem{lapstrake.Error("MissingArgument", message, l.place)}
	}
	for _, flag := range flags {
		if !slices.Contains(known.flags, flag.name) {
			message := fmt.Sprintf("%s has no flag --%s", l.word, flag.name)
			return &problem{lapstrake.Error("UnknownFlag", message, l.place)}
		}
	}
	changed, ok, err := known.do(b, &call{line: l, flags: flags, rest: rest, words: words})
	if err == nil && ok {
		b.now.state = changed.Name(l.text).Range(l.place)
	}
	return err
}

func (b *builder) stage(c *call) (none lapstrake.State, ok bool, err error) {
	for _, stage := range b.finish() {
		if stage.name == c.words[0] {
			wrong := lapstrake.Error("DuplicateStage", "there are two stages "+stage.name, c.place)
			if stage.place != nil {
				wrong = lapstrake.WithRelated(wrong, "the first one is here", *stage.place)
			}
			return none, false, &problem{wrong}
		}
	}
	b.stages = append(b.stages, b.now)
	b.now = b.newStage(c.words[0], &c.place)
	return none, false, nil
}

func (b *builder) from(c *call) (none lapstrake.State, ok bool, err error) {
	reference := c.words[0]
	if reference == "scratch" {
		b.now.state = b.graph.Scratch().Platform(b.platform)
		return none, false, nil
	}
	for _, stage := range b.stages {
		if stage.name == reference {
			b.now.state, b.now.config = stage.state, stage.config
			b.now.config.Env, b.now.config.Labels = slices.Clone(stage.config.Env), slices.Clone(stage.config.Labels)
			return none, false, nil
		}
	}
	if name := reference[strings.LastIndex(reference, "/")+1:]; !strings.ContainsAny(name, ":@") {
		doubt := lapstrake.Warning("NoTag", reference+" names no version of the image", c.place)
		b.warnings = append(b.warnings, lapstrake.WithHelp(doubt, fmt.Sprintf("say %s:VERSION", reference)))
	}
	image, err := lapstrake.ResolveImage(b.host, reference, &b.platform)
	if err != nil {
		return none, false, &problem{lapstrake.Error("NoImage", err.Error(), c.place)}
	}
	state := b.graph.Image(image.Reference, &b.platform).Name(c.text).Range(c.place)
	for _, pair := range image.Config.Env {
		state = state.Env(pair.Key, pair.Value)
	}
	b.now.state, b.now.config = state, image.Config
	return none, false, nil
}

func (b *builder) env(c *call) {
	name, value, _ := strings.Cut(c.rest, "=")
	b.now.config.Env = lapstrake.SetPair(b.now.config.Env, name, value)
	b.now.state = b.now.state.Env(name, value)
}

func (b *builder) dir(c *call) {
	b.now.state = b.now.state.Dir(c.words[0])
	b.now.config.WorkingDir = b.now.state.Directory()
}

func (b *builder) user(c *call) {
	b.now.config.User = c.words[0]
	b.now.state = b.now.state.User(c.words[0])
}

func (b *builder) label(c *call) {
	name, value, _ := strings.Cut(c.rest, "=")
	b.now.config.Labels = lapstrake.SetPair(b.now.config.Labels, name, value)
}

func (b *builder) run(c *call) (none lapstrake.State, ok bool, err error) {
	run := b.now.state.Run(b.shell, "-c", c.rest)
	for _, flag := range c.flags {
		name, path, ok := strings.Cut(flag.value, ":")
		if !ok {
			path = "/"
		}
		switch flag.name {
		case "cache":
			run.Cache(path, name)
		case "secret":
			run.Secret(path, name)
		case "mount":
			tree, err := b.find(name, c)
			if err != nil {
				return none, false, err
			}
			run.MountReadOnly(path, tree)
		case "network":
			run.Network(networks[flag.value])
		}
	}
	return run.Root(), true, nil
}

func (b *builder) copy(c *call) (none lapstrake.State, ok bool, err error) {
	var tree lapstrake.State
	if len(c.flags) > 0 {
		if tree, err = b.find(c.flags[len(c.flags)-1].value, c); err != nil {
			return none, false, err
		}
	} else {
		tree = b.graph.Local(lapstrake.MainContext).Name("load the context")
	}
	return b.now.state.File().Copy(tree, c.words[0], c.words[1]).Done(), true, nil
}

func (b *builder) merge(c *call) (lapstrake.State, bool, error) {
	states := append([]lapstrake.State{b.now.state}, b.findAll(c.words, c)...)
	return b.graph.Merge(states...), true, nil
}

func (b *builder) diff(c *call) (none lapstrake.State, ok bool, err error) {
	found := b.findAll(c.words[:2], c)
	if len(found) < 2 {
		return none, false, nil
	}
	return b.graph.Diff(found[0], found[1]), true, nil
}

// Finds stages, and notes those that are not there.
func (b *builder) findAll(names []string, c *call) (found []lapstrake.State) {
	for _, name := range names {
		state, err := b.find(name, c)
		if wrong, ok := errors.AsType[*problem](err); ok {
			b.errors = append(b.errors, wrong.Diagnostic)
		} else {
			found = append(found, state)
		}
	}
	return found
}

// Finds a stage above.
func (b *builder) find(name string, c *call) (lapstrake.State, error) {
	var names []string
	for _, stage := range b.stages {
		if stage.name == name {
			return stage.state, nil
		}
		names = append(names, stage.name)
	}
	wrong := lapstrake.Error("UnknownStage", fmt.Sprintf("there is no stage %s above", name), c.place)
	return lapstrake.State{}, &problem{meant(wrong, name, names)}
}

// Adds the word that was meant, if one is near.
func meant(wrong lapstrake.Diagnostic, word string, known []string) lapstrake.Diagnostic {
	if near := lapstrake.DidYouMean(word, known...); near != "" {
		return lapstrake.WithHelp(wrong, fmt.Sprintf("did you mean %s?", near))
	}
	return wrong
}
