// Written by tools/contract.js from wit/lapstrake.wit.

/** Output `output` of vertex `vertex`. In a definition, a vertex may only
 * refer to vertices with a smaller index (so the list is a topological
 * order, and the graph cannot have a cycle). */
export interface Edge {
  vertex: number;
  output: number;
}

export interface KeyValue {
  key: string;
  value: string;
}

export interface Platform {
  os: string;
  architecture: string;
  cpuVariant?: string | undefined;
  osVersion?: string | undefined;
  osFeatures: string[];
}

/** Since 1970. Two fields, as a JavaScript number holds 53 bits only. */
export interface Timestamp {
  seconds: bigint;
  nanoseconds: number;
}

/** Lines and columns count from 1; columns count UTF-8 bytes. */
export interface Position {
  line: number;
  column: number;
}

/** `file` indexes the list of source files that stands beside the range.
 * `stop` is exclusive. */
export interface SourceRange {
  file: number;
  start: Position;
  stop: Position;
}

/** Text, not bytes: the host refuses a source that is not UTF-8, so that no
 * guest needs a decoder of its own. */
export interface SourceFile {
  name: string;
  language: string;
  text: string;
}

/** ---- sources ---- */
export type ResolveMode = 'default' | 'prefer-local' | 'force-pull';

export interface ImageSource {
  reference: string;
  mode: ResolveMode;
  layerLimit?: number | undefined;
  /** Digest of the manifest that the reference must resolve to. */
  checksum?: string | undefined;
}

export interface GitSource {
  remote: string;
  gitRef: string;
  subdir: string;
  keepGitDir: boolean;
  checksum?: string | undefined;
  authTokenSecret?: string | undefined;
  authHeaderSecret?: string | undefined;
  mountSshSock?: string | undefined;
  knownHosts?: string | undefined;
  /** Submodules are fetched unless this is set. */
  skipSubmodules: boolean;
}

export interface HttpSource {
  url: string;
  checksum?: string | undefined;
  filename?: string | undefined;
  /** Permission bits of the file; none: 0600. */
  mode?: number | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
  headers: KeyValue[];
  authHeaderSecret?: string | undefined;
}

export type LocalDiffer = 'none' | 'metadata';

export interface LocalSource {
  /** One of the request's contexts. */
  name: string;
  includePatterns: string[];
  excludePatterns: string[];
  followPaths: string[];
  sharedKeyHint?: string | undefined;
  differ: LocalDiffer;
}

export interface OciLayoutSource {
  /** `name[:tag][@digest]` inside the layout. */
  reference: string;
  /** Which of the build's layouts. */
  store: string;
  layerLimit?: number | undefined;
}

export type SourceOp =
  | { tag: 'image'; val: ImageSource }
  | { tag: 'git'; val: GitSource }
  | { tag: 'http'; val: HttpSource }
  | { tag: 'local'; val: LocalSource }
  | { tag: 'oci-layout'; val: OciLayoutSource };

/** ---- exec ---- */
export type NetworkMode = 'sandbox' | 'host-network' | 'no-network';

export type SecurityMode = 'sandbox' | 'insecure';

export type CacheSharing = 'shared' | 'private-copy' | 'locked';

export interface BindMount {
  /** none: an empty tree (scratch). */
  input?: Edge | undefined;
  /** Sub-path of the input; "" is the whole tree. */
  selector: string;
  readOnly: boolean;
  /** Whether this mount's final contents is an output of the vertex. The
   * outputs are numbered in the order of the mounts that have it set. */
  output: boolean;
}

export interface CacheMount {
  id: string;
  input?: Edge | undefined;
  selector: string;
  sharing: CacheSharing;
  readOnly: boolean;
}

export interface TmpfsMount {
  size?: bigint | undefined;
}

export interface SecretMount {
  id: string;
  uid: number;
  gid: number;
  mode: number;
  optional: boolean;
}

