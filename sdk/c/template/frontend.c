// The {{name}} frontend: every line `say TEXT` becomes a line of a file in the image, `into PATH` says which.

#include <lapstrake.h>
#include <stdlib.h>

static void describe(lap_info *info) {
  info->name = lap_text("{{name}}");
  info->version = lap_text("0.1.0");
  LAP_PUSH(info->file_patterns, lap_text("*.{{name}}"));
}

static bool build(lap_request *request, lap_result *result, lap_error *error) {
  lap_graph *graph = lap_graph_new();
  const lap_source *source = &request->sources.ptr[0];
  uint32_t file = lap_source_file(graph, source);

  // Read. Every mistake is reported with its place, not just the first.
  lap_str text = {0}, path = lap_text("/hello.txt");
  lapstrake_frontend_llb_list_source_range_t said = {0};
  lap_diagnostics errors = {0};
  lap_line line = {0};
  while (lap_next_line(source->text, &line)) {
    lap_str word, value;
    lap_range range = lap_part(file, &line, line.text);
    lap_split(line.text, " ", &word, &value);
    if (lap_is(word, "say")) {
      text = lap_format("%s%s\n", text, value);
      LAP_PUSH(said, range);
    } else if (lap_is(word, "into")) {
      path = value;
    } else if (word.len > 0 && !lap_starts(word, "#")) {
      lap_str known[] = {lap_text("say"), lap_text("into")}, meant;
      lap_diagnostic problem = lap_problem(true, "UnknownWord", lap_format("there is no word \"%s\"", word), range);
      if (lap_did_you_mean(word, known, 2, &meant)) lap_help(&problem, lap_format("did you mean \"%s\"?", meant));
      LAP_PUSH(errors, problem);
    }
  }
  if (errors.len > 0) return lap_invalid(error, graph, errors);

  // Build the graph: one file in an empty tree, made of all the lines.
  lap_files files = lap_change(lap_scratch(graph));
  lap_write(&files, path, text);
  lap_state root = lap_name(lap_changed(&files), lap_format("say it in %s", path));
  for (size_t i = 0; i < said.len; i++) lap_at(root, said.ptr[i]);
  size_t count;
  const lap_platform *platforms = lap_platforms(request, &count);
  lap_image *images = calloc(count, sizeof *images);
  for (size_t i = 0; i < count; i++) {
    lap_config config = {.platform = platforms[i]};
    config.cmd.is_some = true;
    LAP_PUSH(config.cmd.val, lap_text("cat"));
    LAP_PUSH(config.cmd.val, path);
    images[i] = lap_built(root, &config);
  }
  lap_finish(graph, images, count, (lap_diagnostics){0}, result);
  return true;
}

const lap_frontend lap_this_frontend = {.describe = describe, .build = build};
