// Writes the TypeScript types of the contract: `wasm-tools component wit --json wit | node tools/contract.js`.
// Names and forms are those that the component's engine gives JavaScript.

import { readFileSync } from 'node:fs';

const wit = JSON.parse(readFileSync(0, 'utf8'));
const pascal = (name) => name.replace(/(^|-)(\w)/g, (_, __, letter) => letter.toUpperCase());
const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
const PLAIN = { string: 'string', bool: 'boolean', u64: 'bigint', s64: 'bigint', u8: 'number', u32: 'number', s32: 'number' };

const docs = (item, indent) =>
  item.docs?.contents ? `${indent}/** ${item.docs.contents.trim().replace(/\n/g, `\n${indent} * `)} */\n` : '';

function type(of) {
  if (typeof of === 'string') return PLAIN[of];
  const { name, kind } = wit.types[of];
  if (name) return pascal(name);
  if (kind.list !== undefined) return kind.list === 'u8' ? 'Uint8Array' : `${wrapped(kind.list)}[]`;
  if (kind.option !== undefined) return `${type(kind.option)} | undefined`;
  if (kind.result) {
    return `{ tag: 'ok'; val: ${type(kind.result.ok)} } | { tag: 'err'; val: ${type(kind.result.err)} }`;
  }
  if (kind.handle) return type(kind.handle.own ?? kind.handle.borrow);
  throw new Error(JSON.stringify(kind));
}

function wrapped(of) {
  const text = type(of);
  return text.includes('|') ? `(${text})` : text;
}

function declare({ name, kind, ...rest }) {
  const head = docs(rest, '');
  if (kind.record) {
    const fields = kind.record.fields.map((field) => {
      const optional = typeof field.type === 'number' && wit.types[field.type].kind.option !== undefined;
      return `${docs(field, '  ')}  ${camel(field.name)}${optional ? '?' : ''}: ${type(field.type)};`;
    });
    return `${head}export interface ${pascal(name)} {\n${fields.join('\n')}\n}`;
  }
  if (kind.enum) {
    return `${head}export type ${pascal(name)} = ${kind.enum.cases.map((one) => `'${one.name}'`).join(' | ')};`;
  }
  if (kind.variant) {
    const cases = kind.variant.cases.map((one) => {
      const value = one.type === null || one.type === undefined ? '' : `; val: ${type(one.type)}`;
      return `${docs(one, '  ')}  | { tag: '${one.name}'${value} }`;
    });
    return `${head}export type ${pascal(name)} =\n${cases.join('\n')};`;
  }
  return null;
}

function signature(fn, skip) {
  const params = fn.params.slice(skip).map((param) => `${camel(param.name)}: ${type(param.type)}`);
  let result = 'void';
  if (fn.result !== undefined && fn.result !== null) {
    const kind = typeof fn.result === 'number' ? wit.types[fn.result].kind : {};
    // A result alone is a value or an exception.
    result = kind.result ? type(kind.result.ok) : type(fn.result);
  }
  return `(${params.join(', ')}): ${result};`;
}

const out = ['// Written by tools/contract.js from wit/lapstrake.wit.'];
for (const face of wit.interfaces) {
  for (const index of Object.values(face.types)) {
    const item = wit.types[index];
    if (item.kind === 'resource') {
      const methods = Object.values(face.functions).filter((fn) => fn.kind.method === index);
      const lines = methods.map((fn) => `${docs(fn, '  ')}  ${camel(fn.name.split('.')[1])}${signature(fn, 1)}`);
      out.push(`${docs(item, '')}export interface ${pascal(item.name)} {\n${lines.join('\n')}\n}`);
    } else if (item.kind.type === undefined) {
      out.push(declare(item));
    }
  }
  const functions = Object.values(face.functions).filter((fn) => fn.kind === 'freestanding');
  if (functions.length) {
    const lines = functions.map((fn) => `${docs(fn, '  ')}  ${camel(fn.name)}${signature(fn, 0)}`);
    const name = face.name === 'host' ? 'HostImports' : 'FrontendExports';
    out.push(`${docs(face, '')}export interface ${name} {\n${lines.join('\n')}\n}`);
  }
}
process.stdout.write(`${out.filter(Boolean).join('\n\n')}\n`);
