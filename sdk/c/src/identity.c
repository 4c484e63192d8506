// What makes two vertices one: op and platform as bytes, fields in their order, each list and text with its length before it.
// And which edges an op names. Knows nothing of the graph.

#include "graph.h"

#include <stdlib.h>
#include <string.h>

static void raw(lap_bytes *out, const void *data, size_t size) {
  if (out->len + size > out->room) {
    out->room = (out->len + size) * 2 + 256;
    out->ptr = realloc(out->ptr, out->room);
  }
  memcpy(out->ptr + out->len, data, size);
  out->len += size;
}

static void number(lap_bytes *out, uint64_t value) { raw(out, &value, sizeof value); }

static void text(lap_bytes *out, lap_str value) {
  number(out, value.len);
  raw(out, value.ptr, value.len);
}

static void texts(lap_bytes *out, lap_strs list) {
  number(out, list.len);
  for (size_t i = 0; i < list.len; i++) text(out, list.ptr[i]);
}

static void maybe_text(lap_bytes *out, frontend_world_option_string_t value) {
  number(out, value.is_some);
  if (value.is_some) text(out, value.val);
}

#define MAYBE(out, option, write)                                                                                       \
  do {                                                                                                                  \
    number(out, (option).is_some);                                                                                      \
    if ((option).is_some) write(out, (option).val);                                                                     \
  } while (0)

static void edge(lap_bytes *out, lap_edge value) {
  number(out, value.vertex);
  number(out, value.output);
}

static void pairs(lap_bytes *out, lapstrake_frontend_llb_list_key_value_t list) {
  number(out, list.len);
  for (size_t i = 0; i < list.len; i++) {
    text(out, list.ptr[i].key);
    text(out, list.ptr[i].value);
  }
}

static void user(lap_bytes *out, lapstrake_frontend_llb_user_ref_t value) {
  number(out, value.tag);
  if (value.tag == LAPSTRAKE_FRONTEND_LLB_USER_REF_ID) number(out, value.val.id);
  else text(out, value.val.name);
}

static void chown(lap_bytes *out, lapstrake_frontend_llb_chown_t value) {
  MAYBE(out, value.user, user);
  MAYBE(out, value.group, user);
}

static void mode(lap_bytes *out, lapstrake_frontend_llb_file_mode_t value) {
  number(out, value.tag);
  if (value.tag == LAPSTRAKE_FRONTEND_LLB_FILE_MODE_OCTAL) number(out, value.val.octal);
  else text(out, value.val.symbolic);
}

static void timestamp(lap_bytes *out, lapstrake_frontend_llb_timestamp_t value) {
  number(out, (uint64_t)value.seconds);
  number(out, value.nanoseconds);
}

static void source(lap_bytes *out, const lapstrake_frontend_llb_source_op_t *op) {
  number(out, op->tag);
  switch (op->tag) {
  case LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_IMAGE:
    text(out, op->val.image.reference);
    number(out, op->val.image.mode);
    MAYBE(out, op->val.image.layer_limit, number);
    maybe_text(out, op->val.image.checksum);
    break;
  case LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_GIT: {
    const lapstrake_frontend_llb_git_source_t *git = &op->val.git;
    text(out, git->remote);
    text(out, git->git_ref);
    text(out, git->subdir);
    number(out, git->keep_git_dir);
    maybe_text(out, git->checksum);
    maybe_text(out, git->auth_token_secret);
    maybe_text(out, git->auth_header_secret);
    maybe_text(out, git->mount_ssh_sock);
    maybe_text(out, git->known_hosts);
    number(out, git->skip_submodules);
    break;
  }
  case LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_HTTP: {
    const lapstrake_frontend_llb_http_source_t *http = &op->val.http;
    text(out, http->url);
    maybe_text(out, http->checksum);
    maybe_text(out, http->filename);
    MAYBE(out, http->mode, number);
    MAYBE(out, http->uid, number);
    MAYBE(out, http->gid, number);
    pairs(out, http->headers);
    maybe_text(out, http->auth_header_secret);
    break;
  }
  case LAPSTRAKE_FRONTEND_LLB_SOURCE_OP_LOCAL: {
    const lapstrake_frontend_llb_local_source_t *local = &op->val.local;
    text(out, local->name);
    texts(out, local->include_patterns);
    texts(out, local->exclude_patterns);
    texts(out, local->follow_paths);
    maybe_text(out, local->shared_key_hint);
    number(out, local->differ);
    break;
  }
  default:
    text(out, op->val.oci_layout.reference);
    text(out, op->val.oci_layout.store);
    MAYBE(out, op->val.oci_layout.layer_limit, number);
  }
}

