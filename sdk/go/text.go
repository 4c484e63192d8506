package lapstrake

import "strings"

// Lines says where the lines of a source are. Lines and columns count from 1, columns in bytes.
type Lines struct {
	// Text is the whole source.
	Text string
	// File is its index in the graph's source files.
	File uint32
	// Lines are its lines without their ends.
	Lines []string
}

// NewLines splits a text at its line ends, with or without a carriage return.
func NewLines(text string, file uint32) *Lines {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	return &Lines{Text: text, File: file, Lines: lines}
}

// Line gives the range of a whole line, without its end.
func (l *Lines) Line(number int) SourceRange {
	return l.Part(number, 0, len(l.Lines[number-1]))
}

// Part gives the range of the bytes start to stop of a line, counted from 0.
func (l *Lines) Part(number, start, stop int) SourceRange {
	at := func(offset int) Position {
		return Position{Line: uint32(number), Column: uint32(offset) + 1}
	}
	return SourceRange{File: l.File, Start: at(start), Stop: at(stop)}
}

// What is longer than this is no word that somebody mistyped.
const longestWord = 64

// DidYouMean finds the candidate that was probably meant; it is empty where nothing is near.
//
// Near is an edit distance (insert, delete, replace, swap neighbours) of at most a third of the word's length, rounded up.
// Letters of another case are equal; among equally near candidates the first wins.
func DidYouMean(word string, candidates ...string) string {
	wanted := []rune(lower(word))
	if len(wanted) == 0 || len(wanted) > longestWord {
		return ""
	}
	best, nearest := "", -1
	for _, candidate := range candidates {
		other := []rune(lower(candidate))
		limit := min((len(wanted)+2)/3, max(len(wanted), len(other))-1)
		if max(len(wanted)-len(other), len(other)-len(wanted)) > limit {
			continue
		}
		if near := distance(wanted, other); near <= limit && (nearest < 0 || near < nearest) {
			best, nearest = candidate, near
		}
	}
	return best
}

// Only ASCII has the same lower case everywhere.
func lower(text string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + ('a' - 'A')
		}
		return c
	}, text)
}

// Optimal string alignment.
func distance(a, b []rune) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j-1]+cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
