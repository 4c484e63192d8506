// A build language of lines, as STEPS.md in the folder above describes it. Here: from a request to a result.

#include "stages.h"

#include <stdlib.h>

static void describe(lap_info *info) {
  info->name = lap_text("steps");
  info->version = lap_text("0.1.0");
  LAP_PUSH(info->file_patterns, lap_text("*.steps"));
  exports_lapstrake_frontend_frontend_option_info_t option = {
      .name = lap_text("cmdline"), .description = lap_text("shell=PATH: the shell of run")};
  option.default_value.is_some = true;
  option.default_value.val = lap_text("shell=/bin/sh");
  LAP_PUSH(info->options, option);
}

static bool build(lap_request *request, lap_result *result, lap_error *error) {
  lap_graph *graph = lap_graph_new();
  const lap_source *source = &request->sources.ptr[0];
  lap_diagnostics errors = {0}, warnings = {0};
  lines lines = read_lines(source, lap_source_file(graph, source), request, &errors);
  struct {
    lap_image *ptr;
    size_t len;
  } images = {0};
  size_t count;
  const lap_platform *platforms = lap_platforms(request, &count);
  for (size_t i = 0; i < count; i++) {
    builder builder = new_builder(graph, request, &platforms[i]);
    for (size_t j = 0; j < lines.len; j++) do_line(&builder, &lines.ptr[j]);
    // What is said of the file is the same for every platform.
    if (images.len == 0) {
      for (size_t j = 0; j < builder.errors.len; j++) LAP_PUSH(errors, builder.errors.ptr[j]);
      warnings = builder.warnings;
    }
    if (errors.len > 0) return lap_invalid(error, graph, errors);
    size_t place = builder.stages.len - 1;
    if (request->target.is_some) {
      place = 0;
      while (place < builder.stages.len && !lap_equal(builder.stages.ptr[place].name, request->target.val)) place++;
      if (place == builder.stages.len) return lap_unknown_target(error, request->target.val);
    }
    lap_image image = lap_built(builder.stages.ptr[place].state, &builder.stages.ptr[place].config);
    LAP_PUSH(images, image);
  }
  lap_finish(graph, images.ptr, images.len, warnings, result);
  return true;
}

static bool outline(lap_request *request, lap_outline *outline, lap_error *error) {
  (void)error;
  lap_graph *graph = lap_graph_new();
  const lap_source *source = &request->sources.ptr[0];
  lap_diagnostics errors = {0};
  lines lines = read_lines(source, lap_source_file(graph, source), request, &errors);
  outline->target.name = request->target.is_some ? request->target.val : lap_text("main");
  for (size_t i = 0; i < lines.len; i++) {
    if (!lap_is(lines.ptr[i].word, "arg")) continue;
    exports_lapstrake_frontend_frontend_arg_info_t arg = {0};
    arg.default_value.is_some = true;
    lap_split(lines.ptr[i].rest, "=", &arg.name, &arg.default_value.val);
    arg.range.is_some = true;
    arg.range.val = lines.ptr[i].range;
    LAP_PUSH(outline->args, arg);
  }
  LAP_PUSH(outline->sources, *source);
  return true;
}

const lap_frontend lap_this_frontend = {.describe = describe, .build = build, .outline = outline};
