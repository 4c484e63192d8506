// What each instruction does to the graph and the image. Knows nothing of text.
#pragma once

#include "lines.h"

// A named part of the build file.
typedef struct {
  lap_str name;
  lap_state state;
  lap_config config;
  bool has_range;
  lap_range range;
} stage;

typedef struct {
  stage *ptr;
  size_t len;
} stages;

// Goes through the lines for one platform. The last of the stages is the one that is being made.
typedef struct {
  lap_graph *graph;
  const lap_platform *platform;
  lap_str shell;
  stages stages;
  lap_diagnostics errors, warnings;
} builder;

builder new_builder(lap_graph *graph, const lap_request *request, const lap_platform *platform);
// Does what a line says, or notes why not.
void do_line(builder *builder, const line *line);
