// What a frontend implements, and what it says: diagnostics, errors, images. Knows nothing of any build language.

import { setPair } from './graph.js';

/** The build cannot be done; `error` is one of the contract's build errors. */
export class BuildFailed extends Error {
  constructor(error) {
    super(typeof error.val === 'string' ? error.val : error.tag);
    this.error = error;
  }
}

export const invalid = (items, sources) => new BuildFailed({ tag: 'invalid', val: { items, sources } });
export const unsupported = (what) => new BuildFailed({ tag: 'unsupported', val: what });
export const unknownTarget = (name) => new BuildFailed({ tag: 'unknown-target', val: name });
export const hostFailed = (message) => new BuildFailed({ tag: 'host-failed', val: message });

export function diagnostic(severity, code, message, ranges = [], more = {}) {
  return { severity, code, message, ranges: [ranges].flat(), related: [], ...more };
}

export const error = (code, message, ranges, more) => diagnostic('error', code, message, ranges, more);
export const warning = (code, message, ranges, more) => diagnostic('warning', code, message, ranges, more);

export function imageConfig(platform, fields) {
  const empty = { env: [], workingDir: '', user: '', exposedPorts: [], volumes: [], labels: [], annotations: [] };
  return { platform, ...empty, argsEscaped: false, onBuild: [], history: [], ...fields };
}

export const builtImage = (state, config) => ({ platform: config.platform, root: state.edge, config, annotations: [] });
export const withEnv = (config, key, value) => ({ ...config, env: setPair(config.env, key, value) });
export const withLabel = (config, key, value) => ({ ...config, labels: setPair(config.labels, key, value) });

const get = (pairs, name) => pairs.findLast((pair) => pair.key === name)?.value;
export const option = (request, name) => get(request.options, name);
export const buildArg = (request, name) => get(request.buildArgs, name);
export const targetPlatforms = (request) => (request.platforms.length ? request.platforms : [request.buildPlatform]);

export function frontendInfo(name, version, fields) {
  return { name, version, filePatterns: [], options: [], calls: [], roles: [], ...fields };
}

export class Frontend {
  describe() {
    throw new Error('a frontend has a method describe');
  }

  build() {
    throw unsupported('building by itself');
  }

  lint(host, request) {
    try {
      return this.build(host, request).warnings;
    } catch (failed) {
      if (failed instanceof BuildFailed && failed.error.tag === 'invalid') return failed.error.val;
      throw failed;
    }
  }

  outline() {
    throw unsupported('outlines');
  }

  listTargets() {
    throw unsupported('listing targets');
  }

  call(_host, name) {
    throw unsupported(`the call "${name}"`);
  }

  completions() {
    return [];
  }

  hover() {
    return undefined;
  }

  rewriteSources() {
    throw unsupported('rewriting sources');
  }

  rewriteImages() {
    throw unsupported('rewriting images');
  }

  rewriteResult() {
    throw unsupported('rewriting results');
  }
}

/** What the engine gives with `undefined` where nothing is: engines have `null` there. */
function given(value) {
  if (Array.isArray(value)) return value.map(given);
  if (value === null) return undefined;
  // Not resources and bytes.
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, given(part)]));
}

/** The host over the functions that a component imports, or a test brings. */
export class Host {
  #imports;

  constructor(imports) {
    this.#imports = imports;
  }

  #call(name, ...values) {
    try {
      return given(this.#imports[name](...values));
    } catch (thrown) {
      const payload = given(thrown?.payload ?? thrown);
      if (payload?.tag === undefined) throw thrown;
      if (name === 'buildFile') throw new BuildFailed(payload);
      throw hostFailed(payload.val ?? 'the build was cancelled');
    }
  }

  resolveImageConfigs(requests) {
    return this.#call('resolveImageConfigs', requests);
  }

  resolveImageConfig(reference, platform, fields) {
    const [answer] = this.resolveImageConfigs([{ reference, platform, mode: 'default', ...fields }]);
    if (answer.tag === 'err') throw hostFailed(answer.val);
    return answer.val;
  }

  solve(definition, roots) {
    return this.#call('solve', definition, roots);
  }

  buildFile(frontend, request) {
    return this.#call('buildFile', frontend, request);
  }

  log(message, level = 'info') {
    this.#imports.log(level, message);
  }

  progress(name, current, total) {
    this.#imports.progress(name, BigInt(current), total === undefined ? undefined : BigInt(total));
  }

  warn(items, sources) {
    this.#imports.warn({ items, sources });
  }
}

/** The exports of a component, over a frontend. What is thrown leaves as the contract's error. */
export function exportsOf(Class, imports) {
  const guarded = (call) => {
    try {
      return call(new Class(), new Host(imports));
    } catch (thrown) {
      if (thrown instanceof BuildFailed) throw thrown.error;
      throw { tag: 'internal', val: `${thrown?.name ?? 'thrown'}: ${thrown?.message ?? thrown}` };
    }
  };
  return {
    describe: () => new Class().describe(),
    build: (request) => guarded((it, host) => it.build(host, given(request))),
    lint: (request) => guarded((it, host) => it.lint(host, given(request))),
    getOutline: (request) => guarded((it, host) => it.outline(host, given(request))),
    listTargets: (request) => guarded((it, host) => it.listTargets(host, given(request))),
    call: (name, request) => guarded((it, host) => it.call(host, name, given(request))),
    completions: (request, file, at) => guarded((it, host) => it.completions(host, given(request), file, at)),
    getHover: (request, file, at) => guarded((it, host) => it.hover(host, given(request), file, at)),
    rewriteSources: (request) => guarded((it, host) => it.rewriteSources(host, given(request))),
    rewriteImages: (request, images) => guarded((it, host) => it.rewriteImages(host, given(request), given(images))),
    rewriteResult: (request, built) => guarded((it, host) => it.rewriteResult(host, given(request), given(built))),
  };
}
