// The graph while it is being built: a growing list of vertices in which equal ones are one. A state is a tree in it together
// with what commands run in it get, as BuildKit's `llb.State`; it never changes, every method gives another one.

import { join, joinKeepingSlash, utf8 } from './text.js';

export const MAIN_CONTEXT = 'context';

/** Sets a key of an ordered list of pairs, in its old place where it is there already. */
export function setPair(pairs, key, value) {
  const index = pairs.findLastIndex((pair) => pair.key === key);
  if (index >= 0) return pairs.with(index, { key, value });
  return [...pairs, { key, value }];
}

/** A text that is equal for equal values. */
const identity = (value) =>
  JSON.stringify(value, (_, part) => {
    if (typeof part === 'bigint') return `${part}n`;
    return part instanceof Uint8Array ? [...part] : part;
  });

const bind = (input, fields) => ({ input, selector: '', readOnly: false, output: false, ...fields });
const input = (edge) => (edge ? { tag: 'edge', val: edge } : { tag: 'scratch' });

export class Graph {
  #vertices = [];
  #sources = [];
  #known = new Map();

  sourceFile(file) {
    const key = identity(file);
    const index = this.#sources.findIndex((known) => identity(known) === key);
    return index >= 0 ? index : this.#sources.push(file) - 1;
  }

  sourceFiles() {
    return [...this.#sources];
  }

  vertex(op, platform) {
    const key = identity([op, platform]);
    let index = this.#known.get(key);
    if (index === undefined) {
      const rest = { name: '', description: [], ranges: [], ignoreCache: false, constraints: [] };
      index = this.#vertices.push({ op, platform, ...rest }) - 1;
      this.#known.set(key, index);
    }
    return index;
  }

  /** What is said about a vertex; never what it does. */
  about(index) {
    return this.#vertices[index];
  }

  scratch() {
    return new State(this);
  }

  image(reference, platform, fields) {
    return this.source({ tag: 'image', val: { reference, mode: 'default', ...fields } }, platform);
  }

  local(name = MAIN_CONTEXT, fields = {}) {
    const empty = { includePatterns: [], excludePatterns: [], followPaths: [], differ: 'metadata' };
    return this.source({ tag: 'local', val: { name, ...empty, ...fields } });
  }

  git(remote, fields) {
    const empty = { gitRef: '', subdir: '', keepGitDir: false, skipSubmodules: false };
    return this.source({ tag: 'git', val: { remote, ...empty, ...fields } });
  }

  http(url, fields) {
    return this.source({ tag: 'http', val: { url, headers: [], ...fields } });
  }

  source(source, platform) {
    const depends = source.tag === 'image' || source.tag === 'oci-layout';
    const vertex = this.vertex({ tag: 'source', val: source }, depends ? platform : undefined);
    const state = this.scratch().withEdge({ vertex, output: 0 });
    return platform ? state.platform(platform) : state;
  }

  merge(states) {
    const some = states.filter((state) => state.edge);
    if (some.length < 2) return some[0] ?? this.scratch();
    const vertex = this.vertex({ tag: 'merge', val: some.map((state) => state.edge) });
    return some[0].withEdge({ vertex, output: 0 });
  }

  diff(lower, upper) {
    if (!lower.edge) return upper;
    const vertex = this.vertex({ tag: 'diff', val: { lower: lower.edge, upper: upper.edge } });
    return upper.withEdge({ vertex, output: 0 });
  }

  definition(roots) {
    const needed = new Set(roots.map((root) => root.vertex));
    for (let index = this.#vertices.length - 1; index >= 0; index--) {
      if (needed.has(index)) moved(this.#vertices[index].op, (edge) => (needed.add(edge.vertex), edge));
    }
    const order = [...needed].sort((a, b) => a - b);
    const places = new Map(order.map((index, place) => [index, place]));
    const move = (edge) => ({ ...edge, vertex: places.get(edge.vertex) ?? edge.vertex });
    const vertices = order.map((index) => {
      const vertex = this.#vertices[index];
      return { ...vertex, op: moved(vertex.op, move) };
    });
    return { definition: { vertices, sources: this.sourceFiles() }, roots: roots.map(move) };
  }

  finish(images, warnings = []) {
    const { definition, roots } = this.definition(images.map((image) => image.root).filter(Boolean));
    const built = images.map((image) => ({ ...image, root: image.root && roots.shift() }));
    return { definition, images: built, warnings: { items: warnings, sources: this.sourceFiles() } };
  }
}

export class State {
  #scope = { env: [], dir: '/', user: undefined, platform: undefined };

  constructor(graph, edge) {
    this.graph = graph;
    this.edge = edge;
  }

  #with(scope, edge = this.edge) {
    const state = new State(this.graph, edge);
    state.#scope = { ...this.#scope, ...scope };
    return state;
  }

  withEdge(edge) {
    const state = new State(this.graph, edge);
    state.#scope = this.#scope;
    return state;
  }

  get environment() {
    return this.#scope.env;
  }

  get directory() {
    return this.#scope.dir;
  }

  env(key, value) {
    return this.#with({ env: setPair(this.#scope.env, key, value) });
  }

  dir(path) {
    return this.#with({ dir: join(this.#scope.dir, path) });
  }

  user(user) {
    return this.#with({ user });
  }

  platform(platform) {
    return this.#with({ platform });
  }

  run(...args) {
    return new Run(this, args, this.#scope);
  }

  shell(command) {
    return this.run('/bin/sh', '-c', command);
  }

  file() {
    return new Files(this);
  }

  #about(change) {
    if (this.edge) change(this.graph.about(this.edge.vertex));
    return this;
  }

  name(name) {
    return this.#about((vertex) => (vertex.name ||= name));
  }

  range(range) {
    const key = identity(range);
    return this.#about((vertex) => {
      if (!vertex.ranges.some((known) => identity(known) === key)) vertex.ranges.push(range);
    });
  }

  describe(key, value) {
    return this.#about((vertex) => (vertex.description = setPair(vertex.description, key, value)));
  }

  ignoreCache() {
    return this.#about((vertex) => (vertex.ignoreCache = true));
  }
}

