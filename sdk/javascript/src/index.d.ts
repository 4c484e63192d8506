import type * as c from './contract.js';

export type * from './contract.js';

/** Name of the main context. */
export const MAIN_CONTEXT: 'context';

type Trees = Map<string, State>;

/** A build graph in the making. Vertices whose op and platform are equal are one vertex. */
export class Graph {
  /** Adds a file that ranges refer to; its index in them. */
  sourceFile(file: c.SourceFile): number;
  /** The files so far: what belongs beside diagnostics whose ranges use their indexes. */
  sourceFiles(): c.SourceFile[];
  /** Adds an op, or finds an equal one; its index. */
  vertex(op: c.Op, platform?: c.Platform): number;
  /** The empty tree. */
  scratch(): State;
  /** An image; a platform is that of the commands run in it, too. */
  image(reference: string, platform?: c.Platform, fields?: Partial<c.ImageSource>): State;
  /** A directory of the build, by the name of its context. */
  local(name?: string, fields?: Partial<c.LocalSource>): State;
  /** A git repository. */
  git(remote: string, fields?: Partial<c.GitSource>): State;
  /** A file by HTTP. */
  http(url: string, fields?: Partial<c.HttpSource>): State;
  /** Any source. */
  source(source: c.SourceOp, platform?: c.Platform): State;
  /** Stacks trees, the lowest first. Scratch is left out; one tree alone is itself. */
  merge(states: State[]): State;
  /** What `upper` has and `lower` has not. Against scratch that is `upper`. */
  diff(lower: State, upper: State): State;
  /** The part of the graph that the edges need, and the edges in it. For `host.solve`. */
  definition(roots: c.Edge[]): { definition: c.Definition; roots: c.Edge[] };
  /** Ends a build: the part of the graph that the images need, and the images with roots in it. */
  finish(images: c.BuiltImage[], warnings?: c.Diagnostic[]): c.BuildResult;
}

/** A tree, and the environment, directory, user and platform of what runs in it. Never changes; what is said about the tree
 * (`name`, `range`, ...) is said of the vertex that makes it. */
export class State {
  readonly graph: Graph;
  /** The edge that makes the tree; none: scratch. */
  readonly edge: c.Edge | undefined;
  readonly environment: c.KeyValue[];
  readonly directory: string;
  withEdge(edge: c.Edge | undefined): State;
  env(key: string, value: string): State;
  dir(path: string): State;
  user(user: string): State;
  platform(platform: c.Platform): State;
  /** Starts a command with these arguments. */
  run(...args: string[]): Run;
  /** Starts a command line of `/bin/sh`. */
  shell(command: string): Run;
  /** Starts changes of files, all in one vertex. */
  file(): Files;
  /** Names the vertex for progress, unless it has a name. */
  name(name: string): State;
  /** Says where in the sources the vertex comes from. */
  range(range: c.SourceRange): State;
  describe(key: string, value: string): State;
  ignoreCache(): State;
}

/** A command that is about to be added to the graph. `root` or `done` adds it. */
export class Run {
  readonly op: c.ExecOp;
  env(key: string, value: string): this;
  dir(path: string): this;
  user(user: string): this;
  network(network: c.NetworkMode): this;
  /** Shows a tree. What the command writes there is a tree of its own, which `done` gives. */
  mount(target: string, tree: State, options?: { readOnly?: boolean }): this;
  /** Shows a directory that later builds see again under the same id. */
  cache(target: string, id: string, sharing?: c.CacheSharing): this;
  secret(target: string, id: string, fields?: Partial<c.SecretMount>): this;
  tmpfs(target: string, size?: bigint): this;
  mountKind(target: string, kind: c.MountKind): this;
  root(): State;
  /** The trees that the command leaves, by the targets of the bind mounts. */
  done(): Trees;
}

/** Changes of files that `done` adds to the graph as one vertex. */
export class Files {
  copy(tree: State, source: string, target: string, fields?: Partial<c.CopyAction>): this;
  write(path: string, data: string | Uint8Array, fields?: Partial<c.MkfileAction>): this;
  mkdir(path: string, fields?: Partial<c.MkdirAction>): this;
  rm(path: string, fields?: Partial<c.RmAction>): this;
  symlink(target: string, path: string, fields?: Partial<c.SymlinkAction>): this;
  action(kind: c.FileActionKind): this;
  done(): State;
}

