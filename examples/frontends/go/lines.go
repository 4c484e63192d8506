package main

import (
	"fmt"
	"strings"

	lapstrake "github.com/lapstrake/lapstrake/sdk/go"
)

// The text: words, flags, variables and their places. Knows nothing of what instructions do.

const space = " \t"

// A flag of an instruction.
type flag struct{ name, value string }

// One instruction: its first word, what follows with variables replaced, and the whole of it as it stands there.
type line struct {
	word, rest, text string
	place, wordPlace lapstrake.SourceRange
}

// Gives the first word and what follows.
func split(text string) (word, rest string) {
	end := strings.IndexAny(text, space)
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.Trim(text[end:], space)
}

// Gives the flags before the first word that is none, and the rest.
func (l *line) flags() (flags []flag, rest string) {
	rest = l.rest
	for strings.HasPrefix(rest, "--") {
		var text string
		text, rest = split(rest[2:])
		name, value, _ := strings.Cut(text, "=")
		flags = append(flags, flag{name, value})
	}
	return flags, rest
}

// Reads all lines; a variable that is not there is an error.
func read(lines *lapstrake.Lines, request *lapstrake.Request) (out []line, errors []lapstrake.Diagnostic) {
	variables := make(map[string]string)
	for i, raw := range lines.Lines {
		text := strings.Trim(raw, space)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		start := strings.Index(raw, text)
		now := line{text: text, place: lines.Part(i+1, start, start+len(text))}
		now.word, now.rest = split(text)
		now.wordPlace = lines.Part(i+1, start, start+len(now.word))
		if now.word != "run" {
			var problems []lapstrake.Diagnostic
			now.rest, problems = replace(now.rest, variables, now.place)
			errors = append(errors, problems...)
		}
		if now.word == "arg" {
			name, value, _ := strings.Cut(now.rest, "=")
			if given, ok := lapstrake.BuildArg(request, name); ok {
				value = given
			}
			variables[name] = value
		}
		out = append(out, now)
	}
	return out, errors
}

// Replaces every `${NAME}`.
func replace(text string, variables map[string]string, place lapstrake.SourceRange) (string, []lapstrake.Diagnostic) {
	var out strings.Builder
	var errors []lapstrake.Diagnostic
	for {
		before, after, ok := strings.Cut(text, "${")
		name, rest, closed := strings.Cut(after, "}")
		if !ok || !closed {
			break
		}
		text = rest
		out.WriteString(before)
		value, known := variables[name]
		if !known {
			problem := lapstrake.Error("UnknownVariable", "there is no variable "+name, place)
			errors = append(errors, lapstrake.WithHelp(problem, fmt.Sprintf("a line before can say: arg %s=", name)))
		}
		out.WriteString(value)
	}
	out.WriteString(text)
	return out.String(), errors
}
