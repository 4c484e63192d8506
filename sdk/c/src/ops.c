// Commands and changes of files, while they are being described.

#include "graph.h"

#include <stdlib.h>
#include <string.h>

// ---- commands ----

static void push_mount(lap_run *run, lap_str target, lapstrake_frontend_llb_mount_kind_t kind) {
  lapstrake_frontend_llb_mount_t mount = {lap_join(run->op.cwd, target), kind};
  LAP_PUSH(run->op.mounts, mount);
}

static lapstrake_frontend_llb_mount_kind_t bind(lap_state tree, bool read_only) {
  lapstrake_frontend_llb_mount_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_BIND};
  kind.val.bind.input.is_some = !tree.is_scratch;
  kind.val.bind.input.val = tree.edge;
  kind.val.bind.read_only = read_only;
  kind.val.bind.output = !read_only;
  return kind;
}

lap_run lap_command(lap_state state, const lap_str *args, size_t count) {
  lap_run run = {.state = state};
  for (size_t i = 0; i < count; i++) LAP_PUSH(run.op.args, args[i]);
  run.op.env = state.scope->env;
  run.op.cwd = state.scope->dir;
  run.op.user.is_some = state.scope->has_user;
  run.op.user.val = state.scope->user;
  push_mount(&run, lap_text("/"), bind(state, false));
  return run;
}

void lap_mount(lap_run *run, lap_str target, lap_state tree, bool read_only) {
  push_mount(run, target, bind(tree, read_only));
}

void lap_cache(lap_run *run, lap_str target, lap_str id) {
  lapstrake_frontend_llb_mount_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_CACHE};
  kind.val.cache.id = id;
  push_mount(run, target, kind);
}

void lap_secret(lap_run *run, lap_str target, lap_str id) {
  lapstrake_frontend_llb_mount_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_SECRET};
  kind.val.secret.id = id;
  kind.val.secret.mode = 0400;
  push_mount(run, target, kind);
}

lap_state lap_ran(const lap_run *run, lap_str target) {
  lap_op op = {.tag = LAPSTRAKE_FRONTEND_LLB_OP_EXEC, .val.exec = run->op};
  uint32_t vertex = lap_add(run->state.graph, &op, run->state.scope->platform), output = 0;
  for (size_t i = 0; i < run->op.mounts.len; i++) {
    const lapstrake_frontend_llb_mount_t *mount = &run->op.mounts.ptr[i];
    if (mount->kind.tag != LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_BIND) continue;
    const lapstrake_frontend_llb_bind_mount_t *bind = &mount->kind.val.bind;
    if (lap_equal(mount->target, target)) {
      if (bind->output) return lap_with_edge(run->state, (lap_edge){vertex, output});
      return lap_with_edge(run->state, bind->input.val);
    }
    output += bind->output;
  }
  return run->state;
}

lap_state lap_root(const lap_run *run) { return lap_ran(run, lap_text("/")); }

// ---- files ----

lap_files lap_change(lap_state state) { return (lap_files){.state = state}; }

static lapstrake_frontend_llb_file_input_t input(lap_state tree) {
  lapstrake_frontend_llb_file_input_t input = {.tag = LAPSTRAKE_FRONTEND_LLB_FILE_INPUT_SCRATCH};
  if (!tree.is_scratch) {
    input.tag = LAPSTRAKE_FRONTEND_LLB_FILE_INPUT_EDGE;
    input.val.edge = tree.edge;
  }
  return input;
}

void lap_action(lap_files *files, const lapstrake_frontend_llb_file_action_kind_t *kind) {
  lapstrake_frontend_llb_file_action_t action = {.base = input(files->state), .kind = *kind};
  if (files->actions.len > 0) {
    action.base.tag = LAPSTRAKE_FRONTEND_LLB_FILE_INPUT_ACTION;
    action.base.val.action = (uint32_t)files->actions.len - 1;
  }
  LAP_PUSH(files->actions, action);
}

static lap_str inside(const lap_files *files, lap_str path) { return lap_join(files->state.scope->dir, path); }

void lap_copy(lap_files *files, lap_state tree, lap_str from, lap_str to) {
  lapstrake_frontend_llb_file_action_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_COPY};
  kind.val.copy.src = input(tree);
  kind.val.copy.src_path = lap_join(lap_text("/"), from);
  kind.val.copy.dst_path = lap_join_keeping_slash(files->state.scope->dir, to);
  kind.val.copy.create_dst_path = true;
  lap_action(files, &kind);
}

void lap_write(lap_files *files, lap_str path, lap_str data) {
  lapstrake_frontend_llb_file_action_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_MKFILE};
  kind.val.mkfile.path = inside(files, path);
  kind.val.mkfile.mode = 0644;
  kind.val.mkfile.data.ptr = data.ptr;
  kind.val.mkfile.data.len = data.len;
  lap_action(files, &kind);
}

void lap_mkdir(lap_files *files, lap_str path) {
  lapstrake_frontend_llb_file_action_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_MKDIR};
  kind.val.mkdir.path = inside(files, path);
  kind.val.mkdir.mode = 0755;
  kind.val.mkdir.make_parents = true;
  lap_action(files, &kind);
}

void lap_rm(lap_files *files, lap_str path) {
  lapstrake_frontend_llb_file_action_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_RM};
  kind.val.rm.path = inside(files, path);
  lap_action(files, &kind);
}

void lap_symlink(lap_files *files, lap_str target, lap_str path) {
  lapstrake_frontend_llb_file_action_kind_t kind = {.tag = LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_SYMLINK};
  kind.val.symlink.target = target;
  kind.val.symlink.path = inside(files, path);
  lap_action(files, &kind);
}

lap_state lap_changed(lap_files *files) {
  if (files->actions.len == 0) return files->state;
  files->actions.ptr[files->actions.len - 1].output = true;
  lap_op op = {.tag = LAPSTRAKE_FRONTEND_LLB_OP_FILE};
  op.val.file.ptr = files->actions.ptr;
  op.val.file.len = files->actions.len;
  return lap_with_edge(files->state, (lap_edge){lap_add(files->state.graph, &op, NULL), 0});
}