export interface SshMount {
  id: string;
  uid: number;
  gid: number;
  mode: number;
  optional: boolean;
}

export type MountKind =
  | { tag: 'bind'; val: BindMount }
  | { tag: 'cache'; val: CacheMount }
  | { tag: 'tmpfs'; val: TmpfsMount }
  | { tag: 'secret'; val: SecretMount }
  | { tag: 'ssh'; val: SshMount };

export interface Mount {
  target: string;
  kind: MountKind;
}

export interface SecretEnv {
  name: string;
  secretId: string;
  optional: boolean;
}

export interface HostIp {
  host: string;
  ip: string;
}

/** none: unlimited. */
export interface Ulimit {
  name: string;
  soft?: bigint | undefined;
  hard?: bigint | undefined;
}

export interface ProxyEnv {
  httpProxy: string;
  httpsProxy: string;
  ftpProxy: string;
  noProxy: string;
  allProxy: string;
}

/** A device by its fully qualified CDI name, such as `vendor.com/gpu=0`. */
export interface CdiDevice {
  name: string;
  optional: boolean;
}

export interface ExecOp {
  args: string[];
  env: KeyValue[];
  cwd: string;
  user?: string | undefined;
  hostname?: string | undefined;
  /** Exactly one must have target "/". */
  mounts: Mount[];
  secretEnvs: SecretEnv[];
  extraHosts: HostIp[];
  ulimits: Ulimit[];
  cgroupParent?: string | undefined;
  /** Given to the command, left out of cache keys. */
  proxy?: ProxyEnv | undefined;
  devices: CdiDevice[];
  network: NetworkMode;
  security: SecurityMode;
  /** Empty: only 0. */
  validExitCodes: number[];
}

/** ---- file ----
 * A name is looked up in the tree that the action changes. */
export type UserRef =
  | { tag: 'id'; val: number }
  | { tag: 'name'; val: string };

export interface Chown {
  user?: UserRef | undefined;
  group?: UserRef | undefined;
}

/** Symbolic: as chmod(1) takes it, such as `u=rwX,go=rX`. */
export type FileMode =
  | { tag: 'octal'; val: number }
  | { tag: 'symbolic'; val: string };

export type FileInput =
  | { tag: 'scratch' }
  | { tag: 'edge'; val: Edge }
  /** The result of an earlier action of the same op. */
  | { tag: 'action'; val: number };

export interface CopyAction {
  src: FileInput;
  srcPath: string;
  dstPath: string;
  owner?: Chown | undefined;
  mode?: FileMode | undefined;
  followSymlink: boolean;
  dirContentsOnly: boolean;
  unpackArchive: boolean;
  createDstPath: boolean;
  allowWildcard: boolean;
  allowEmptyWildcard: boolean;
  /** A destination of another type is replaced, where it is an error else. */
  replaceExisting: boolean;
  includePatterns: string[];
  excludePatterns: string[];
  requiredPaths: string[];
  timestamp?: Timestamp | undefined;
}

export interface MkfileAction {
  path: string;
  data: Uint8Array;
  mode: number;
  owner?: Chown | undefined;
  timestamp?: Timestamp | undefined;
}

export interface MkdirAction {
  path: string;
  mode: number;
  makeParents: boolean;
  owner?: Chown | undefined;
  timestamp?: Timestamp | undefined;
}

export interface RmAction {
  path: string;
  allowNotFound: boolean;
  allowWildcard: boolean;
}

export interface SymlinkAction {
  /** What the link says; never resolved here. */
  target: string;
  path: string;
  owner?: Chown | undefined;
  timestamp?: Timestamp | undefined;
}

export type FileActionKind =
  | { tag: 'copy'; val: CopyAction }
  | { tag: 'mkfile'; val: MkfileAction }
  | { tag: 'mkdir'; val: MkdirAction }
  | { tag: 'rm'; val: RmAction }
  | { tag: 'symlink'; val: SymlinkAction };

