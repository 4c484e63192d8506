// Write a Lapstrake frontend in JavaScript or TypeScript: a graph builder, diagnostics, and the class to extend.

export { Graph, State, Run, Files, MAIN_CONTEXT } from './graph.js';
export { Lines, didYouMean, join, joinKeepingSlash, utf8 } from './text.js';
export {
  BuildFailed,
  Frontend,
  Host,
  buildArg,
  builtImage,
  diagnostic,
  error,
  exportsOf,
  frontendInfo,
  hostFailed,
  imageConfig,
  invalid,
  option,
  targetPlatforms,
  unknownTarget,
  unsupported,
  warning,
  withEnv,
  withLabel,
} from './frontend.js';
