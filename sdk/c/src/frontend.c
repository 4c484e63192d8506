// Images, requests, diagnostics and errors; and the exports of a component, over what the program fills in.

#include "lapstrake.h"

#include <stdlib.h>

// ---- images and requests ----

lap_image lap_built(lap_state state, const lap_config *config) {
  lap_image image = {.platform = config->platform, .config = *config};
  image.root.is_some = !state.is_scratch;
  image.root.val = state.edge;
  return image;
}

void lap_set_pair(lap_pairs *pairs, lap_str key, lap_str value) {
  // A list of its own: states and configurations that were copied share theirs.
  lapstrake_frontend_llb_list_key_value_t own = {0};
  size_t place = pairs->len;
  for (size_t i = 0; i < pairs->len; i++) {
    LAP_PUSH(own, pairs->ptr[i]);
    if (lap_equal(pairs->ptr[i].key, key)) place = i;
  }
  lapstrake_frontend_llb_key_value_t pair = {key, value};
  if (place < own.len) own.ptr[place] = pair;
  else LAP_PUSH(own, pair);
  *pairs = own;
}

bool lap_get_pair(const lap_pairs *pairs, lap_str key, lap_str *value) {
  for (size_t i = pairs->len; i-- > 0;) {
    if (lap_equal(pairs->ptr[i].key, key)) {
      *value = pairs->ptr[i].value;
      return true;
    }
  }
  return false;
}

const lap_platform *lap_platforms(const lap_request *request, size_t *count) {
  *count = request->platforms.len == 0 ? 1 : request->platforms.len;
  return request->platforms.len == 0 ? &request->build_platform : request->platforms.ptr;
}

// ---- diagnostics and errors ----

lap_diagnostic lap_problem(bool is_error, const char *code, lap_str message, lap_range range) {
  lap_diagnostic diagnostic = {.code = lap_text(code), .message = message};
  diagnostic.severity = is_error ? LAPSTRAKE_FRONTEND_DIAGNOSTICS_SEVERITY_ERROR
                                 : LAPSTRAKE_FRONTEND_DIAGNOSTICS_SEVERITY_WARNING;
  LAP_PUSH(diagnostic.ranges, range);
  return diagnostic;
}

void lap_help(lap_diagnostic *diagnostic, lap_str help) {
  diagnostic->help.is_some = true;
  diagnostic->help.val = help;
}

void lap_related(lap_diagnostic *diagnostic, lap_str message, lap_range range) {
  lapstrake_frontend_diagnostics_related_t related = {message, range};
  LAP_PUSH(diagnostic->related, related);
}

bool lap_invalid(lap_error *error, lap_graph *graph, lap_diagnostics items) {
  error->tag = LAPSTRAKE_FRONTEND_REQUESTS_BUILD_ERROR_INVALID;
  error->val.invalid.items = items;
  lap_definition nothing = lap_needed(graph, NULL, 0);
  error->val.invalid.sources.ptr = nothing.sources.ptr;
  error->val.invalid.sources.len = nothing.sources.len;
  return false;
}

bool lap_unknown_target(lap_error *error, lap_str target) {
  error->tag = LAPSTRAKE_FRONTEND_REQUESTS_BUILD_ERROR_UNKNOWN_TARGET;
  error->val.unknown_target = target;
  return false;
}

bool lap_unsupported(lap_error *error, lap_str what) {
  error->tag = LAPSTRAKE_FRONTEND_REQUESTS_BUILD_ERROR_UNSUPPORTED;
  error->val.unsupported = what;
  return false;
}

bool lap_host_failed(lap_error *error, lap_str message) {
  error->tag = LAPSTRAKE_FRONTEND_REQUESTS_BUILD_ERROR_HOST_FAILED;
  error->val.host_failed = message;
  return false;
}