static void mount(lap_bytes *out, const lapstrake_frontend_llb_mount_t *mount) {
  text(out, mount->target);
  number(out, mount->kind.tag);
  switch (mount->kind.tag) {
  case LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_BIND:
    MAYBE(out, mount->kind.val.bind.input, edge);
    text(out, mount->kind.val.bind.selector);
    number(out, mount->kind.val.bind.read_only);
    number(out, mount->kind.val.bind.output);
    break;
  case LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_CACHE:
    text(out, mount->kind.val.cache.id);
    MAYBE(out, mount->kind.val.cache.input, edge);
    text(out, mount->kind.val.cache.selector);
    number(out, mount->kind.val.cache.sharing);
    number(out, mount->kind.val.cache.read_only);
    break;
  case LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_TMPFS:
    MAYBE(out, mount->kind.val.tmpfs.size, number);
    break;
  default: {
    // Secrets and SSH agents have equal fields.
    const lapstrake_frontend_llb_secret_mount_t *secret = &mount->kind.val.secret;
    text(out, secret->id);
    number(out, secret->uid);
    number(out, secret->gid);
    number(out, secret->mode);
    number(out, secret->optional);
  }
  }
}

static void proxy(lap_bytes *out, lapstrake_frontend_llb_proxy_env_t value) {
  text(out, value.http_proxy);
  text(out, value.https_proxy);
  text(out, value.ftp_proxy);
  text(out, value.no_proxy);
  text(out, value.all_proxy);
}

static void exec(lap_bytes *out, const lapstrake_frontend_llb_exec_op_t *op) {
  texts(out, op->args);
  pairs(out, op->env);
  text(out, op->cwd);
  maybe_text(out, op->user);
  maybe_text(out, op->hostname);
  number(out, op->mounts.len);
  for (size_t i = 0; i < op->mounts.len; i++) mount(out, &op->mounts.ptr[i]);
  number(out, op->secret_envs.len);
  for (size_t i = 0; i < op->secret_envs.len; i++) {
    text(out, op->secret_envs.ptr[i].name);
    text(out, op->secret_envs.ptr[i].secret_id);
    number(out, op->secret_envs.ptr[i].optional);
  }
  number(out, op->extra_hosts.len);
  for (size_t i = 0; i < op->extra_hosts.len; i++) {
    text(out, op->extra_hosts.ptr[i].host);
    text(out, op->extra_hosts.ptr[i].ip);
  }
  number(out, op->ulimits.len);
  for (size_t i = 0; i < op->ulimits.len; i++) {
    text(out, op->ulimits.ptr[i].name);
    MAYBE(out, op->ulimits.ptr[i].soft, number);
    MAYBE(out, op->ulimits.ptr[i].hard, number);
  }
  maybe_text(out, op->cgroup_parent);
  MAYBE(out, op->proxy, proxy);
  number(out, op->devices.len);
  for (size_t i = 0; i < op->devices.len; i++) {
    text(out, op->devices.ptr[i].name);
    number(out, op->devices.ptr[i].optional);
  }
  number(out, op->network);
  number(out, op->security);
  number(out, op->valid_exit_codes.len);
  for (size_t i = 0; i < op->valid_exit_codes.len; i++) number(out, (uint64_t)op->valid_exit_codes.ptr[i]);
}

static void input(lap_bytes *out, lapstrake_frontend_llb_file_input_t value) {
  number(out, value.tag);
  if (value.tag == LAPSTRAKE_FRONTEND_LLB_FILE_INPUT_EDGE) edge(out, value.val.edge);
  if (value.tag == LAPSTRAKE_FRONTEND_LLB_FILE_INPUT_ACTION) number(out, value.val.action);
}

static void copy(lap_bytes *out, const lapstrake_frontend_llb_copy_action_t *copy) {
  input(out, copy->src);
  text(out, copy->src_path);
  text(out, copy->dst_path);
  MAYBE(out, copy->owner, chown);
  MAYBE(out, copy->mode, mode);
  bool flags[] = {copy->follow_symlink,  copy->dir_contents_only,    copy->unpack_archive,  copy->create_dst_path,
                  copy->allow_wildcard, copy->allow_empty_wildcard, copy->replace_existing};
  raw(out, flags, sizeof flags);
  texts(out, copy->include_patterns);
  texts(out, copy->exclude_patterns);
  texts(out, copy->required_paths);
  MAYBE(out, copy->timestamp, timestamp);
}

