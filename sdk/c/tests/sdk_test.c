// The SDK natively, without Wasm and without a host: sdk/test.sh compiles and runs it.

#include <stdio.h>
#include <stdlib.h>

#include "lapstrake.h"

static int failed;

#define CHECK(what) check(what, #what, __LINE__)
static void check(bool good, const char *what, int line) {
  if (good) return;
  fprintf(stderr, "line %d: %s\n", line, what);
  failed = 1;
}

static bool same(lap_edge a, lap_edge b) { return a.vertex == b.vertex && a.output == b.output; }

static void texts(void) {
  lap_str before, after;
  CHECK(lap_is(lap_trim(lap_text(" \ta b\t ")), "a b"));
  CHECK(lap_split(lap_text("key=value=x"), "=", &before, &after));
  CHECK(lap_is(before, "key") && lap_is(after, "value=x"));
  CHECK(!lap_split(lap_text("key"), "=", &before, &after) && lap_is(before, "key") && after.len == 0);
  CHECK(lap_is(lap_format("%s has %u of %c", lap_text("one"), 3u, "these"), "one has 3 of these"));
  CHECK(lap_is(lap_join(lap_text("/a/b"), lap_text("../c/./d/")), "/a/c/d"));
  CHECK(lap_is(lap_join(lap_text("/a"), lap_text("/../..")), "/"));
  CHECK(lap_is(lap_join_keeping_slash(lap_text("/a"), lap_text("b/")), "/a/b/"));
  lap_str words[] = {lap_text("say"), lap_text("into")}, meant;
  CHECK(lap_did_you_mean(lap_text("sya"), words, 2, &meant) && lap_is(meant, "say"));
  CHECK(!lap_did_you_mean(lap_text("environment"), words, 2, &meant));
}

static void lines(void) {
  lap_str text = lap_text("one\r\nt\303\274 two\n\nlast");
  lap_line line = {0};
  CHECK(lap_next_line(text, &line) && line.number == 1 && lap_is(line.text, "one"));
  CHECK(lap_next_line(text, &line) && line.number == 2);
  lap_str before, after;
  lap_split(line.text, " ", &before, &after);
  lap_range range = lap_part(7, &line, after);
  CHECK(range.file == 7 && range.start.line == 2 && range.start.column == 5 && range.stop.column == 8);
  CHECK(lap_next_line(text, &line) && line.text.len == 0);
  CHECK(lap_next_line(text, &line) && line.number == 4 && lap_is(line.text, "last"));
  CHECK(!lap_next_line(text, &line));
}

static lap_platform amd64(void) {
  lap_platform platform = {.os = lap_text("linux"), .architecture = lap_text("amd64")};
  return platform;
}

static lap_state built(lap_graph *graph, const lap_platform *platform) {
  lap_str args[] = {lap_text("make")};
  lap_run run = lap_command(lap_from_image(graph, lap_text("a"), platform), args, 1);
  return lap_root(&run);
}

static void graphs(void) {
  lap_graph *graph = lap_graph_new();
  lap_platform platform = amd64();
  CHECK(same(built(graph, &platform).edge, built(graph, &platform).edge));
  CHECK(!same(lap_from_image(graph, lap_text("a"), NULL).edge, lap_from_image(graph, lap_text("a"), &platform).edge));

  // Scratch is left out, and one tree alone is itself.
  lap_state base = lap_from_image(graph, lap_text("a"), NULL);
  lap_state layers[] = {lap_scratch(graph), base};
  CHECK(same(lap_merge(graph, layers, 2).edge, base.edge));
  CHECK(same(lap_diff(lap_scratch(graph), base).edge, base.edge));

  // States are values.
  lap_state inside = lap_dir(base, lap_text("/src/../work"));
  CHECK(lap_is(lap_directory(inside), "/work") && lap_is(lap_directory(base), "/"));
}

static void definitions(void) {
  lap_graph *graph = lap_graph_new();
  lap_from_image(graph, lap_text("unused"), NULL);
  lap_state base = built(graph, NULL);
  lap_files files = lap_change(lap_scratch(graph));
  lap_copy(&files, base, lap_text("/out"), lap_text("/"));
  lap_write(&files, lap_text("/version"), lap_text("1\n"));
  lap_edge root = lap_changed(&files).edge;
  lap_definition definition = lap_needed(graph, &root, 1);
  CHECK(definition.vertices.len == 3 && root.vertex == 2 && root.output == 0);
  CHECK(definition.vertices.ptr[0].op.tag == LAPSTRAKE_FRONTEND_LLB_OP_SOURCE);
  CHECK(definition.vertices.ptr[1].op.tag == LAPSTRAKE_FRONTEND_LLB_OP_EXEC);
  CHECK(definition.vertices.ptr[2].op.tag == LAPSTRAKE_FRONTEND_LLB_OP_FILE);
  CHECK(definition.vertices.ptr[2].op.val.file.len == 2);
}

static void pairs(void) {
  lap_pairs list = {NULL, 0};
  lap_str value;
  lap_set(&list, lap_text("A"), lap_text("1"));
  lap_set(&list, lap_text("B"), lap_text("2"));
  lap_set(&list, lap_text("A"), lap_text("3"));
  CHECK(list.len == 2 && lap_get(&list, lap_text("A"), &value) && lap_is(value, "3"));
  CHECK(!lap_get(&list, lap_text("C"), &value));
}

int main(void) {
  texts();
  lines();
  graphs();
  definitions();
  pairs();
  return failed;
}