export class Run {
  #state;
  #platform;

  constructor(state, args, scope) {
    this.#state = state;
    this.#platform = scope.platform;
    this.op = {
      args,
      env: scope.env,
      cwd: scope.dir,
      user: scope.user,
      mounts: [{ target: '/', kind: { tag: 'bind', val: bind(state.edge, { output: true }) } }],
      secretEnvs: [],
      extraHosts: [],
      ulimits: [],
      devices: [],
      network: 'sandbox',
      security: 'sandbox',
      validExitCodes: [],
    };
  }

  env(key, value) {
    this.op.env = setPair(this.op.env, key, value);
    return this;
  }

  dir(path) {
    this.op.cwd = join(this.op.cwd, path);
    return this;
  }

  user(user) {
    this.op.user = user;
    return this;
  }

  network(network) {
    this.op.network = network;
    return this;
  }

  mount(target, tree, { readOnly = false } = {}) {
    return this.mountKind(target, { tag: 'bind', val: bind(tree.edge, { readOnly, output: !readOnly }) });
  }

  cache(target, id, sharing = 'shared') {
    return this.mountKind(target, { tag: 'cache', val: { id, selector: '', sharing, readOnly: false } });
  }

  secret(target, id, fields) {
    const secret = { id, uid: 0, gid: 0, mode: 0o400, optional: false, ...fields };
    return this.mountKind(target, { tag: 'secret', val: secret });
  }

  tmpfs(target, size) {
    return this.mountKind(target, { tag: 'tmpfs', val: { size } });
  }

  mountKind(target, kind) {
    this.op.mounts.push({ target: join(this.op.cwd, target), kind });
    return this;
  }

  root() {
    return this.done().get('/');
  }

  done() {
    const vertex = this.#state.graph.vertex({ tag: 'exec', val: this.op }, this.#platform);
    const trees = new Map();
    let output = 0;
    for (const { target, kind } of this.op.mounts) {
      if (kind.tag !== 'bind') continue;
      const edge = kind.val.output ? { vertex, output: output++ } : kind.val.input;
      trees.set(target, this.#state.withEdge(edge));
    }
    return trees;
  }
}

export class Files {
  #state;
  #actions = [];

  constructor(state) {
    this.#state = state;
  }

  copy(tree, source, target, fields) {
    const val = {
      src: input(tree.edge),
      srcPath: join('/', source),
      dstPath: joinKeepingSlash(this.#state.directory, target),
      followSymlink: false,
      dirContentsOnly: false,
      unpackArchive: false,
      createDstPath: true,
      allowWildcard: false,
      allowEmptyWildcard: false,
      replaceExisting: false,
      includePatterns: [],
      excludePatterns: [],
      requiredPaths: [],
      ...fields,
    };
    return this.action({ tag: 'copy', val });
  }

  write(path, data, fields) {
    const bytes = typeof data === 'string' ? utf8(data) : data;
    return this.action({ tag: 'mkfile', val: { path: this.#path(path), data: bytes, mode: 0o644, ...fields } });
  }

  mkdir(path, fields) {
    return this.action({ tag: 'mkdir', val: { path: this.#path(path), mode: 0o755, makeParents: true, ...fields } });
  }

  rm(path, fields) {
    const val = { path: this.#path(path), allowNotFound: false, allowWildcard: false, ...fields };
    return this.action({ tag: 'rm', val });
  }

  symlink(target, path, fields) {
    return this.action({ tag: 'symlink', val: { target, path: this.#path(path), ...fields } });
  }

  action(kind) {
    const last = this.#actions.length - 1;
    const base = last < 0 ? input(this.#state.edge) : { tag: 'action', val: last };
    this.#actions.push({ base, kind, output: false });
    return this;
  }

  done() {
    const last = this.#actions.at(-1);
    if (!last) return this.#state;
    last.output = true;
    const vertex = this.#state.graph.vertex({ tag: 'file', val: this.#actions });
    return this.#state.withEdge({ vertex, output: 0 });
  }

  #path(path) {
    return join(this.#state.directory, path);
  }
}

/** The op with another edge in place of each. */
function moved({ tag, val }, move) {
  const maybe = (edge) => edge && move(edge);
  const place = (from) => (from.tag === 'edge' ? { tag: 'edge', val: move(from.val) } : from);
  switch (tag) {
    case 'exec': {
      const mounts = val.mounts.map((mount) => {
        const kind = mount.kind;
        if (kind.tag !== 'bind' && kind.tag !== 'cache') return mount;
        return { ...mount, kind: { tag: kind.tag, val: { ...kind.val, input: maybe(kind.val.input) } } };
      });
      return { tag, val: { ...val, mounts } };
    }
    case 'file': {
      const actions = val.map((action) => {
        const copy = action.kind.tag === 'copy';
        const kind = copy ? { tag: 'copy', val: { ...action.kind.val, src: place(action.kind.val.src) } } : action.kind;
        return { ...action, base: place(action.base), kind };
      });
      return { tag, val: actions };
    }
    case 'merge':
      return { tag, val: val.map(move) };
    case 'diff':
      return { tag, val: { lower: maybe(val.lower), upper: maybe(val.upper) } };
    case 'build':
      return { tag, val: { ...val, input: move(val.input) } };
    default:
      return { tag, val };
  }
}
