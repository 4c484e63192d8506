// The text: words, flags, variables and their places. Knows nothing of what instructions do.
#pragma once

#include <lapstrake.h>

// One instruction: its first word, what follows with variables replaced, and the whole of it as it stands there.
typedef struct {
  lap_str word, rest, text;
  lap_range range, word_range;
} line;

typedef struct {
  line *ptr;
  size_t len;
} lines;

// A flag, or any other pair of a name and a value.
typedef struct {
  lap_str name, value;
} flag;

typedef struct {
  flag *ptr;
  size_t len;
} flags;

// Reads all lines; a variable that is not there is an error.
lines read_lines(const lap_source *source, uint32_t file, const lap_request *request, lap_diagnostics *errors);
// The flags before the first word that is none; `rest` is what follows.
flags flags_of(const line *line, lap_str *rest);
// The words of a text.
lap_strs words_of(lap_str text);
// The first word and what follows.
void first_word(lap_str text, lap_str *word, lap_str *rest);
