// The SDK without Wasm and without a host: `npm test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Frontend, Graph, Lines, didYouMean, error, exportsOf, frontendInfo, invalid, join, utf8 } from '../src/index.js';

const amd64 = { os: 'linux', architecture: 'amd64', osFeatures: [] };

test('equal vertices are one', () => {
  const graph = new Graph();
  const build = () => graph.image('a', amd64).run('x').root();
  assert.deepEqual(build().edge, build().edge);
  assert.notDeepEqual(graph.image('a').edge, graph.image('a', amd64).edge);
});

test('a definition has what its roots need', () => {
  const graph = new Graph();
  graph.image('unused');
  const base = graph.image('base');
  const files = graph.scratch().file().write('/a', 'x').done();
  const root = base.run('make').mount('/in', files).cache('/c', 'id').root().file().copy(files, 'a', 'b/').done();
  const { definition, roots } = graph.definition([root.edge]);
  assert.equal(definition.vertices.length, 4);
  assert.deepEqual(roots, [{ vertex: 3, output: 0 }]);
  const inputs = definition.vertices[2].op.val.mounts.map(({ kind }) => kind.val.input?.vertex);
  assert.deepEqual(inputs, [0, 1, undefined]);
  assert.deepEqual(graph.definition([root.edge]).definition, definition);
});

test('states never change', () => {
  const base = new Graph().image('base');
  base.env('A', '1').dir('/x');
  assert.deepEqual([base.environment, base.directory], [[], '/']);
  const { op } = base.env('A', '1').env('B', '2').env('A', '3').dir('x').run('y');
  assert.deepEqual(op.env.map(({ key, value }) => key + value), ['A3', 'B2']);
  assert.equal(op.cwd, '/x');
});

test('what a command leaves', () => {
  const graph = new Graph();
  const other = graph.local();
  const trees = graph.image('base').run('x').mount('/rw', other).mount('/ro', other, { readOnly: true }).done();
  assert.deepEqual([...trees.values()].map(({ edge }) => edge.output), [0, 1, 0]);
  assert.deepEqual(trees.get('/ro').edge, other.edge);
});

test('errors leave as the contract has them', () => {
  class Wrong extends Frontend {
    describe() {
      return frontendInfo('wrong', '1');
    }

    build() {
      throw invalid([error('Code', 'message')], []);
    }
  }
  class Broken extends Wrong {
    build() {
      return undefined.x;
    }
  }
  assert.throws(() => exportsOf(Wrong, {}).build({}), { tag: 'invalid' });
  assert.equal(exportsOf(Wrong, {}).lint({}).items[0].code, 'Code');
  assert.throws(() => exportsOf(Broken, {}).build({}), (thrown) => /^TypeError/.test(thrown.val));
});

test('what is not there is undefined, as engines have null', () => {
  class Named extends Frontend {
    build(host, request) {
      throw invalid([error('Code', String(request.target ?? 'none') + (request.sources[0].x === undefined))], []);
    }
  }
  const request = { target: null, sources: [{ x: null }] };
  assert.throws(() => exportsOf(Named, {}).build(request), ({ val }) => val.items[0].message === 'nonetrue');
});

test('columns count bytes', () => {
  const lines = new Lines('ä x\r\nü', 3);
  const range = { file: 3, start: { line: 1, column: 4 }, stop: { line: 1, column: 5 } };
  assert.deepEqual(lines.part(1, 2, 3), range);
  assert.deepEqual(lines.line(2).stop, { line: 2, column: 3 });
  assert.deepEqual([...utf8('aü€🚢')], [...new TextEncoder().encode('aü€🚢')]);
});

test('near words and paths', () => {
  assert.equal(didYouMean('rnu', ['run', 'ran']), 'run');
  assert.equal(didYouMean('x', ['copy']), undefined);
  assert.equal(join('/src', 'a/../b/'), '/src/b');
  assert.equal(join('', '..'), '/');
});