bool lap_resolve(lap_str reference, const lap_platform *platform, lapstrake_frontend_host_image_info_t *image, lap_str *message) {
  lapstrake_frontend_requests_image_request_t request = {.reference = reference};
  request.platform.is_some = platform != NULL;
  if (platform != NULL) request.platform.val = *platform;
  lapstrake_frontend_host_list_image_request_t requests = {&request, 1};
  lapstrake_frontend_host_list_result_image_info_string_t answers;
  lapstrake_frontend_host_resolve_image_configs(&requests, &answers);
  if (answers.ptr[0].is_err) {
    *message = answers.ptr[0].val.err;
    return false;
  }
  *image = answers.ptr[0].val.ok;
  return true;
}

// ---- exports ----

#define OR_UNSUPPORTED(function, what, ...)                                                                             \
  if (lap_this_frontend.function == NULL) return lap_unsupported(error, lap_text(what));                                \
  return lap_this_frontend.function(__VA_ARGS__)

void exports_lapstrake_frontend_frontend_describe(lap_info *info) {
  *info = (lap_info){0};
  lap_this_frontend.describe(info);
}

bool exports_lapstrake_frontend_frontend_build(lap_request *request, lap_result *result, lap_error *error) {
  *result = (lap_result){0};
  OR_UNSUPPORTED(build, "building by itself", request, result, error);
}

bool exports_lapstrake_frontend_frontend_lint(lap_request *request, lap_report *report, lap_error *error) {
  *report = (lap_report){0};
  if (lap_this_frontend.lint != NULL) return lap_this_frontend.lint(request, report, error);
  // Unless told otherwise, that is what `build` finds.
  lap_result result;
  if (exports_lapstrake_frontend_frontend_build(request, &result, error)) {
    *report = result.warnings;
    return true;
  }
  if (error->tag != LAPSTRAKE_FRONTEND_REQUESTS_BUILD_ERROR_INVALID) return false;
  *report = error->val.invalid;
  return true;
}

bool exports_lapstrake_frontend_frontend_get_outline(lap_request *request, lap_outline *outline, lap_error *error) {
  *outline = (lap_outline){0};
  OR_UNSUPPORTED(outline, "outlines", request, outline, error);
}

bool exports_lapstrake_frontend_frontend_list_targets(lap_request *request, lap_targets *targets, lap_error *error) {
  *targets = (lap_targets){0};
  OR_UNSUPPORTED(list_targets, "listing targets", request, targets, error);
}

bool exports_lapstrake_frontend_frontend_call(lap_str *name, lap_request *request, lap_call_result *result, lap_error *error) {
  *result = (lap_call_result){0};
  if (lap_this_frontend.call == NULL) return lap_unsupported(error, lap_format("the call \"%s\"", *name));
  return lap_this_frontend.call(*name, request, result, error);
}

bool exports_lapstrake_frontend_frontend_completions(
    lap_request *request, uint32_t file, lapstrake_frontend_llb_position_t *at, lap_completions *found, lap_error *error) {
  *found = (lap_completions){0};
  return lap_this_frontend.completions == NULL || lap_this_frontend.completions(request, file, *at, found, error);
}

bool exports_lapstrake_frontend_frontend_get_hover(
    lap_request *request, uint32_t file, lapstrake_frontend_llb_position_t *at,
    exports_lapstrake_frontend_frontend_option_hover_t *hover, lap_error *error) {
  *hover = (exports_lapstrake_frontend_frontend_option_hover_t){0};
  if (lap_this_frontend.hover == NULL) return true;
  return lap_this_frontend.hover(request, file, *at, &hover->is_some, &hover->val, error);
}

bool exports_lapstrake_frontend_frontend_rewrite_sources(lap_request *request, lap_rewritten *rewritten, lap_error *error) {
  *rewritten = (lap_rewritten){0};
  OR_UNSUPPORTED(rewrite_sources, "rewriting sources", request, rewritten, error);
}

bool exports_lapstrake_frontend_frontend_rewrite_images(
    lap_request *request, lap_image_requests *images, lap_image_requests *result, lap_error *error) {
  *result = *images;
  OR_UNSUPPORTED(rewrite_images, "rewriting images", request, result, error);
}

bool exports_lapstrake_frontend_frontend_rewrite_result(lap_request *request, lap_result *built, lap_result *result, lap_error *error) {
  *result = *built;
  OR_UNSUPPORTED(rewrite_result, "rewriting results", request, result, error);
}
