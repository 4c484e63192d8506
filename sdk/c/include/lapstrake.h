// Write a Lapstrake frontend in C: a graph builder, diagnostics, and what a frontend fills in. README.md has a tour.
//
// Nothing is ever freed: an instance of a component lives for one call. Texts are pointers with lengths and hold UTF-8.
// Every type of the contract is in frontend_world.h, which is generated from wit/lapstrake.wit.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend_world.h"

// ---- types of the contract under short names ----

typedef frontend_world_string_t lap_str;
typedef frontend_world_list_string_t lap_strs;
typedef lapstrake_frontend_llb_edge_t lap_edge;
typedef lapstrake_frontend_llb_platform_t lap_platform;
typedef lapstrake_frontend_llb_source_range_t lap_range;
typedef lapstrake_frontend_llb_source_file_t lap_source;
typedef lapstrake_frontend_llb_network_mode_t lap_network;
typedef lapstrake_frontend_llb_definition_t lap_definition;
typedef lapstrake_frontend_llb_vertex_t lap_vertex;
typedef lapstrake_frontend_llb_op_t lap_op;
typedef lapstrake_frontend_diagnostics_diagnostic_t lap_diagnostic;
typedef lapstrake_frontend_diagnostics_list_diagnostic_t lap_diagnostics;
typedef lapstrake_frontend_diagnostics_report_t lap_report;
typedef lapstrake_frontend_requests_image_config_t lap_config;
typedef lapstrake_frontend_requests_built_image_t lap_image;
typedef lapstrake_frontend_requests_request_t lap_request;
typedef lapstrake_frontend_requests_build_result_t lap_result;
typedef lapstrake_frontend_requests_build_error_t lap_error;
typedef exports_lapstrake_frontend_frontend_frontend_info_t lap_info;
typedef exports_lapstrake_frontend_frontend_outline_t lap_outline;
typedef exports_lapstrake_frontend_frontend_list_target_info_t lap_targets;
typedef exports_lapstrake_frontend_frontend_call_result_t lap_call_result;
typedef exports_lapstrake_frontend_frontend_list_completion_t lap_completions;
typedef exports_lapstrake_frontend_frontend_hover_t lap_hover;
typedef exports_lapstrake_frontend_frontend_rewritten_t lap_rewritten;
typedef exports_lapstrake_frontend_frontend_list_image_request_t lap_image_requests;
typedef lapstrake_frontend_llb_list_key_value_t lap_pairs;

// Appends to one of the contract's lists, all of which are `{ ptr, len }`.
#define LAP_PUSH(list, item)                                                                                            \
  do {                                                                                                                  \
    if (((list).len & ((list).len - 1)) == 0)                                                                           \
      (list).ptr = realloc((list).ptr, ((list).len == 0 ? 1 : (list).len * 2) * sizeof *(list).ptr);                    \
    (list).ptr[(list).len++] = (item);                                                                                  \
  } while (0)

// ---- texts ----

lap_str lap_text(const char *text);
lap_str lap_slice(lap_str text, size_t start, size_t stop);
bool lap_equal(lap_str a, lap_str b);
bool lap_is(lap_str text, const char *other);
bool lap_starts(lap_str text, const char *with);
// Where the first of these characters is; the length: there is none.
size_t lap_find(lap_str text, const char *any);
// Without spaces and tabs around it.
lap_str lap_trim(lap_str text);
// What stands before the first of these characters and after it; whether there is one.
bool lap_split(lap_str text, const char *any, lap_str *before, lap_str *after);
// %s is a lap_str, %c a C string, %u a uint32_t.
lap_str lap_format(const char *format, ...);
// An absolute, clean path; the second keeps a slash at the end of what names a directory.
lap_str lap_join(lap_str directory, lap_str path);
lap_str lap_join_keeping_slash(lap_str directory, lap_str path);
// The candidate that was probably meant.
bool lap_did_you_mean(lap_str word, const lap_str *candidates, size_t count, lap_str *meant);

// A line of a text, without its end. Numbers count from 1; begin with an empty one.
typedef struct {
  uint32_t number;
  lap_str text;
  size_t end;
} lap_line;
bool lap_next_line(lap_str text, lap_line *line);
// The range of a part of a line, which must be a slice of it.
lap_range lap_part(uint32_t file, const lap_line *line, lap_str part);

// ---- graphs ----

typedef struct lap_graph lap_graph;
typedef struct lap_scope lap_scope;

// A tree, and the environment, directory, user and platform of what runs in it. A value: functions give another one. What is
// said of the tree (lap_name, lap_at) is said of the vertex that makes it. Scratch has none.
typedef struct {
  lap_graph *graph;
  bool is_scratch;
  lap_edge edge;
  const lap_scope *scope;
} lap_state;

