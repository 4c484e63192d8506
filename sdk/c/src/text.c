// Texts: making them, paths, lines and the word that was meant. Knows nothing of graphs.

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lapstrake.h"

lap_str lap_text(const char *text) { return (lap_str){(uint8_t *)text, strlen(text)}; }

lap_str lap_slice(lap_str text, size_t start, size_t stop) {
  if (stop > text.len) stop = text.len;
  if (start > stop) start = stop;
  return (lap_str){text.ptr + start, stop - start};
}

bool lap_equal(lap_str a, lap_str b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

bool lap_is(lap_str text, const char *other) { return lap_equal(text, lap_text(other)); }

bool lap_starts(lap_str text, const char *with) {
  size_t length = strlen(with);
  return text.len >= length && memcmp(text.ptr, with, length) == 0;
}

size_t lap_find(lap_str text, const char *any) {
  for (size_t at = 0; at < text.len; at++) {
    for (const char *one = any; *one != 0; one++) {
      if (text.ptr[at] == (uint8_t)*one) return at;
    }
  }
  return text.len;
}

lap_str lap_trim(lap_str text) {
  while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) text = lap_slice(text, 1, text.len);
  while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) text.len--;
  return text;
}

bool lap_split(lap_str text, const char *any, lap_str *before, lap_str *after) {
  size_t at = lap_find(text, any);
  *before = lap_slice(text, 0, at);
  *after = lap_slice(text, at + 1, text.len);
  return at < text.len;
}

static void append(lap_str *out, size_t *room, const uint8_t *data, size_t length) {
  if (out->len + length > *room) {
    *room = (out->len + length) * 2 + 16;
    out->ptr = realloc(out->ptr, *room);
  }
  memcpy(out->ptr + out->len, data, length);
  out->len += length;
}

lap_str lap_format(const char *format, ...) {
  lap_str out = {NULL, 0};
  size_t room = 0;
  va_list values;
  va_start(values, format);
  for (const char *at = format; *at != 0; at++) {
    if (*at != '%') {
      append(&out, &room, (const uint8_t *)at, 1);
      continue;
    }
    switch (*++at) {
    case 's': {
      lap_str text = va_arg(values, lap_str);
      append(&out, &room, text.ptr, text.len);
      break;
    }
    case 'c': {
      const char *text = va_arg(values, const char *);
      append(&out, &room, (const uint8_t *)text, strlen(text));
      break;
    }
    case 'u': {
      uint32_t number = va_arg(values, uint32_t);
      uint8_t digits[10];
      size_t place = sizeof digits;
      do {
        digits[--place] = '0' + number % 10;
        number /= 10;
      } while (number > 0);
      append(&out, &room, digits + place, sizeof digits - place);
      break;
    }
    default:
      append(&out, &room, (const uint8_t *)at, 1);
    }
  }
  va_end(values);
  return out;
}

lap_str lap_join(lap_str directory, lap_str path) {
  if (path.len > 0 && path.ptr[0] == '/') directory.len = 0;
  lap_str out = {malloc(directory.len + path.len + 2), 0};
  lap_str both[2] = {directory, path};
  for (int i = 0; i < 2; i++) {
    lap_str rest = both[i], part;
    do {
      lap_split(rest, "/", &part, &rest);
      if (lap_is(part, "..")) {
        while (out.len > 0 && out.ptr[out.len - 1] != '/') out.len--;
        if (out.len > 0) out.len--;
      } else if (part.len > 0 && !lap_is(part, ".")) {
        out.ptr[out.len++] = '/';
        memcpy(out.ptr + out.len, part.ptr, part.len);
        out.len += part.len;
      }
    } while (rest.len > 0);
  }
  if (out.len == 0) out.ptr[out.len++] = '/';
  return out;
}

lap_str lap_join_keeping_slash(lap_str directory, lap_str path) {
  lap_str out = lap_join(directory, path);
  lap_str last = lap_slice(path, path.len < 2 ? 0 : path.len - 2, path.len);
  bool is_directory = path.len == 0 || lap_is(path, ".") || lap_is(last, "/.") || path.ptr[path.len - 1] == '/';
  if (is_directory && out.ptr[out.len - 1] != '/') out.ptr[out.len++] = '/';
  return out;
}

bool lap_next_line(lap_str text, lap_line *line) {
  if (line->number > 0 && line->end >= text.len) return false;
  size_t start = line->number == 0 ? 0 : line->end + 1;
  lap_str rest = lap_slice(text, start, text.len);
  size_t length = lap_find(rest, "\n");
  line->number++;
  line->end = start + length;
  line->text = lap_slice(rest, 0, length);
  if (length > 0 && line->text.ptr[length - 1] == '\r') line->text.len--;
  return true;
}

lap_range lap_part(uint32_t file, const lap_line *line, lap_str part) {
  uint32_t column = (uint32_t)(part.ptr - line->text.ptr) + 1;
  return (lap_range){file, {line->number, column}, {line->number, column + (uint32_t)part.len}};
}

// Letters: code points, the ASCII ones in lower case.
static size_t letters(lap_str text, uint32_t *out, size_t most) {
  size_t count = 0;
  for (size_t at = 0; at < text.len; at++) {
    uint8_t byte = text.ptr[at];
    if ((byte & 0xc0) == 0x80) {
      if (count > 0) out[count - 1] = out[count - 1] << 6 | (byte & 0x3f);
      continue;
    }
    if (count == most) return most + 1;
    uint32_t first = byte < 0x80 ? byte : byte < 0xe0 ? byte & 0x1f : byte < 0xf0 ? byte & 0x0f : byte & 0x07;
    out[count++] = first >= 'A' && first <= 'Z' ? first + 32 : first;
  }
  return count;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

#define LONGEST 64

// Optimal string alignment.
static size_t distance(const uint32_t *a, size_t m, const uint32_t *b, size_t n) {
  size_t rows[3][2 * LONGEST + 1];
  size_t *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= n; j++) last[j] = j;
  for (size_t i = 1; i <= m; i++) {
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), least(last[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], before[j - 2] + 1);
    }
    size_t *free_row = before;
    before = last;
    last = row;
    row = free_row;
  }
  return last[n];
}

bool lap_did_you_mean(lap_str word, const lap_str *candidates, size_t count, lap_str *meant) {
  uint32_t wanted[LONGEST], other[2 * LONGEST];
  size_t m = letters(word, wanted, LONGEST), best = SIZE_MAX;
  if (m == 0 || m > LONGEST) return false;
  for (size_t i = 0; i < count; i++) {
    size_t n = letters(candidates[i], other, 2 * LONGEST);
    size_t limit = least((m + 2) / 3, (m > n ? m : n) - 1);
    if (n > 2 * LONGEST || (m > n ? m - n : n - m) > limit) continue;
    size_t found = distance(wanted, m, other, n);
    if (found <= limit && found < best) {
      best = found;
      *meant = candidates[i];
    }
  }
  return best != SIZE_MAX;
}