export interface FileAction {
  /** The tree the action changes. */
  base: FileInput;
  kind: FileActionKind;
  /** Whether the tree after this action is an output of the vertex. The
   * outputs are numbered in the order of the actions that have it set. */
  output: boolean;
}

export interface DiffOp {
  lower?: Edge | undefined;
  upper?: Edge | undefined;
}

/** A definition that an earlier vertex wrote into its tree. */
export interface BuildOp {
  input: Edge;
  /** Path of the marshalled definition in that tree. */
  filename: string;
}

export type Op =
  | { tag: 'source'; val: SourceOp }
  | { tag: 'exec'; val: ExecOp }
  | { tag: 'file'; val: FileAction[] }
  | { tag: 'merge'; val: Edge[] }
  | { tag: 'diff'; val: DiffOp }
  | { tag: 'build'; val: BuildOp };

export interface ProgressGroup {
  id: string;
  name: string;
  weak: boolean;
}

export interface LinuxResources {
  memoryBytes?: bigint | undefined;
  memorySwapBytes?: bigint | undefined;
  cpuShares?: bigint | undefined;
  cpuPeriodUs?: bigint | undefined;
  cpuQuotaUs?: bigint | undefined;
  cpusetCpus?: string | undefined;
  cpusetMems?: string | undefined;
}

export interface Vertex {
  op: Op;
  platform?: Platform | undefined;
  name: string;
  description: KeyValue[];
  ranges: SourceRange[];
  ignoreCache: boolean;
  /** none: as the cache exporter decides. */
  exportCache?: boolean | undefined;
  progressGroup?: ProgressGroup | undefined;
  resources?: LinuxResources | undefined;
  /** Worker constraints, containerd filter syntax. */
  constraints: string[];
}

export interface Definition {
  vertices: Vertex[];
  /** What the vertices' source ranges refer to. */
  sources: SourceFile[];
}

export type Severity = 'error' | 'warning' | 'info' | 'hint';

export interface Related {
  message: string;
  range: SourceRange;
}

export interface Diagnostic {
  severity: Severity;
  /** Stable rule or error name, such as "UnknownInstruction". */
  code: string;
  message: string;
  help?: string | undefined;
  url?: string | undefined;
  ranges: SourceRange[];
  related: Related[];
}

/** Diagnostics with the files that their ranges refer to. */
export interface Report {
  items: Diagnostic[];
  sources: SourceFile[];
}

export interface Healthcheck {
  test: string[];
  intervalNs?: bigint | undefined;
  timeoutNs?: bigint | undefined;
  startPeriodNs?: bigint | undefined;
  startIntervalNs?: bigint | undefined;
  retries?: number | undefined;
}

/** One line of an image's history. The host fills in the layer it stands
 * for: entries that are not empty follow the layers' order. */
export interface HistoryEntry {
  created?: Timestamp | undefined;
  createdBy: string;
  comment: string;
  author?: string | undefined;
  emptyLayer: boolean;
}

export interface ImageConfig {
  platform: Platform;
  env: KeyValue[];
  entrypoint?: string[] | undefined;
  cmd?: string[] | undefined;
  shell?: string[] | undefined;
  workingDir: string;
  user: string;
  exposedPorts: string[];
  volumes: string[];
  labels: KeyValue[];
  annotations: KeyValue[];
  stopSignal?: string | undefined;
  healthcheck?: Healthcheck | undefined;
  onBuild: string[];
  author?: string | undefined;
  created?: Timestamp | undefined;
  history: HistoryEntry[];
  /** Docker's mark of a config whose `cmd` a Dockerfile has set. */
  argsEscaped: boolean;
}

export type ContextSource =
  /** Name for a local source. */
  | { tag: 'local'; val: string }
  /** An image reference. */
  | { tag: 'image'; val: string }
  | { tag: 'oci-layout'; val: OciLayoutSource }
  | { tag: 'git'; val: string }
  | { tag: 'http'; val: string }
  /** Another target of the same build file. */
  | { tag: 'target'; val: string };

