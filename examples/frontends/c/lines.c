// The text: words, flags, variables and their places.

#include "lines.h"

#include <stdlib.h>

void first_word(lap_str text, lap_str *word, lap_str *rest) {
  lap_split(text, " \t", word, rest);
  *rest = lap_trim(*rest);
}

lap_strs words_of(lap_str text) {
  lap_strs words = {0};
  while (text.len > 0) {
    lap_str word;
    lap_split(text, " \t", &word, &text);
    if (word.len > 0) LAP_PUSH(words, word);
  }
  return words;
}

flags flags_of(const line *line, lap_str *rest) {
  flags found = {0};
  *rest = line->rest;
  while (lap_starts(*rest, "--")) {
    lap_str word;
    flag one;
    first_word(lap_slice(*rest, 2, rest->len), &word, rest);
    lap_split(word, "=", &one.name, &one.value);
    LAP_PUSH(found, one);
  }
  return found;
}

// Where a mark of two characters is; the length: nowhere.
static size_t find_mark(lap_str text) {
  for (size_t at = 0; at + 1 < text.len; at++) {
    if (text.ptr[at] == '$' && text.ptr[at + 1] == '{') return at;
  }
  return text.len;
}

// Replaces every ${NAME}; the last variable of a name counts.
static lap_str replace(lap_str text, const flags *variables, lap_range range, lap_diagnostics *errors) {
  lap_str out = {0};
  for (;;) {
    size_t mark = find_mark(text);
    lap_str name, rest;
    if (mark == text.len || !lap_split(lap_slice(text, mark + 2, text.len), "}", &name, &rest)) break;
    lap_str value = {0};
    size_t i = variables->len;
    while (i > 0 && !lap_equal(variables->ptr[i - 1].name, name)) i--;
    if (i > 0) {
      value = variables->ptr[i - 1].value;
    } else {
      lap_diagnostic error = lap_problem(true, "UnknownVariable", lap_format("there is no variable %s", name), range);
      lap_help(&error, lap_format("a line before can say: arg %s=", name));
      LAP_PUSH(*errors, error);
    }
    out = lap_format("%s%s%s", out, lap_slice(text, 0, mark), value);
    text = rest;
  }
  return lap_format("%s%s", out, text);
}

lines read_lines(const lap_source *source, uint32_t file, const lap_request *request, lap_diagnostics *errors) {
  lines all = {0};
  flags variables = {0};
  lap_line raw = {0};
  while (lap_next_line(source->text, &raw)) {
    line one = {.text = lap_trim(raw.text)};
    if (one.text.len == 0 || lap_starts(one.text, "#")) continue;
    first_word(one.text, &one.word, &one.rest);
    one.range = lap_part(file, &raw, one.text);
    one.word_range = lap_part(file, &raw, one.word);
    if (!lap_is(one.word, "run")) one.rest = replace(one.rest, &variables, one.range, errors);
    if (lap_is(one.word, "arg")) {
      flag variable;
      lap_split(one.rest, "=", &variable.name, &variable.value);
      lap_get(&request->build_args, variable.name, &variable.value);
      LAP_PUSH(variables, variable);
    }
    LAP_PUSH(all, one);
  }
  return all;
}