static void action(lap_bytes *out, const lapstrake_frontend_llb_file_action_t *action) {
  input(out, action->base);
  number(out, action->output);
  number(out, action->kind.tag);
  switch (action->kind.tag) {
  case LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_COPY:
    copy(out, &action->kind.val.copy);
    break;
  case LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_MKFILE: {
    const lapstrake_frontend_llb_mkfile_action_t *file = &action->kind.val.mkfile;
    text(out, file->path);
    number(out, file->data.len);
    raw(out, file->data.ptr, file->data.len);
    number(out, file->mode);
    MAYBE(out, file->owner, chown);
    MAYBE(out, file->timestamp, timestamp);
    break;
  }
  case LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_MKDIR: {
    const lapstrake_frontend_llb_mkdir_action_t *dir = &action->kind.val.mkdir;
    text(out, dir->path);
    number(out, dir->mode);
    number(out, dir->make_parents);
    MAYBE(out, dir->owner, chown);
    MAYBE(out, dir->timestamp, timestamp);
    break;
  }
  case LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_RM:
    text(out, action->kind.val.rm.path);
    number(out, action->kind.val.rm.allow_not_found);
    number(out, action->kind.val.rm.allow_wildcard);
    break;
  default: {
    const lapstrake_frontend_llb_symlink_action_t *link = &action->kind.val.symlink;
    text(out, link->target);
    text(out, link->path);
    MAYBE(out, link->owner, chown);
    MAYBE(out, link->timestamp, timestamp);
  }
  }
}

lap_bytes lap_identity(const lap_op *op, const lap_platform *platform) {
  lap_bytes out = {0};
  number(&out, op->tag);
  switch (op->tag) {
  case LAPSTRAKE_FRONTEND_LLB_OP_SOURCE:
    source(&out, &op->val.source);
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_EXEC:
    exec(&out, &op->val.exec);
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_FILE:
    for (size_t i = 0; i < op->val.file.len; i++) action(&out, &op->val.file.ptr[i]);
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_MERGE:
    for (size_t i = 0; i < op->val.merge.len; i++) edge(&out, op->val.merge.ptr[i]);
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_DIFF:
    MAYBE(&out, op->val.diff.lower, edge);
    MAYBE(&out, op->val.diff.upper, edge);
    break;
  default:
    edge(&out, op->val.build.input);
    text(&out, op->val.build.filename);
  }
  number(&out, platform != NULL);
  if (platform != NULL) {
    text(&out, platform->os);
    text(&out, platform->architecture);
    maybe_text(&out, platform->cpu_variant);
    maybe_text(&out, platform->os_version);
    texts(&out, platform->os_features);
  }
  return out;
}

static void visit_input(lapstrake_frontend_llb_file_input_t *input, lap_visit visit, void *with) {
  if (input->tag == LAPSTRAKE_FRONTEND_LLB_FILE_INPUT_EDGE) visit(&input->val.edge, with);
}

void lap_each_edge(lap_op *op, lap_visit visit, void *with) {
  switch (op->tag) {
  case LAPSTRAKE_FRONTEND_LLB_OP_EXEC:
    for (size_t i = 0; i < op->val.exec.mounts.len; i++) {
      lapstrake_frontend_llb_mount_kind_t *kind = &op->val.exec.mounts.ptr[i].kind;
      if (kind->tag == LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_BIND && kind->val.bind.input.is_some)
        visit(&kind->val.bind.input.val, with);
      if (kind->tag == LAPSTRAKE_FRONTEND_LLB_MOUNT_KIND_CACHE && kind->val.cache.input.is_some)
        visit(&kind->val.cache.input.val, with);
    }
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_FILE:
    for (size_t i = 0; i < op->val.file.len; i++) {
      lapstrake_frontend_llb_file_action_t *action = &op->val.file.ptr[i];
      visit_input(&action->base, visit, with);
      if (action->kind.tag == LAPSTRAKE_FRONTEND_LLB_FILE_ACTION_KIND_COPY)
        visit_input(&action->kind.val.copy.src, visit, with);
    }
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_MERGE:
    for (size_t i = 0; i < op->val.merge.len; i++) visit(&op->val.merge.ptr[i], with);
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_DIFF:
    if (op->val.diff.lower.is_some) visit(&op->val.diff.lower.val, with);
    if (op->val.diff.upper.is_some) visit(&op->val.diff.upper.val, with);
    break;
  case LAPSTRAKE_FRONTEND_LLB_OP_BUILD:
    visit(&op->val.build.input, with);
    break;
  default:
    break;
  }
}
