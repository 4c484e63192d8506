// What each instruction does to the graph and the image.

#include "stages.h"

#include <stdlib.h>

// The instructions, and how many words each needs.
static const struct {
  const char *name;
  uint32_t words;
} INSTRUCTIONS[] = {
    {"arg", 1}, {"stage", 1}, {"from", 1},  {"env", 1},    {"dir", 1},  {"user", 1},  {"run", 1},  {"copy", 2},
    {"write", 2}, {"mkdir", 1}, {"remove", 1}, {"link", 2}, {"merge", 1}, {"diff", 2}, {"cmd", 1}, {"label", 1},
};
#define COUNT (sizeof INSTRUCTIONS / sizeof *INSTRUCTIONS)

static void add_stage(builder *builder, lap_str name, const lap_range *range) {
  stage stage = {.name = name, .has_range = range != NULL};
  if (range != NULL) stage.range = *range;
  stage.state = lap_for_platform(lap_scratch(builder->graph), builder->platform);
  stage.config.platform = *builder->platform;
  LAP_PUSH(builder->stages, stage);
}

builder new_builder(lap_graph *graph, const lap_request *request, const lap_platform *platform) {
  builder builder = {.graph = graph, .platform = platform, .shell = lap_text("/bin/sh")};
  lap_str line = {0};
  if (lap_get(&request->options, lap_text("cmdline"), &line)) {
    lap_strs words = words_of(line);
    for (size_t i = 0; i < words.len; i++) {
      if (lap_starts(words.ptr[i], "shell=")) builder.shell = lap_slice(words.ptr[i], 6, words.ptr[i].len);
    }
  }
  add_stage(&builder, lap_text("main"), NULL);
  return builder;
}

static stage *now(builder *builder) { return &builder->stages.ptr[builder->stages.len - 1]; }

static lap_diagnostic *note(builder *builder, const char *code, lap_str message, lap_range range) {
  lap_diagnostic error = lap_problem(true, code, message, range);
  LAP_PUSH(builder->errors, error);
  return &builder->errors.ptr[builder->errors.len - 1];
}

static void meant(lap_diagnostic *error, lap_str word, const lap_str *known, size_t count) {
  lap_str found;
  if (lap_did_you_mean(word, known, count, &found)) lap_help(error, lap_format("did you mean %s?", found));
}

// The stage of a name above; NULL, and an error, where there is none.
static const stage *find(builder *builder, lap_str name, const line *line) {
  size_t above = builder->stages.len - 1;
  lap_str *known = malloc((above + 1) * sizeof *known);
  for (size_t i = 0; i < above; i++) {
    if (lap_equal(builder->stages.ptr[i].name, name)) return &builder->stages.ptr[i];
    known[i] = builder->stages.ptr[i].name;
  }
  lap_diagnostic *error = note(builder, "UnknownStage", lap_format("there is no stage %s above", name), line->range);
  meant(error, name, known, above);
  return NULL;
}

static void begin_stage(builder *builder, lap_str name, const line *line) {
  for (size_t i = 0; i < builder->stages.len; i++) {
    const stage *first = &builder->stages.ptr[i];
    if (!lap_equal(first->name, name)) continue;
    lap_diagnostic *error = note(builder, "DuplicateStage", lap_format("there are two stages %s", name), line->range);
    if (first->has_range) lap_related(error, lap_text("the first one is here"), first->range);
    return;
  }
  add_stage(builder, name, &line->range);
}

static void from(builder *builder, lap_str reference, const line *line) {
  stage *stage = now(builder);
  if (lap_is(reference, "scratch")) {
    stage->state = lap_for_platform(lap_scratch(builder->graph), builder->platform);
    return;
  }
  for (size_t i = 0; i + 1 < builder->stages.len; i++) {
    if (!lap_equal(builder->stages.ptr[i].name, reference)) continue;
    stage->state = builder->stages.ptr[i].state;
    stage->config = builder->stages.ptr[i].config;
    return;
  }
  lap_str name = reference, rest = reference;
  while (lap_split(rest, "/", &name, &rest)) continue;
  if (lap_find(name, ":@") == name.len) {
    lap_str message = lap_format("%s names no version of the image", reference);
    lap_diagnostic warning = lap_problem(false, "NoTag", message, line->range);
    lap_help(&warning, lap_format("say %s:VERSION", reference));
    LAP_PUSH(builder->warnings, warning);
  }
  lapstrake_frontend_host_image_info_t image;
  lap_str message;
  if (!lap_resolve(reference, builder->platform, &image, &message)) {
    note(builder, "NoImage", message, line->range);
    return;
  }
  lap_state state = lap_from_image(builder->graph, image.reference, builder->platform);
  state = lap_at(lap_name(state, line->text), line->range);
  for (size_t i = 0; i < image.config.env.len; i++) {
    state = lap_env(state, image.config.env.ptr[i].key, image.config.env.ptr[i].value);
  }
  stage->state = state;
  stage->config = image.config;
}

static bool run(builder *builder, const flags *flags, lap_str command, const line *line, lap_state *changed) {
  lap_str args[] = {builder->shell, lap_text("-c"), command};
  lap_run run = lap_command(now(builder)->state, args, 3);
  for (size_t i = 0; i < flags->len; i++) {
    lap_str name, path, flag = flags->ptr[i].name, value = flags->ptr[i].value;
    if (!lap_split(value, ":", &name, &path)) path = lap_text("/");
    if (lap_is(flag, "cache")) {
      lap_cache(&run, path, name);
    } else if (lap_is(flag, "secret")) {
      lap_secret(&run, path, name);
    } else if (lap_is(flag, "mount")) {
      const stage *tree = find(builder, name, line);
      if (tree == NULL) return false;
      lap_mount(&run, path, tree->state, true);
    } else {
      run.op.network = lap_is(value, "none")   ? LAPSTRAKE_FRONTEND_LLB_NETWORK_MODE_NO_NETWORK
                       : lap_is(value, "host") ? LAPSTRAKE_FRONTEND_LLB_NETWORK_MODE_HOST_NETWORK
                                               : LAPSTRAKE_FRONTEND_LLB_NETWORK_MODE_SANDBOX;
    }
  }
  *changed = lap_root(&run);
  return true;
}