export interface NamedContext {
  name: string;
  source: ContextSource;
}

export interface Request {
  /** The main source first. */
  sources: SourceFile[];
  target?: string | undefined;
  /** Empty: the host's default platform alone. */
  platforms: Platform[];
  buildPlatform: Platform;
  buildArgs: KeyValue[];
  labels: KeyValue[];
  /** Where the build file's own files are (`COPY` without a source). */
  context: ContextSource;
  /** `--build-context`, in the order given. */
  namedContexts: NamedContext[];
  /** Everything else, named as BuildKit's frontend options: `no-cache`,
   * `image-resolve-mode`, `add-hosts`, `shm-size`, `ulimit`,
   * `cgroup-parent`, `force-network-mode`, `hostname`, ... and `cmdline`,
   * what stands behind the frontend's reference in the syntax line. */
  options: KeyValue[];
  /** SOURCE_DATE_EPOCH. */
  sourceDateEpoch?: Timestamp | undefined;
}

export interface BuiltImage {
  platform: Platform;
  /** none: scratch. */
  root?: Edge | undefined;
  config: ImageConfig;
  annotations: KeyValue[];
}

export interface BuildResult {
  definition: Definition;
  images: BuiltImage[];
  warnings: Report;
}

export interface ImageRequest {
  reference: string;
  /** none: a registry; else the name of one of the build's OCI layouts. */
  ociLayoutStore?: string | undefined;
  platform?: Platform | undefined;
  mode: ResolveMode;
}

export type BuildError =
  /** The source is wrong; the report says where. */
  | { tag: 'invalid'; val: Report }
  | { tag: 'unknown-target'; val: string }
  /** A call to the host failed (message). */
  | { tag: 'host-failed'; val: string }
  | { tag: 'unsupported'; val: string }
  | { tag: 'internal'; val: string };

export interface ImageInfo {
  /** Normalised, with its digest: what an image source should name. */
  reference: string;
  digest: string;
  config: ImageConfig;
}

export type SolveError =
  | { tag: 'invalid-definition'; val: string }
  | { tag: 'failed'; val: string }
  | { tag: 'not-allowed'; val: string }
  | { tag: 'cancelled' };

export type FileError =
  | { tag: 'not-found' }
  | { tag: 'not-a-file' }
  | { tag: 'not-a-directory' }
  | { tag: 'bad-path'; val: string }
  | { tag: 'too-large' }
  | { tag: 'not-utf8' }
  | { tag: 'other'; val: string };

export interface ByteRange {
  offset: bigint;
  length: number;
}

export type FileKind = 'regular' | 'directory' | 'symlink' | 'device' | 'fifo' | 'socket';

export interface FileInfo {
  name: string;
  kind: FileKind;
  size: bigint;
  mode: number;
  uid: number;
  gid: number;
  linkTarget?: string | undefined;
}

/** A solved tree, read only. */
export interface Reference {
  /** `part`: none is the whole file. Fewer bytes come back at the end. */
  readFile(path: string, part: ByteRange | undefined): Uint8Array;
  /** The whole file, which must be UTF-8. */
  readText(path: string): string;
  /** Sorted by name, bytewise. */
  readDir(path: string, pattern: string | undefined): FileInfo[];
  stat(path: string): FileInfo;
}

export type LogLevel = 'debug' | 'info' | 'warn';

