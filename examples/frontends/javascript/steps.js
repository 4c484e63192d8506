// A build language of lines, as STEPS.md in the folder above describes it. Here: from a request to a result.

import {
  Frontend,
  Graph,
  Lines,
  builtImage,
  frontendInfo,
  invalid,
  targetPlatforms,
  unknownTarget,
} from '@lapstrake/sdk';
import { read } from './lines.js';
import { Builder } from './stages.js';

export class Steps extends Frontend {
  describe() {
    const description = 'shell=PATH: the shell of run';
    return frontendInfo('steps', '0.1.0', {
      filePatterns: ['*.steps'],
      options: [{ name: 'cmdline', description, defaultValue: 'shell=/bin/sh' }],
    });
  }

  build(host, request) {
    const graph = new Graph();
    const { lines, errors } = open(graph, request);
    const images = [];
    let warnings = [];
    for (const platform of targetPlatforms(request)) {
      const builder = new Builder(graph, host, request, platform);
      lines.forEach((line) => builder.line(line));
      const stages = builder.finish();
      // What is said of the file is the same for every platform.
      if (!images.length) {
        errors.push(...builder.errors);
        warnings = builder.warnings;
      }
      if (errors.length) throw invalid(errors, graph.sourceFiles());
      const { target } = request;
      const stage = target === undefined ? stages.at(-1) : stages.find(({ name }) => name === target);
      if (!stage) throw unknownTarget(target);
      images.push(builtImage(stage.state, stage.config));
    }
    return graph.finish(images, warnings);
  }

  outline(host, request) {
    const graph = new Graph();
    const { lines } = open(graph, request);
    const args = lines.filter(({ word }) => word === 'arg').map(({ rest, range }) => {
      const [name, ...value] = rest.split('=');
      return { name, description: '', defaultValue: value.join('='), range };
    });
    const target = { name: request.target ?? 'main', description: '', base: '', isDefault: false };
    return { target, args, secrets: [], ssh: [], cacheIds: [], sources: graph.sourceFiles() };
  }
}

/** The lines of the build file, and what is wrong with variables in them. */
function open(graph, request) {
  const [source] = request.sources;
  return read(new Lines(source.text, graph.sourceFile(source)), request);
}
