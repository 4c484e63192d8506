// The {{name}} frontend: every line `say TEXT` becomes a line of a file in the image, `into PATH` says which.

import * as sdk from '@lapstrake/sdk';

export class Language extends sdk.Frontend {
  describe() {
    return sdk.frontendInfo('{{name}}', '0.1.0', { filePatterns: ['*.{{name}}'] });
  }

  build(host, request) {
    const graph = new sdk.Graph();
    const [source] = request.sources;
    const lines = new sdk.Lines(source.text, graph.sourceFile(source));

    // Read. Every mistake is reported with its place, not just the first.
    const said = [];
    const errors = [];
    let path = '/hello.txt';
    lines.lines.forEach((line, index) => {
      const [word] = line.split(' ', 1);
      const value = line.slice(word.length + 1);
      const range = lines.line(index + 1);
      if (word === 'say') said.push({ value, range });
      else if (word === 'into') path = value;
      else if (word && !word.startsWith('#')) {
        const meant = sdk.didYouMean(word, ['say', 'into']);
        const help = meant && `did you mean "${meant}"?`;
        errors.push(sdk.error('UnknownWord', `there is no word "${word}"`, range, { help }));
      }
    });
    if (errors.length) throw sdk.invalid(errors, graph.sourceFiles());

    // Build the graph: one file in an empty tree, made of all the lines.
    const text = said.map(({ value }) => `${value}\n`).join('');
    const root = graph.scratch().file().write(path, text).done().name(`say it in ${path}`);
    said.forEach(({ range }) => root.range(range));
    const images = sdk.targetPlatforms(request).map((platform) => {
      const config = sdk.imageConfig(platform, { cmd: ['cat', path] });
      return sdk.builtImage(root, config);
    });
    return graph.finish(images);
  }
}