lap_graph *lap_graph_new(void);
// Adds a file that ranges refer to; its index in them.
uint32_t lap_source_file(lap_graph *graph, const lap_source *file);
// Adds an op, or finds an equal one; its index.
uint32_t lap_add(lap_graph *graph, const lap_op *op, const lap_platform *platform);
lap_state lap_scratch(lap_graph *graph);
// The platform is that of commands run in it, too; NULL: the worker's.
lap_state lap_from_image(lap_graph *graph, lap_str reference, const lap_platform *platform);
lap_state lap_local(lap_graph *graph, lap_str name);
lap_state lap_from_source(lap_graph *graph, const lapstrake_frontend_llb_source_op_t *source, const lap_platform *platform);
// Stacks trees, the lowest first. Scratch is left out; one tree alone is itself.
lap_state lap_merge(lap_graph *graph, const lap_state *states, size_t count);
// What `upper` has and `lower` has not. Against scratch that is `upper`.
lap_state lap_diff(lap_state lower, lap_state upper);
// The part of the graph that the edges need; they become edges in it.
lap_definition lap_needed(lap_graph *graph, lap_edge *roots, size_t count);
// Ends a build.
void lap_finish(lap_graph *graph, lap_image *images, size_t count, lap_diagnostics warnings, lap_result *result);

lap_state lap_with_edge(lap_state state, lap_edge edge);
lap_state lap_env(lap_state state, lap_str key, lap_str value);
lap_state lap_dir(lap_state state, lap_str path);
lap_state lap_user(lap_state state, lap_str user);
lap_state lap_for_platform(lap_state state, const lap_platform *platform);
lap_str lap_directory(lap_state state);
lap_state lap_name(lap_state state, lap_str name);
lap_state lap_at(lap_state state, lap_range range);

// A command that lap_root or lap_ran adds to the graph; `op` can be changed until then.
typedef struct {
  lap_state state;
  lapstrake_frontend_llb_exec_op_t op;
} lap_run;

lap_run lap_command(lap_state state, const lap_str *args, size_t count);
void lap_mount(lap_run *run, lap_str target, lap_state tree, bool read_only);
void lap_cache(lap_run *run, lap_str target, lap_str id);
void lap_secret(lap_run *run, lap_str target, lap_str id);
// The root tree after the command, with the state's surroundings.
lap_state lap_root(const lap_run *run);
// The tree at the target of a bind mount after the command.
lap_state lap_ran(const lap_run *run, lap_str target);

// Changes of files that lap_changed adds to the graph as one vertex. Relative paths are below the state's directory.
typedef struct {
  lap_state state;
  lapstrake_frontend_llb_list_file_action_t actions;
} lap_files;

lap_files lap_change(lap_state state);
void lap_copy(lap_files *files, lap_state tree, lap_str from, lap_str to);
void lap_write(lap_files *files, lap_str path, lap_str data);
void lap_mkdir(lap_files *files, lap_str path);
void lap_rm(lap_files *files, lap_str path);
void lap_symlink(lap_files *files, lap_str target, lap_str path);
void lap_action(lap_files *files, const lapstrake_frontend_llb_file_action_kind_t *kind);
lap_state lap_changed(lap_files *files);

// ---- images, requests and diagnostics ----

lap_image lap_built(lap_state state, const lap_config *config);
// Sets or finds a key of any of the contract's lists of pairs, which are of several types and one form.
#define lap_set(pairs, key, value) lap_set_pair((lap_pairs *)(pairs), key, value)
#define lap_get(pairs, key, value) lap_get_pair((const lap_pairs *)(pairs), key, value)
void lap_set_pair(lap_pairs *pairs, lap_str key, lap_str value);
bool lap_get_pair(const lap_pairs *pairs, lap_str key, lap_str *value);
// The platforms to build for: those asked for, else the one that the build runs on.
const lap_platform *lap_platforms(const lap_request *request, size_t *count);

lap_diagnostic lap_problem(bool is_error, const char *code, lap_str message, lap_range range);
void lap_help(lap_diagnostic *diagnostic, lap_str help);
void lap_related(lap_diagnostic *diagnostic, lap_str message, lap_range range);

// Errors: each fills `error` in and is false, so that it can be returned.
bool lap_invalid(lap_error *error, lap_graph *graph, lap_diagnostics items);
bool lap_unknown_target(lap_error *error, lap_str target);
bool lap_unsupported(lap_error *error, lap_str what);
bool lap_host_failed(lap_error *error, lap_str message);

// Looks one image up; a message where that fails.
bool lap_resolve(lap_str reference, const lap_platform *platform, lapstrake_frontend_host_image_info_t *image, lap_str *message);

// ---- what a frontend is ----

// Functions that are NULL are what is not supported. They are true where it went well, else `error` is filled in.
typedef struct {
  void (*describe)(lap_info *info);
  bool (*build)(lap_request *request, lap_result *result, lap_error *error);
  bool (*lint)(lap_request *request, lap_report *report, lap_error *error);
  bool (*outline)(lap_request *request, lap_outline *outline, lap_error *error);
  bool (*list_targets)(lap_request *request, lap_targets *targets, lap_error *error);
  bool (*call)(lap_str name, lap_request *request, lap_call_result *result, lap_error *error);
  bool (*completions)(lap_request *request, uint32_t file, lapstrake_frontend_llb_position_t at, lap_completions *found, lap_error *error);
  // `known`: whether there is something to be said.
  bool (*hover)(lap_request *request, uint32_t file, lapstrake_frontend_llb_position_t at, bool *known, lap_hover *hover, lap_error *error);
  bool (*rewrite_sources)(lap_request *request, lap_rewritten *rewritten, lap_error *error);
  bool (*rewrite_images)(lap_request *request, lap_image_requests *images, lap_error *error);
  bool (*rewrite_result)(lap_request *request, lap_result *built, lap_error *error);
} lap_frontend;

// The program defines it.
extern const lap_frontend lap_this_frontend;
