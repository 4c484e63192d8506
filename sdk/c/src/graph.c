// The graph while it is being built: a growing list of vertices in which equal ones are one, and states over it.

#include "graph.h"

#include <stdlib.h>
#include <string.h>

struct lap_graph {
  lapstrake_frontend_llb_list_vertex_t vertices;
  lapstrake_frontend_llb_list_source_file_t sources;
  struct {
    lap_bytes *ptr;
    size_t len;
  } known;
};

static const lap_scope EMPTY = {.dir = {(uint8_t *)"/", 1}};

lap_graph *lap_graph_new(void) { return calloc(1, sizeof(lap_graph)); }

uint32_t lap_source_file(lap_graph *graph, const lap_source *file) {
  for (size_t i = 0; i < graph->sources.len; i++) {
    const lap_source *known = &graph->sources.ptr[i];
    bool same = lap_equal(known->name, file->name) && lap_equal(known->language, file->language);
    if (same && lap_equal(known->text, file->text)) return (uint32_t)i;
  }
  LAP_PUSH(graph->sources, *file);
  return (uint32_t)graph->sources.len - 1;
}

uint32_t lap_add(lap_graph *graph, const lap_op *op, const lap_platform *platform) {
  lap_bytes identity = lap_identity(op, platform);
  for (size_t i = 0; i < graph->known.len; i++) {
    const lap_bytes *known = &graph->known.ptr[i];
    if (known->len == identity.len && memcmp(known->ptr, identity.ptr, identity.len) == 0) return (uint32_t)i;
  }
  lap_vertex vertex = {.op = *op};
  if (platform != NULL) {
    vertex.platform.is_some = true;
    vertex.platform.val = *platform;
  }
  LAP_PUSH(graph->known, identity);
  LAP_PUSH(graph->vertices, vertex);
  return (uint32_t)graph->vertices.len - 1;
}

lap_state lap_scratch(lap_graph *graph) { return (lap_state){graph, true, {0, 0}, &EMPTY}; }

lap_state lap_with_edge(lap_state state, lap_edge edge) {
  state.is_scratch = false;
  state.edge = edge;
  return state;
}

lap_state lap_from_source(lap_graph *graph, const lapstrake_frontend_llb_source_op_t *source, const lap_platform *platform) {
  lap_op op = {.tag = LAPSTRAKE_FRONTEND_LLB_OP_SOURCE, .val.source = *source};
  bool depends = source->tag == LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_IMAGE ||
                 source->tag == LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_OCI_LAYOUT;
  uint32_t vertex = lap_add(graph, &op, depends ? platform : NULL);
  lap_state state = lap_with_edge(lap_scratch(graph), (lap_edge){vertex, 0});
  return platform == NULL ? state : lap_for_platform(state, platform);
}

lap_state lap_from_image(lap_graph *graph, lap_str reference, const lap_platform *platform) {
  lapstrake_frontend_llb_source_op_t source = {.tag = LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_IMAGE};
  source.val.image.reference = reference;
  return lap_from_source(graph, &source, platform);
}

lap_state lap_local(lap_graph *graph, lap_str name) {
  lapstrake_frontend_llb_source_op_t source = {.tag = LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_LOCAL};
  source.val.local.name = name;
  source.val.local.differ = LAPSTRAKE_FRONTEND_LLB_LOCAL_DIFFER_METADATA;
  return lap_from_source(graph, &source, NULL);
}

lap_state lap_merge(lap_graph *graph, const lap_state *states, size_t count) {
  lap_op op = {.tag = LAPSTRAKE_FRONTEND_LLB_OP_MERGE};
  lap_state first = lap_scratch(graph);
  for (size_t i = 0; i < count; i++) {
    if (states[i].is_scratch) continue;
    if (op.val.merge.len == 0) first = states[i];
    LAP_PUSH(op.val.merge, states[i].edge);
  }
  if (op.val.merge.len < 2) return first;
  return lap_with_edge(first, (lap_edge){lap_add(graph, &op, NULL), 0});
}

lap_state lap_diff(lap_state lower, lap_state upper) {
  if (lower.is_scratch) return upper;
  lap_op op = {.tag = LAPSTRAKE_FRONTEND_LLB_OP_DIFF};
  op.val.diff.lower.is_some = true;
  op.val.diff.lower.val = lower.edge;
  op.val.diff.upper.is_some = !upper.is_scratch;
  op.val.diff.upper.val = upper.edge;
  return lap_with_edge(upper, (lap_edge){lap_add(upper.graph, &op, NULL), 0});
}