/** Where the lines of a source are. Lines and columns count from 1, columns in UTF-8 bytes. */
export class Lines {
  constructor(text: string, file?: number);
  readonly lines: string[];
  /** A whole line, without its end. */
  line(number: number): c.SourceRange;
  /** Characters `start` to `stop` of a line, counted from 0. */
  part(number: number, start: number, stop: number): c.SourceRange;
}

/** The candidate that was probably meant. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined;
export function join(directory: string, path: string): string;
export function joinKeepingSlash(directory: string, path: string): string;
export function utf8(text: string): Uint8Array;

/** The build cannot be done; `error` is one of the contract's build errors. */
export class BuildFailed extends Error {
  constructor(error: c.BuildError);
  readonly error: c.BuildError;
}
export function invalid(items: c.Diagnostic[], sources: c.SourceFile[]): BuildFailed;
export function unsupported(what: string): BuildFailed;
export function unknownTarget(name: string): BuildFailed;
export function hostFailed(message: string): BuildFailed;

type More = Partial<Pick<c.Diagnostic, 'help' | 'url' | 'related'>>;
type Ranges = c.SourceRange | c.SourceRange[];
export function diagnostic(
  severity: c.Severity,
  code: string,
  message: string,
  ranges?: Ranges,
  more?: More,
): c.Diagnostic;
export function error(code: string, message: string, ranges?: Ranges, more?: More): c.Diagnostic;
export function warning(code: string, message: string, ranges?: Ranges, more?: More): c.Diagnostic;

export function imageConfig(platform: c.Platform, fields?: Partial<c.ImageConfig>): c.ImageConfig;
export function builtImage(state: State, config: c.ImageConfig): c.BuiltImage;
export function withEnv(config: c.ImageConfig, key: string, value: string): c.ImageConfig;
export function withLabel(config: c.ImageConfig, key: string, value: string): c.ImageConfig;
export function option(request: c.Request, name: string): string | undefined;
export function buildArg(request: c.Request, name: string): string | undefined;
export function targetPlatforms(request: c.Request): c.Platform[];
export function frontendInfo(name: string, version: string, fields?: Partial<c.FrontendInfo>): c.FrontendInfo;

/** All that a frontend can reach. Failures are `BuildFailed`. */
export class Host {
  constructor(imports: c.HostImports);
  resolveImageConfigs(requests: c.ImageRequest[]): ReturnType<c.HostImports['resolveImageConfigs']>;
  resolveImageConfig(reference: string, platform?: c.Platform, fields?: Partial<c.ImageRequest>): c.ImageInfo;
  solve(definition: c.Definition, roots: c.Edge[]): c.Reference[];
  buildFile(frontend: string | undefined, request: c.Request): c.BuildResult;
  log(message: string, level?: c.LogLevel): void;
  progress(name: string, current: number, total?: number): void;
  warn(items: c.Diagnostic[], sources: c.SourceFile[]): void;
}

/** A build language. A call depends on its arguments and the host's answers alone; an instance lives for one call. */
export class Frontend {
  describe(): c.FrontendInfo;
  build(host: Host, request: c.Request): c.BuildResult;
  lint(host: Host, request: c.Request): c.Report;
  outline(host: Host, request: c.Request): c.Outline;
  listTargets(host: Host, request: c.Request): c.TargetInfo[];
  call(host: Host, name: string, request: c.Request): c.CallResult;
  completions(host: Host, request: c.Request, file: number, at: c.Position): c.Completion[];
  hover(host: Host, request: c.Request, file: number, at: c.Position): c.Hover | undefined;
  rewriteSources(host: Host, request: c.Request): c.Rewritten;
  rewriteImages(host: Host, request: c.Request, images: c.ImageRequest[]): c.ImageRequest[];
  rewriteResult(host: Host, request: c.Request, built: c.BuildResult): c.BuildResult;
}

/** The exports of a component, over a frontend; tests bring the imports. */
export function exportsOf(Class: new () => Frontend, imports: c.HostImports): c.FrontendExports;
