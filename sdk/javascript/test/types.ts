// What TypeScript makes of the API: sdk/test.sh and sdk/package.sh check it, nothing runs it. A line that must not compile says so.

import * as sdk from '@lapstrake/sdk';
import { component } from '@lapstrake/sdk/component';
import type { BuildResult, FrontendInfo, Request } from '@lapstrake/sdk/contract';

class Language extends sdk.Frontend {
  describe(): FrontendInfo {
    return sdk.frontendInfo('typed', '0.1.0', { filePatterns: ['*.typed'] });
  }

  build(host: sdk.Host, request: Request): BuildResult {
    const graph = new sdk.Graph();
    const source = request.sources[0];
    const lines = new sdk.Lines(source.text, graph.sourceFile(source));
    if (lines.lines.length === 0) throw sdk.invalid([sdk.error('Empty', 'nothing', lines.line(1))], graph.sourceFiles());
    const { definition, roots } = graph.definition([]);
    const [tree] = host.solve(definition, roots);
    const text: string = tree.readText('/f');
    const images = sdk.targetPlatforms(request).map((platform) => {
      const base = graph.image('debian:12', platform).run('make').mount('/in', graph.local(), { readOnly: true }).root();
      const root = base.file().write('/f', text).done().name('write').range(lines.part(1, 0, 1));
      return sdk.builtImage(root, sdk.imageConfig(platform, { cmd: ['cat', '/f'] }));
    });
    return graph.finish(images, [sdk.warning('Late', 'it is late')]);
  }
}

export const frontend = component(Language);

// @ts-expect-error an image has a name
new sdk.Graph().image();
// @ts-expect-error networks are a closed list
new sdk.Graph().scratch().run('x').network('mesh');
export class Wrong extends sdk.Frontend {
  // @ts-expect-error a frontend says what it is
  describe(): string {
    return 'x';
  }
}