// Changes files of the present stage; whether that worked.
static bool files(builder *builder, const flags *flags, lap_str rest, lap_strs words, const line *line, lap_state *changed) {
  lap_files files = lap_change(now(builder)->state);
  if (lap_is(line->word, "copy")) {
    lap_state tree;
    if (flags->len > 0) {
      const stage *stage = find(builder, flags->ptr[flags->len - 1].value, line);
      if (stage == NULL) return false;
      tree = stage->state;
    } else {
      tree = lap_name(lap_local(builder->graph, lap_text("context")), lap_text("load the context"));
    }
    lap_copy(&files, tree, words.ptr[0], words.ptr[1]);
  } else if (lap_is(line->word, "write")) {
    lap_str first, text;
    first_word(rest, &first, &text);
    lap_write(&files, first, lap_format("%s\n", text));
  } else if (lap_is(line->word, "mkdir")) {
    lap_mkdir(&files, words.ptr[0]);
  } else if (lap_is(line->word, "remove")) {
    lap_rm(&files, words.ptr[0]);
  } else {
    lap_symlink(&files, words.ptr[1], words.ptr[0]);
  }
  *changed = lap_changed(&files);
  return true;
}

static bool layers(builder *builder, lap_strs words, const line *line, lap_state *changed) {
  bool is_diff = lap_is(line->word, "diff");
  lap_state *found = malloc((words.len + 1) * sizeof *found);
  size_t count = 0, asked = is_diff ? 2 : words.len;
  if (!is_diff) found[count++] = now(builder)->state;
  for (size_t i = 0; i < asked; i++) {
    const stage *stage = find(builder, words.ptr[i], line);
    if (stage != NULL) found[count++] = stage->state;
  }
  if (is_diff && count < 2) return false;
  *changed = is_diff ? lap_diff(found[0], found[1]) : lap_merge(builder->graph, found, count);
  return true;
}

static void instruction(builder *builder, const line *line, const flags *flags, lap_str rest, lap_strs words) {
  stage *stage = now(builder);
  lap_str name, value;
  lap_state changed;
  bool done;
  lap_split(rest, "=", &name, &value);
  if (lap_is(line->word, "arg")) return;
  if (lap_is(line->word, "stage")) {
    begin_stage(builder, words.ptr[0], line);
    return;
  }
  if (lap_is(line->word, "from")) {
    from(builder, words.ptr[0], line);
    return;
  }
  if (lap_is(line->word, "env")) {
    lap_set(&stage->config.env, name, value);
    stage->state = lap_env(stage->state, name, value);
    return;
  }
  if (lap_is(line->word, "dir")) {
    stage->state = lap_dir(stage->state, words.ptr[0]);
    stage->config.working_dir = lap_directory(stage->state);
    return;
  }
  if (lap_is(line->word, "user")) {
    stage->config.user = words.ptr[0];
    stage->state = lap_user(stage->state, words.ptr[0]);
    return;
  }
  if (lap_is(line->word, "cmd")) {
    stage->config.cmd.is_some = true;
    stage->config.cmd.val = words;
    return;
  }
  if (lap_is(line->word, "label")) {
    lap_set(&stage->config.labels, name, value);
    return;
  }
  if (lap_is(line->word, "run")) done = run(builder, flags, rest, line, &changed);
  else if (lap_is(line->word, "merge") || lap_is(line->word, "diff")) done = layers(builder, words, line, &changed);
  else done = files(builder, flags, rest, words, line, &changed);
  if (done) now(builder)->state = lap_at(lap_name(changed, line->text), line->range);
}

static bool knows(const line *line, lap_str flag) {
  if (lap_is(line->word, "copy")) return lap_is(flag, "from");
  bool known = lap_is(flag, "cache") || lap_is(flag, "mount") || lap_is(flag, "secret") || lap_is(flag, "network");
  return lap_is(line->word, "run") && known;
}

void do_line(builder *builder, const line *line) {
  lap_str names[COUNT], rest;
  size_t place = COUNT;
  for (size_t i = 0; i < COUNT; i++) {
    names[i] = lap_text(INSTRUCTIONS[i].name);
    if (lap_equal(line->word, names[i])) place = i;
  }
  if (place == COUNT) {
    lap_str message = lap_format("there is no instruction %s", line->word);
    meant(note(builder, "UnknownInstruction", message, line->word_range), line->word, names, COUNT);
    return;
  }
  flags flags = flags_of(line, &rest);
  lap_strs words = words_of(rest);
  uint32_t needed = INSTRUCTIONS[place].words;
  if (words.len < needed) {
    lap_str message = lap_format("%s needs %u words, not %u", line->word, needed, (uint32_t)words.len);
    note(builder, "MissingArgument", message, line->range);
    return;
  }
  for (size_t i = 0; i < flags.len; i++) {
    if (knows(line, flags.ptr[i].name)) continue;
    note(builder, "UnknownFlag", lap_format("%s has no flag --%s", line->word, flags.ptr[i].name), line->range);
    return;
  }
  instruction(builder, line, &flags, rest, words);
}
