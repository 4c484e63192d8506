// What the parts of the graph builder share.
#pragma once

#include "lapstrake.h"

typedef struct {
  uint8_t *ptr;
  size_t len, room;
} lap_bytes;

typedef void (*lap_visit)(lap_edge *edge, void *with);

// Equal for equal vertices and for no others.
lap_bytes lap_identity(const lap_op *op, const lap_platform *platform);
// Calls `visit` with every edge that an op names.
void lap_each_edge(lap_op *op, lap_visit visit, void *with);

struct lap_scope {
  lapstrake_frontend_llb_list_key_value_t env;
  lap_str dir, user;
  bool has_user;
  const lap_platform *platform;
};