static void mark(lap_edge *edge, void *needed) { ((uint32_t *)needed)[edge->vertex] = 1; }

static void move(lap_edge *edge, void *places) { edge->vertex = ((uint32_t *)places)[edge->vertex]; }

// An op whose lists of edges are its own, so that moving them changes no other.
static lap_op own_edges(lap_op op) {
#define OWN(list)                                                                                                       \
  do {                                                                                                                  \
    void *copy = malloc((list).len * sizeof *(list).ptr);                                                               \
    (list).ptr = memcpy(copy, (list).ptr, (list).len * sizeof *(list).ptr);                                             \
  } while (0)
  if (op.tag == LAPSTRAKE_FRONTEND_LLB_OP_EXEC) OWN(op.val.exec.mounts);
  if (op.tag == LAPSTRAKE_FRONTEND_LLB_OP_FILE) OWN(op.val.file);
  if (op.tag == LAPSTRAKE_FRONTEND_LLB_OP_MERGE) OWN(op.val.merge);
  return op;
}

lap_definition lap_needed(lap_graph *graph, lap_edge *roots, size_t count) {
  size_t all = graph->vertices.len;
  uint32_t *needed = calloc(all + 1, sizeof *needed);
  for (size_t i = 0; i < count; i++) mark(&roots[i], needed);
  for (size_t i = all; i-- > 0;) {
    if (needed[i]) lap_each_edge(&graph->vertices.ptr[i].op, mark, needed);
  }
  uint32_t *places = calloc(all + 1, sizeof *places);
  lap_definition definition = {.sources = graph->sources};
  for (size_t i = 0; i < all; i++) {
    if (!needed[i]) continue;
    places[i] = (uint32_t)definition.vertices.len;
    lap_vertex vertex = graph->vertices.ptr[i];
    vertex.op = own_edges(vertex.op);
    // Edges name vertices before, which have their places already.
    lap_each_edge(&vertex.op, move, places);
    LAP_PUSH(definition.vertices, vertex);
  }
  for (size_t i = 0; i < count; i++) move(&roots[i], places);
  return definition;
}

void lap_finish(lap_graph *graph, lap_image *images, size_t count, lap_diagnostics warnings, lap_result *result) {
  struct {
    lap_edge *ptr;
    size_t len;
  } roots = {0};
  for (size_t i = 0; i < count; i++) {
    if (images[i].root.is_some) LAP_PUSH(roots, images[i].root.val);
  }
  *result = (lap_result){.definition = lap_needed(graph, roots.ptr, roots.len)};
  size_t next = 0;
  for (size_t i = 0; i < count; i++) {
    if (images[i].root.is_some) images[i].root.val = roots.ptr[next++];
    LAP_PUSH(result->images, images[i]);
  }
  result->warnings.items = warnings;
  result->warnings.sources.ptr = graph->sources.ptr;
  result->warnings.sources.len = graph->sources.len;
}

// ---- states ----

static lap_scope *scope_of(lap_state *state) {
  lap_scope *scope = malloc(sizeof *scope);
  *scope = *state->scope;
  state->scope = scope;
  return scope;
}

lap_state lap_env(lap_state state, lap_str key, lap_str value) {
  lap_scope *scope = scope_of(&state);
  lap_set(&scope->env, key, value);
  return state;
}

lap_state lap_dir(lap_state state, lap_str path) {
  lap_scope *scope = scope_of(&state);
  scope->dir = lap_join(scope->dir, path);
  return state;
}

lap_state lap_user(lap_state state, lap_str user) {
  lap_scope *scope = scope_of(&state);
  scope->has_user = true;
  scope->user = user;
  return state;
}

lap_state lap_for_platform(lap_state state, const lap_platform *platform) {
  scope_of(&state)->platform = platform;
  return state;
}

lap_str lap_directory(lap_state state) { return state.scope->dir; }

lap_state lap_name(lap_state state, lap_str name) {
  if (!state.is_scratch) {
    lap_vertex *vertex = &state.graph->vertices.ptr[state.edge.vertex];
    if (vertex->name.len == 0) vertex->name = name;
  }
  return state;
}

lap_state lap_at(lap_state state, lap_range range) {
  if (state.is_scratch) return state;
  lap_vertex *vertex = &state.graph->vertices.ptr[state.edge.vertex];
  for (size_t i = 0; i < vertex->ranges.len; i++) {
    // Numbers without gaps between them.
    if (memcmp(&vertex->ranges.ptr[i], &range, sizeof range) == 0) return state;
  }
  LAP_PUSH(vertex->ranges, range);
  return state;
}