/** All that a frontend can reach. There is no other import. */
export interface HostImports {
  /** Batched, so that the host resolves all of them at the same time. The
   * answers are in the order of the requests. */
  resolveImageConfigs(requests: ImageRequest[]): ({ tag: 'ok'; val: ImageInfo } | { tag: 'err'; val: string })[];
  /** One reference for each root, in order. Solved at the same time. */
  solve(definition: Definition, roots: Edge[]): Reference[];
  /** Builds with another frontend, such as a build file that an earlier step
   * made: its text is the request's first source. `frontend` is a reference as
   * in a syntax line; none: the text's own syntax line says. */
  buildFile(frontend: string | undefined, request: Request): BuildResult;
  /** Shown to the person; never changes a result. */
  log(level: LogLevel, message: string): void;
  /** How far something is that takes long; shown to the person. It is done when
   * `current` is `total`, or when the call of the frontend ends. */
  progress(name: string, current: bigint, total: bigint | undefined): void;
  /** Warnings found while building; the host shows them with their source. */
  warn(warnings: Report): void;
}

/** What a frontend does in `# syntax=include | docker/dockerfile:1 | mirror`. */
export type Role = 'builds' | 'rewrites-sources' | 'rewrites-images' | 'rewrites-result';

export interface OptionInfo {
  name: string;
  description: string;
  defaultValue?: string | undefined;
}

export interface CallInfo {
  name: string;
  description: string;
}

export interface FrontendInfo {
  name: string;
  version: string;
  /** File names or globs that this frontend takes by default. */
  filePatterns: string[];
  options: OptionInfo[];
  /** Named sub-requests that `call` answers. */
  calls: CallInfo[];
  /** Empty: it builds. */
  roles: Role[];
}

export interface TargetInfo {
  name: string;
  description: string;
  base: string;
  isDefault: boolean;
  range?: SourceRange | undefined;
}

export interface ArgInfo {
  name: string;
  description: string;
  defaultValue?: string | undefined;
  range?: SourceRange | undefined;
}

export interface Outline {
  target: TargetInfo;
  args: ArgInfo[];
  secrets: string[];
  ssh: string[];
  cacheIds: string[];
  sources: SourceFile[];
}

/** The answer of a named sub-request, as text and as JSON. */
export interface CallResult {
  text: string;
  json: string;
}

/** Where lines of a rewritten text come from. */
export interface LineOrigin {
  /** The first of the lines in the new text. */
  line: number;
  count: number;
  /** `file` indexes the files beside it. */
  origin: SourceRange;
  /** Whether the lines are those of the origin, one by one; else they were
   * made of the origin as a whole. */
  verbatim: boolean;
}

export interface Rewritten {
  /** The main source's new text. */
  text: string;
  /** Sorted by line, without overlaps. What no origin covers stands for itself. */
  origins: LineOrigin[];
  files: SourceFile[];
  warnings: Report;
}

export type CompletionKind = 'keyword' | 'flag' | 'variable' | 'value' | 'target' | 'file' | 'image';

/** `range` in the file that was asked about. */
export interface TextEdit {
  range: SourceRange;
  text: string;
}

export interface Completion {
  label: string;
  kind: CompletionKind;
  /** One line; may be empty. */
  detail: string;
  /** Markdown; may be empty. */
  documentation: string;
  /** none: the label is inserted at the position. */
  edit?: TextEdit | undefined;
}

/** Markdown, and the part of the file it is about. */
export interface Hover {
  text: string;
  range?: SourceRange | undefined;
}

export interface FrontendExports {
  describe(): FrontendInfo;
  build(request: Request): BuildResult;
  lint(request: Request): Report;
  getOutline(request: Request): Outline;
  listTargets(request: Request): TargetInfo[];
  call(name: string, request: Request): CallResult;
  /** What could stand at a position. `file` indexes the request's sources. */
  completions(request: Request, file: number, at: Position): Completion[];
  /** What is to be said about a position. */
  getHover(request: Request, file: number, at: Position): Hover | undefined;
  /** The main source as the next frontend is to read it. */
  rewriteSources(request: Request): Rewritten;
  /** The images that the one that builds shall get instead, in order. Asked for
   * every image, also for those in graphs that are solved on the way. */
  rewriteImages(request: Request, images: ImageRequest[]): ImageRequest[];
  /** The result as it is to be built. */
  rewriteResult(request: Request, built: BuildResult): BuildResult;
}
