// What each instruction does to the graph and the image. Knows nothing of text.

import { BuildFailed, didYouMean, error, imageConfig, option, warning, withEnv, withLabel } from '@lapstrake/sdk';
import { flagsOf, partition, split } from './lines.js';

// The instructions, and how many words each needs.
const INSTRUCTIONS = {
  arg: 1,
  stage: 1,
  from: 1,
  env: 1,
  dir: 1,
  user: 1,
  run: 1,
  copy: 2,
  write: 2,
  mkdir: 1,
  remove: 1,
  link: 2,
  merge: 1,
  diff: 2,
  cmd: 1,
  label: 1,
};
const FLAGS = { run: ['cache', 'mount', 'secret', 'network'], copy: ['from'] };
const NETWORKS = { none: 'no-network', host: 'host-network' };

/** A line that cannot be done; the diagnostic says why. */
class Problem extends Error {
  constructor(diagnostic) {
    super(diagnostic.message);
    this.diagnostic = diagnostic;
  }
}

/** Goes through the lines for one platform. */
export class Builder {
  errors = [];
  warnings = [];
  #stages = [];

  constructor(graph, host, request, platform) {
    Object.assign(this, { graph, host, platform });
    const words = (option(request, 'cmdline') ?? '').split(' ');
    this.shell = words.findLast((word) => word.startsWith('shell='))?.slice(6) ?? '/bin/sh';
    this.now = this.#stage('main');
  }

  /** Ends the last stage. */
  finish() {
    return [...this.#stages, this.now];
  }

  /** Does what a line says, or notes why not. */
  line(line) {
    this.#try(() => this.#checked(line));
  }

  #try(what) {
    try {
      return what();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.errors.push(problem.diagnostic);
      return undefined;
    }
  }

  #checked(line) {
    if (!Object.hasOwn(INSTRUCTIONS, line.word)) {
      const message = `there is no instruction ${line.word}`;
      const help = meant(line.word, Object.keys(INSTRUCTIONS));
      throw new Problem(error('UnknownInstruction', message, line.wordRange, { help }));
    }
    const { flags, rest } = flagsOf(line);
    const words = rest.split(/[ \t]/).filter(Boolean);
    const needed = INSTRUCTIONS[line.word];
    if (words.length < needed) {
      const message = `${line.word} needs ${needed} words, not ${words.length}`;
      throw new Problem(error('MissingArgument', message, line.range));
    }
    const unknown = flags.find(([flag]) => !FLAGS[line.word]?.includes(flag));
    if (unknown) throw new Problem(error('UnknownFlag', `${line.word} has no flag --${unknown[0]}`, line.range));
    const changed = this.#instruction(line, flags, rest, words);
    if (changed) this.now.state = changed.name(line.text).range(line.range);
  }

  #instruction(line, flags, rest, words) {
    const { now } = this;
    const [first, second] = words;
    switch (line.word) {
      case 'stage':
        return this.#begin(first, line);
      case 'from':
        return this.#from(first, line);
      case 'env': {
        const [name, value] = partition(rest, '=');
        now.config = withEnv(now.config, name, value);
        now.state = now.state.env(name, value);
        return undefined;
      }
      case 'dir':
        now.state = now.state.dir(first);
        now.config = { ...now.config, workingDir: now.state.directory };
        return undefined;
      case 'user':
        now.config = { ...now.config, user: first };
        now.state = now.state.user(first);
        return undefined;
      case 'cmd':
        now.config = { ...now.config, cmd: words };
        return undefined;
      case 'label':
        now.config = withLabel(now.config, ...partition(rest, '='));
        return undefined;
      case 'run':
        return this.#run(flags, rest, line);
      case 'copy': {
        const tree = flags.length ? this.#find(flags.at(-1)[1], line) : this.graph.local().name('load the context');
        return now.state.file().copy(tree, first, second).done();
      }
      case 'write':
        return now.state.file().write(first, `${split(rest)[1]}\n`).done();
      case 'mkdir':
        return now.state.file().mkdir(first).done();
      case 'remove':
        return now.state.file().rm(first).done();
      case 'link':
        return now.state.file().symlink(second, first).done();
      case 'merge': {
        const found = words.map((name) => this.#try(() => this.#find(name, line)));
        return this.graph.merge([now.state, ...found.filter(Boolean)]);
      }
      case 'diff': {
        const found = [first, second].map((name) => this.#try(() => this.#find(name, line)));
        return found.every(Boolean) ? this.graph.diff(...found) : undefined;
      }
      default:
        return undefined;
    }
  }

  #begin(name, line) {
    const same = this.finish().find((stage) => stage.name === name);
    if (same) {
      const related = same.range ? [{ message: 'the first one is here', range: same.range }] : [];
      throw new Problem(error('DuplicateStage', `there are two stages ${name}`, line.range, { related }));
    }
    this.#stages.push(this.now);
    this.now = this.#stage(name, line.range);
  }

  #from(reference, line) {
    const stage = this.#stages.find(({ name }) => name === reference);
    if (reference === 'scratch') {
      this.now.state = this.graph.scratch().platform(this.platform);
      return;
    }
    if (stage) {
      this.now.state = stage.state;
      this.now.config = stage.config;
      return;
    }
    if (!/[:@]/.test(reference.split('/').at(-1))) {
      const message = `${reference} names no version of the image`;
      this.warnings.push(warning('NoTag', message, line.range, { help: `say ${reference}:VERSION` }));
    }
    let image;
    try {
      image = this.host.resolveImageConfig(reference, this.platform);
    } catch (failed) {
      if (!(failed instanceof BuildFailed)) throw failed;
      throw new Problem(error('NoImage', failed.error.val, line.range));
    }
    const state = this.graph.image(image.reference, this.platform).name(line.text).range(line.range);
    this.now.state = image.config.env.reduce((state, { key, value }) => state.env(key, value), state);
    this.now.config = image.config;
  }

  #run(flags, rest, line) {
    const run = this.now.state.run(this.shell, '-c', rest);
    for (const [flag, value] of flags) {
      const [name, path] = value.includes(':') ? partition(value, ':') : [value, '/'];
      if (flag === 'cache') run.cache(path, name);
      else if (flag === 'secret') run.secret(path, name);
      else if (flag === 'mount') run.mount(path, this.#find(name, line), { readOnly: true });
      else run.network(NETWORKS[value] ?? 'sandbox');
    }
    return run.root();
  }

  #find(name, line) {
    const stage = this.#stages.find((stage) => stage.name === name);
    if (stage) return stage.state;
    const help = meant(name, this.#stages.map((stage) => stage.name));
    throw new Problem(error('UnknownStage', `there is no stage ${name} above`, line.range, { help }));
  }

  #stage(name, range) {
    const state = this.graph.scratch().platform(this.platform);
    return { name, state, config: imageConfig(this.platform), range };
  }
}

function meant(word, known) {
  const found = didYouMean(word, known);
  return found && `did you mean ${found}?`;
}
