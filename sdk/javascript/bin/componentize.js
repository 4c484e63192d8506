#!/usr/bin/env node
// lapstrake-componentize ENTRY [OUTPUT]: bundles a module that exports `frontend` and makes a component of it, with QuickJS
// inside and without any import but the contract's.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [entry, output = 'frontend.wasm'] = process.argv.slice(2);
if (!entry) {
  console.error('usage: lapstrake-componentize ENTRY [OUTPUT]');
  process.exit(2);
}

/** The program of a package that the project depends on. */
function program(name, path) {
  const folders = createRequire(pathToFileURL(join(process.cwd(), 'x.js'))).resolve.paths(name);
  const found = folders.map((folder) => join(folder, name, path)).find((file) => existsSync(file));
  if (!found) {
    console.error(`${name} is not installed: npm install --save-dev ${name}`);
    process.exit(127); // as a shell has it
  }
  return found;
}

function run(...words) {
  const { status } = spawnSync(process.execPath, words, { stdio: ['inherit', 'ignore', 'inherit'] });
  if (status !== 0) process.exitCode = status ?? 1;
  return status === 0;
}

const wit = join(dirname(dirname(fileURLToPath(import.meta.url))), 'wit');
const folder = mkdtempSync(join(tmpdir(), 'lapstrake-'));
try {
  const bundle = join(folder, 'bundle.js');
  const host = 'lapstrake:frontend/host@0.1.0';
  const words = ['--wit', wit, '--world', 'frontend-world', '--js', bundle, '--output', output];
  run(program('rolldown', 'bin/cli.mjs'), entry, '--format', 'esm', '--external', host, '--file', bundle) &&
    run(program('componentize-qjs', 'bin/componentize-qjs'), ...words, '--stub-wasi', '--sync');
} finally {
  rmSync(folder, { recursive: true });
}
